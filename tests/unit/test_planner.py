"""What the planner does with datasets that are put into the input bucket."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ionfleet.identity import timestamp
from ionfleet.index import SpectraIndex
from ionfleet.plan import Stores
from ionfleet.stages import planner
from ionfleet.stages.planner import Outcome, take_up

from .imzml_files import SMALL, make
from .memory_cloud import CONFIGURATION, DEPLOYMENT, NOON, empty_cloud, upload_dataset
from .planner_desk import BRAIN, deliver, document, plans, status_of, stocked


@pytest.fixture
def cloud() -> Stores:
    return stocked()


class TestDatasets:
    def test_an_incomplete_dataset_waits_for_the_missing_file(self, cloud: Stores) -> None:
        cloud.input.replace(f"{BRAIN}.ibd", SMALL.ibd)
        assert deliver(cloud, f"{BRAIN}.ibd").state == "waiting"
        assert status_of(cloud) == {
            "at": timestamp(NOON),
            "state": "waiting",
            "name": "brain",
            "waiting_for": "brain.imzML",
            "findings": [],
        }
        assert plans(cloud) == []

    def test_a_complete_dataset_is_planned(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        outcome = deliver(cloud, f"{BRAIN}.ibd")
        (plan,) = plans(cloud)
        assert outcome == Outcome("planned", "brain", plan.dataset.id, plan.execution)
        assert (plan.job, plan.attempt, plan.claimed_at) == (plan.execution, 1, timestamp(NOON))
        assert plan.dataset.name == plan.configuration.name == "brain"
        assert (plan.dataset.imzml.key, plan.dataset.imzml.version) == (f"{BRAIN}.imzML", "v1")
        assert [database.name for database in plan.databases] == ["small"]
        assert cloud.work.head(plan.databases[0].key) is not None
        assert status_of(cloud) == {
            "at": timestamp(NOON),
            "state": "planned",
            "name": "brain",
            "dataset": plan.dataset.id,
            "job": plan.job,
            "execution": plan.execution,
            "findings": [],
        }
        job = document(cloud, f"results/{plan.dataset.id}/{plan.job}/status.json")
        assert (job["state"], job["attempt"], job["claimed_at"]) == ("RUNNING", 1, timestamp(NOON))

    def test_the_index_is_kept_under_the_datasets_id(self, cloud: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.ibd")
        (plan,) = plans(cloud)
        index = SpectraIndex.read(cloud.work.get(f"datasets/{plan.dataset.id}/index.parquet"))
        assert len(index) == 3

        def read_again(*_: object) -> None:
            raise AssertionError

        monkeypatch.setattr(planner, "inspect_imzml", read_again)
        upload_dataset(cloud, "datasets/lab/copy")
        assert deliver(cloud, "datasets/lab/copy.ibd", "m2").state == "planned"

    def test_names_with_blanks_and_other_scripts_are_taken(self, cloud: Stores) -> None:
        upload_dataset(cloud, "datasets/lab/Maus Gehirn 脳+1")
        assert deliver(cloud, "datasets/lab/Maus Gehirn 脳+1.imzML").state == "planned"
        assert status_of(cloud, "datasets/lab/Maus Gehirn 脳+1")["name"] == "Maus Gehirn 脳+1"

    def test_several_datasets_share_a_folder(self, cloud: Stores) -> None:
        upload_dataset(cloud, "datasets/lab/a", make([([100.0], [1.0])]))
        upload_dataset(cloud, "datasets/lab/b", make([([200.0], [1.0])]))
        cloud.input.replace("datasets/lab/c.imzML", b"")
        assert deliver(cloud, "datasets/lab/a.imzML", "m1").state == "planned"
        assert deliver(cloud, "datasets/lab/b.imzML", "m2").state == "planned"
        assert deliver(cloud, "datasets/lab/c.imzML", "m3").state == "waiting"
        assert sorted(plan.dataset.name for plan in plans(cloud)) == ["a", "b"]

    def test_the_same_bytes_elsewhere_are_the_same_dataset(self, cloud: Stores) -> None:
        cloud.input.replace("datasets/other/job.json", CONFIGURATION)
        upload_dataset(cloud)
        upload_dataset(cloud, "datasets/other/brain")
        first = deliver(cloud, f"{BRAIN}.ibd", "m1")
        second = deliver(cloud, "datasets/other/brain.ibd", "m2")
        assert second.execution == first.execution
        assert len(plans(cloud)) == 1
        assert status_of(cloud, "datasets/other/brain")["job"] == first.execution

    def test_without_configuration_the_bundled_database_is_used(self) -> None:
        stores = empty_cloud()
        upload_dataset(stores)
        deliver(stores, f"{BRAIN}.ibd")
        (plan,) = plans(stores)
        assert [database.name for database in plan.databases] == ["ionfleet-core"]
        assert plan.configuration.polarity == "positive"
        assert plan.isotopes.tasks > 0

    def test_what_is_none_of_its_business_is_ignored(self, cloud: Stores) -> None:
        before = dict(cloud.results.objects)  # type: ignore[attr-defined]
        assert deliver(cloud, "datasets/lab/").state == "ignored"
        assert deliver(cloud, "datasets/lab/readme.txt").state == "ignored"
        assert cloud.results.objects == before  # type: ignore[attr-defined]


class TestRejections:
    def rejection(self, stores: Stores, key: str = f"{BRAIN}.ibd") -> dict[str, Any]:
        outcome = deliver(stores, key)
        assert outcome.state == "rejected"
        assert plans(stores) == []
        return status_of(stores)

    def test_a_hostile_key_is_answered_under_a_harmless_one(self, cloud: Stores) -> None:
        assert deliver(cloud, "datasets/../x\x1b.imzML").state == "rejected"
        (key,) = [info.key for info in cloud.results.list("inputs/refused/")]
        assert document(cloud, key)["error"] == "InvalidInputError"
        assert "\x1b" not in document(cloud, key)["message"]

    def test_an_imzml_that_is_none_is_rejected_with_its_findings(self, cloud: Stores) -> None:
        upload_dataset(cloud, dataset=replace(SMALL, imzml="nonsense"))
        status = self.rejection(cloud)
        assert status["error"] == "InvalidDatasetError"
        assert [finding["severity"] for finding in status["findings"]] == ["error"]
        assert status["findings"][0]["message"] in status["message"]

    def test_a_truncated_ibd_is_rejected(self, cloud: Stores) -> None:
        upload_dataset(cloud, dataset=replace(SMALL, ibd=SMALL.ibd[:-4]))
        assert self.rejection(cloud)["error"] == "InvalidDatasetError"

    def test_two_files_of_one_kind_are_rejected(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        cloud.input.replace(f"{BRAIN}.IBD", SMALL.ibd)
        assert "one imzML and one ibd" in self.rejection(cloud)["message"]

    @pytest.mark.parametrize(
        ("configuration", "complaint"),
        [
            (b"{", "not JSON"),
            (b'{"pmm": 3}', "'ppm'"),
            (b'{"polarity": "negative", "adducts": ["[M]+"]}', "[M]+"),
            (b'{"databases": ["hmdb"]}', "there are ionfleet-core, small"),
            (b'{"databases": ["small", "databases/small.tsv"]}', "small is given more than once"),
            (b'{"databases": ["small"], "molecule_classes": ["lipid"]}', "class"),
            (b" " * 300_000, "bytes"),
        ],
    )
    def test_an_impossible_configuration_is_rejected(self, cloud: Stores, configuration: bytes, complaint: str) -> None:
        upload_dataset(cloud)
        cloud.input.replace(f"{BRAIN}.job.json", configuration)
        status = self.rejection(cloud)
        assert status["error"] in {"InvalidConfigurationError", "InvalidDatabaseError"}
        assert complaint in status["message"]

    def test_strict_refuses_a_dataset_with_warnings(self, cloud: Stores) -> None:
        upload_dataset(
            cloud,
            dataset=SMALL.edit('name="centroid spectrum"', 'name="profile spectrum"').edit("MS:1000127", "MS:1000128"),
        )
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "strict": true}')
        assert "profile" in self.rejection(cloud)["message"]

    def test_a_job_that_fits_no_function_is_rejected_and_can_be_tried_again(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        tiny = DEPLOYMENT.model_copy(update={"memory_mb": DEPLOYMENT.memory_mb | {"sort": 1}})
        (outcome,) = take_up(cloud, f"{BRAIN}.ibd", "m1", NOON, tiny)
        assert outcome.state == "rejected"
        assert status_of(cloud)["error"] == "OutOfBudgetError"
        cloud.input.replace(f"{BRAIN}.ibd", SMALL.ibd)
        assert deliver(cloud, f"{BRAIN}.ibd", "m2", 1).state == "planned"
        (plan,) = plans(cloud)
        assert plan.attempt == 2

    def test_a_job_above_its_budget_is_rejected_and_accepted_with_a_larger_one(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "max_cost_usd": 0.000001}')
        status = self.rejection(cloud)
        assert status["error"] == "OutOfBudgetError"
        assert "To annotate 'brain' is estimated at $" in status["message"]
        assert "max_cost_usd allows $0.0000010. By stage: " in status["message"]
        assert list(cloud.work.list("manifests/")) == []
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "max_cost_usd": 1}')
        assert deliver(cloud, f"{BRAIN}.job.json", "m2", 1).state == "planned"
        (plan,) = plans(cloud)
        assert plan.attempt == 2
        assert 0.000001 < plan.estimate.usd <= 1

    def test_a_rejected_upload_is_accepted_once_it_is_mended(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        cloud.input.replace(f"{BRAIN}.job.json", b"{")
        self.rejection(cloud)
        cloud.input.replace(f"{BRAIN}.job.json", CONFIGURATION)
        assert deliver(cloud, f"{BRAIN}.job.json", "m2", 1).state == "planned"
        assert status_of(cloud)["state"] == "planned"
