"""What the planner does with what is put into the input bucket, whatever the order and number of messages."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionfleet.brief import optical_key
from ionfleet.errors import TransientError
from ionfleet.identity import timestamp
from ionfleet.index import SpectraIndex
from ionfleet.jobs import End, end_attempt, end_message
from ionfleet.models import read_model
from ionfleet.plan import Plan, Stores, read_plan
from ionfleet.report.optical import MAX_BYTES
from ionfleet.runs import index_key
from ionfleet.stages import planner
from ionfleet.stages.planner import Outcome, take_up

from .imzml_files import SMALL, make
from .memory_cloud import CONFIGURATION, DATABASE, DEPLOYMENT, NOON, after, empty_cloud, upload_dataset
from .scoring_models import random_model

BRAIN = "datasets/lab/brain"
PNG = b"\x89PNG\r\n\x1a\n"


def deliver(stores: Stores, key: str, message: str = "m1", minutes: float = 0) -> Outcome:
    (outcome,) = take_up(stores, key, message, after(minutes), DEPLOYMENT)
    return outcome


def document(stores: Stores, key: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(stores.results.get(key))
    return parsed


def status_of(stores: Stores, name: str = BRAIN) -> dict[str, Any]:
    return document(stores, f"inputs/{name}/status.json")


def plans(stores: Stores) -> list[Plan]:
    keys = [info.key for info in stores.work.list("manifests/") if info.key.endswith("/plan.json")]
    return [read_plan(stores.work, key) for key in keys]


@pytest.fixture
def cloud() -> Stores:
    """A cloud with a small database imported, and a shared configuration that names it."""
    stores = empty_cloud()
    stores.input.replace("databases/small.tsv", DATABASE)
    assert deliver(stores, "databases/small.tsv", "db").state == "imported"
    stores.input.replace("datasets/lab/job.json", CONFIGURATION)
    return stores


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


class TestConfigurations:
    def test_a_shared_configuration_plans_the_complete_datasets_of_its_folder(self, cloud: Stores) -> None:
        upload_dataset(cloud, "datasets/lab/a", make([([100.0], [1.0])]))
        upload_dataset(cloud, "datasets/lab/b", make([([200.0], [1.0])]))
        upload_dataset(cloud, "datasets/lab/own", make([([300.0], [1.0])]))
        cloud.input.replace("datasets/lab/own.job.json", CONFIGURATION)
        cloud.input.replace("datasets/lab/half.ibd", SMALL.ibd)
        outcomes = take_up(cloud, "datasets/lab/job.json", "m1", NOON, DEPLOYMENT)
        assert [(outcome.name, outcome.state) for outcome in outcomes] == [
            ("a", "planned"),
            ("b", "planned"),
            ("half", "waiting"),
        ]
        assert cloud.results.head("inputs/datasets/lab/half/status.json") is None

    def test_an_optical_image_is_kept_with_the_plan_and_part_of_the_job(self, cloud: Stores) -> None:
        fields = (
            b'{"databases": ["small"], "optical_image": "photo.png", "transform": [[2, 0, 0], [0, 2, 0], [0, 0, 1]]}'
        )
        cloud.input.replace(f"{BRAIN}.job.json", fields)
        cloud.input.replace("datasets/lab/photo.png", PNG)
        upload_dataset(cloud)
        first = deliver(cloud, f"{BRAIN}.ibd", "m1")
        assert cloud.work.get(optical_key(first.execution)).startswith(
            b'ionfleet("report/optical.js",{"name":"photo.png"'
        )
        cloud.input.replace("datasets/lab/photo.png", PNG + b"another")
        cloud.input.replace(f"{BRAIN}.job.json", fields + b" ")
        assert deliver(cloud, f"{BRAIN}.job.json", "m2", 1).execution != first.execution

    @pytest.mark.parametrize(
        ("picture", "problem"),
        [
            (None, "which is not beside the dataset"),
            (b"<svg>", "which is neither PNG nor JPEG"),
            (PNG + bytes(MAX_BYTES), "at most 33,554,432 are allowed"),
        ],
    )
    def test_an_optical_image_that_is_none_is_rejected(self, cloud: Stores, picture: bytes, problem: str) -> None:
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "optical_image": "photo.png"}')
        if picture is not None:
            cloud.input.replace("datasets/lab/photo.png", picture)
        upload_dataset(cloud)
        outcome = deliver(cloud, f"{BRAIN}.ibd")
        assert outcome.state == "rejected"
        assert problem in outcome.message
        assert not plans(cloud)

    def test_a_configuration_alone_does_nothing(self, cloud: Stores) -> None:
        assert take_up(cloud, "datasets/lab/job.json", "m1", NOON, DEPLOYMENT) == ()

    def test_another_configuration_is_another_job_of_the_same_dataset(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        first = deliver(cloud, f"{BRAIN}.ibd", "m1")
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "ppm": 5}')
        second = deliver(cloud, f"{BRAIN}.job.json", "m2", 1)
        assert second.dataset == first.dataset
        assert second.execution != first.execution
        assert status_of(cloud)["job"] == second.execution

    def test_a_budget_is_in_no_id(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        first = deliver(cloud, f"{BRAIN}.ibd", "m1")
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "max_cost_usd": 5}')
        assert deliver(cloud, f"{BRAIN}.job.json", "m2", 1).execution == first.execution

    def test_what_is_there_already_is_not_estimated_again(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.ibd", "m1")
        (first,) = plans(cloud)
        for chunk in first.chunks:
            cloud.work.create(chunk.key, b"")
        for run in first.runs:
            cloud.work.create(index_key(first.dataset.id, run.first, run.stop), b"")
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "ppm": 5}')
        deliver(cloud, f"{BRAIN}.job.json", "m2", 1)
        (second,) = [plan for plan in plans(cloud) if plan.job != first.job]
        for stage in ("sort", "isotopes"):
            assert second.estimate.stages[stage] < first.estimate.stages[stage] * 0.8
        assert second.estimate.usd < first.estimate.usd

    def test_planning_values_are_in_no_id(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        first = deliver(cloud, f"{BRAIN}.ibd", "m1")
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["small"], "planning": {"sort_task_peaks": 2}}')
        assert deliver(cloud, f"{BRAIN}.job.json", "m2", 1).execution == first.execution
        assert len(plans(cloud)) == 1


class TestScoringModels:
    CONFIGURED = b'{"databases": ["small"], "scoring_model": "animal.cbm"}'

    def test_a_model_is_kept_with_the_job_and_part_of_its_id(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        for number in (1, 2):
            cloud.input.replace("models/animal.json", json.dumps(random_model(number)).encode())
            cloud.input.replace(f"{BRAIN}.job.json", self.CONFIGURED)
            assert deliver(cloud, f"{BRAIN}.job.json", f"m{number}", number).state == "planned"
        references = [plan.scoring_model for plan in plans(cloud)]
        assert len({reference.key for reference in references if reference is not None}) == 2
        for reference in references:
            assert reference is not None
            assert reference.name == "animal"
            assert read_model(cloud.work, reference) is not None

    @pytest.mark.parametrize(
        ("models", "complaint"),
        [
            ({}, "there is no model 'animal'; there is none"),
            ({"models/animal.json": b"CBM1"}, "ionfleet convert-model"),
        ],
    )
    def test_a_job_without_its_model_is_rejected(self, cloud: Stores, models: dict[str, bytes], complaint: str) -> None:
        upload_dataset(cloud)
        for key, data in models.items():
            cloud.input.replace(key, data)
        cloud.input.replace(f"{BRAIN}.job.json", self.CONFIGURED)
        assert deliver(cloud, f"{BRAIN}.job.json").state == "rejected"
        assert "scoring_model: " in status_of(cloud)["message"]
        assert complaint in status_of(cloud)["message"]
        assert plans(cloud) == []


class TestDatabases:
    def status(self, stores: Stores, name: str) -> dict[str, Any]:
        return document(stores, f"inputs/databases/{name}/status.json")

    def test_a_database_is_imported_under_its_name(self, cloud: Stores) -> None:
        status = self.status(cloud, "small")
        assert (status["state"], status["rows"], status["formulas"]) == ("imported", 2, 2)
        assert status["key"] == f"databases/small/{status['digest']}.parquet"
        assert cloud.work.head(status["key"]) is not None

    def test_the_latest_upload_is_what_a_name_means(self, cloud: Stores) -> None:
        cloud.input.replace("databases/small.tsv", DATABASE + b"3\tSerine\tC3H7NO3\n")
        deliver(cloud, "databases/small.tsv", "db2", 1)
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.ibd", "m1", 2)
        (plan,) = plans(cloud)
        assert plan.databases[0].formulas == 3

    def test_a_late_message_about_an_older_upload_reports_the_latest(self, cloud: Stores) -> None:
        cloud.input.replace("databases/small.tsv", DATABASE + b"3\tSerine\tC3H7NO3\n")
        deliver(cloud, "databases/small.tsv", "db2", 2)
        deliver(cloud, "databases/small.tsv", "db", 1)
        assert self.status(cloud, "small")["rows"] == 3

    def test_an_upload_during_the_import_is_imported_too(self, cloud: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
        get = cloud.input.get

        def get_then_replace(key: str) -> bytes:
            data = get(key)
            if len(data) == len(DATABASE):
                cloud.input.replace(key, DATABASE + b"3\tSerine\tC3H7NO3\n")
            return data

        monkeypatch.setattr(cloud.input, "get", get_then_replace)
        deliver(cloud, "databases/small.tsv", "db", 1)
        assert self.status(cloud, "small")["rows"] == 3

    def test_bad_rows_are_named(self, cloud: Stores) -> None:
        cloud.input.replace("databases/bad.csv", b"id,name,formula\n1,Glucose,C6H12O6\n2,Odd,Xx9\n3,,H2O\n")
        assert deliver(cloud, "databases/bad.csv").state == "rejected"
        status = self.status(cloud, "bad")
        assert status["error"] == "InvalidDatabaseError"
        assert "2 rows are refused, 1 are good" in status["message"]
        assert [finding["where"] for finding in status["findings"]] == [
            "row 3, column 'formula'",
            "row 4, column 'name'",
        ]

    def test_a_job_that_names_a_rejected_database_is_told_why(self, cloud: Stores) -> None:
        cloud.input.replace("databases/bad.csv", b"id,name,formula\n1,Glucose,C6H12O6\n2,Odd,Xx9\n")
        deliver(cloud, "databases/bad.csv")
        upload_dataset(cloud)
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["bad"]}')
        assert deliver(cloud, f"{BRAIN}.ibd").state == "rejected"
        assert "row 3, column 'formula'" in status_of(cloud)["message"]

    def test_skip_invalid_takes_the_good_rows_and_lists_the_rest(self, cloud: Stores) -> None:
        cloud.input.replace("databases/bad.csv", b"id,name,formula\n1,Glucose,C6H12O6\n2,Odd,Xx9\n")
        deliver(cloud, "databases/bad.csv")
        upload_dataset(cloud)
        cloud.input.replace(f"{BRAIN}.job.json", b'{"databases": ["bad"], "skip_invalid": true}')
        assert deliver(cloud, f"{BRAIN}.ibd").state == "planned"
        (plan,) = plans(cloud)
        assert plan.databases[0].formulas == 1
        assert "row 3, column 'formula'" in [finding.where for finding in plan.findings]

    @pytest.mark.parametrize("form", ["databases/late.tsv", "databases/small/{digest}.parquet"])
    def test_a_database_can_be_named_by_its_key(self, cloud: Stores, form: str) -> None:
        cloud.input.replace("databases/late.tsv", DATABASE)
        key = form.format(digest=self.status(cloud, "small")["digest"])
        upload_dataset(cloud)
        cloud.input.replace(f"{BRAIN}.job.json", json.dumps({"databases": [key]}).encode())
        assert deliver(cloud, f"{BRAIN}.ibd").state == "planned"

    def test_the_bundled_name_is_taken(self, cloud: Stores) -> None:
        cloud.input.replace("databases/ionfleet-core.tsv", DATABASE)
        assert deliver(cloud, "databases/ionfleet-core.tsv").state == "rejected"
        assert "comes with Ionfleet" in self.status(cloud, "ionfleet-core")["message"]

    def test_a_database_that_was_deleted_again_is_ignored(self, cloud: Stores) -> None:
        assert deliver(cloud, "databases/gone.tsv").state == "ignored"


class TestExactlyOnce:
    @pytest.mark.parametrize("order", list(itertools.permutations(["imzML", "ibd", "job.json"])), ids="-".join)
    def test_files_may_come_in_any_order_each_with_its_message(self, cloud: Stores, order: tuple[str, ...]) -> None:
        contents = {"imzML": SMALL.imzml.encode(), "ibd": SMALL.ibd, "job.json": CONFIGURATION}
        for number, extension in enumerate(order):
            cloud.input.replace(f"{BRAIN}.{extension}", contents[extension])
            deliver(cloud, f"{BRAIN}.{extension}", f"m{number}", number)
        assert len({plan.job for plan in plans(cloud)}) == 1
        assert len(plans(cloud)) == 1
        assert status_of(cloud)["state"] == "planned"

    def test_a_second_message_about_the_same_upload_leaves_it_to_the_first(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        assert deliver(cloud, f"{BRAIN}.imzML", "m1").state == "planned"
        assert deliver(cloud, f"{BRAIN}.ibd", "m2", 1).state == "elsewhere"

    def test_a_message_that_comes_again_gives_the_same(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        first = deliver(cloud, f"{BRAIN}.imzML", "m1")
        objects = [dict(store.objects) for store in (cloud.work, cloud.results)]  # type: ignore[attr-defined]
        assert deliver(cloud, f"{BRAIN}.imzML", "m1", 5) == first
        assert [store.objects for store in (cloud.work, cloud.results)] == objects  # type: ignore[attr-defined]

    def test_a_late_duplicate_undoes_neither_a_later_upload_nor_an_end(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.imzML", "m1")
        job = status_of(cloud)["job"]
        key = f"results/{status_of(cloud)['dataset']}/{job}/status.json"
        cloud.results.replace(key, document_as(document(cloud, key), state="FAILED"))
        end_attempt(cloud.work, job, End(state="FAILED", at=timestamp(after(1)), by="x"))
        upload_dataset(cloud)
        assert deliver(cloud, f"{BRAIN}.imzML", "m2", 2).execution == f"{job}-2"
        objects = dict(cloud.results.objects)  # type: ignore[attr-defined]
        deliver(cloud, f"{BRAIN}.imzML", "m1", 3)
        assert cloud.results.objects == objects  # type: ignore[attr-defined]
        assert status_of(cloud)["execution"] == f"{job}-2"
        assert document(cloud, key)["state"] == "RUNNING"

    def test_a_message_that_comes_again_does_not_undo_the_end_of_its_job(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.imzML", "m1")
        job = status_of(cloud)["job"]
        key = f"results/{status_of(cloud)['dataset']}/{job}/status.json"
        cloud.results.replace(key, document_as(document(cloud, key), state="FAILED"))
        end_attempt(cloud.work, job, End(state="FAILED", at=timestamp(after(1)), by="x"))
        assert deliver(cloud, f"{BRAIN}.imzML", "m1", 2).execution == job
        assert document(cloud, key)["state"] == "FAILED"

    def test_a_job_that_succeeded_is_not_run_again(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.imzML", "m1")
        job = status_of(cloud)["job"]
        key = f"results/{status_of(cloud)['dataset']}/{job}/status.json"
        cloud.results.replace(key, document_as(document(cloud, key), state="SUCCEEDED"))
        upload_dataset(cloud)
        assert deliver(cloud, f"{BRAIN}.imzML", "m2", 2).execution == job
        assert len(plans(cloud)) == 1
        assert document(cloud, key)["state"] == "SUCCEEDED"

    def test_an_upload_waits_while_another_one_is_planned_as_the_same_job(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud.input.replace("datasets/other/job.json", CONFIGURATION)
        upload_dataset(cloud)
        upload_dataset(cloud, "datasets/other/brain")
        with monkeypatch.context() as patch:
            patch.setattr(planner, "write_plan", failing(TransientError("no luck")))
            with pytest.raises(TransientError, match="no luck"):
                deliver(cloud, f"{BRAIN}.imzML", "m1")
        with pytest.raises(TransientError, match="is being planned for another upload"):
            deliver(cloud, "datasets/other/brain.imzML", "m2")
        first = deliver(cloud, f"{BRAIN}.imzML", "m1")
        assert deliver(cloud, "datasets/other/brain.imzML", "m2").execution == first.execution

    def test_an_upload_after_a_dead_message_is_planned(self, cloud: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
        upload_dataset(cloud)
        with monkeypatch.context() as patch:
            patch.setattr(planner, "write_plan", failing(TransientError("no luck")))
            for _ in range(3):
                with pytest.raises(TransientError):
                    deliver(cloud, f"{BRAIN}.imzML", "m1")
        end_message(cloud.work, "m1", End(state="FAILED", at=timestamp(after(1)), by="m1"))
        assert deliver(cloud, f"{BRAIN}.imzML", "m2", 2).state == "planned"
        assert [plan.attempt for plan in plans(cloud)] == [2]

    def test_a_file_replaced_while_it_is_read_is_read_again(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload_dataset(cloud)
        read_range = cloud.input.get_range

        def read_then_replace(key: str, start: int, length: int) -> bytes:
            data = read_range(key, start, length)
            cloud.input.replace(f"{BRAIN}.ibd", SMALL.ibd)
            return data

        with monkeypatch.context() as patch:
            patch.setattr(cloud.input, "get_range", read_then_replace)
            with pytest.raises(TransientError, match="replaced"):
                deliver(cloud, f"{BRAIN}.imzML", "m1")
        assert list(cloud.work.list("datasets/")) == []
        assert deliver(cloud, f"{BRAIN}.imzML", "m1").state == "planned"

    def test_the_pair_may_be_completed_while_it_is_found_incomplete(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud.input.replace(f"{BRAIN}.imzML", SMALL.imzml.encode())
        create = cloud.results.create

        def create_then_complete(key: str, data: bytes) -> bool:
            cloud.input.replace(f"{BRAIN}.ibd", SMALL.ibd)
            return create(key, data)

        monkeypatch.setattr(cloud.results, "create", create_then_complete)
        assert deliver(cloud, f"{BRAIN}.imzML").state == "planned"
        assert status_of(cloud)["state"] == "planned"

    @settings(deadline=None, max_examples=60)
    @given(
        messages=st.permutations([f"{BRAIN}.imzML", f"{BRAIN}.ibd", f"{BRAIN}.job.json"] * 2),
        faults=st.lists(st.integers(1, 60), max_size=4),
    )
    def test_whatever_fails_and_comes_again_one_job_is_planned_once(
        self, messages: list[str], faults: list[int]
    ) -> None:
        stores = empty_cloud()
        stores.input.replace("databases/small.tsv", DATABASE)
        deliver(stores, "databases/small.tsv", "db")
        upload_dataset(stores)
        stores.input.replace(f"{BRAIN}.job.json", CONFIGURATION)
        fuse = Fuse(faults)
        flaky = Stores(*(FlakyStore(store, fuse) for store in (stores.input, stores.work, stores.results)))
        queue = [(f"m{number}", key) for number, key in enumerate(messages)]
        while queue:
            message, key = queue.pop(0)
            try:
                take_up(flaky, key, message, NOON, DEPLOYMENT)
            except TransientError:
                queue.append((message, key))
        (plan,) = plans(stores)
        assert plan.attempt == 1
        status = status_of(stores)
        assert (status["state"], status["execution"]) == ("planned", plan.execution)
        assert document(stores, f"{plan.results_prefix}status.json")["state"] == "RUNNING"


class Fuse:
    """Blows at the operations whose numbers it is given, each time before or after the operation is done."""

    def __init__(self, faults: list[int]) -> None:
        self.faults = set(faults)
        self.count = 0

    def blows(self) -> bool:
        self.count += 1
        return self.count in self.faults


class FlakyStore:
    """A store some of whose operations fail, half of them after they were done."""

    def __init__(self, store: object, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._store, name)

        def attempt(*arguments: object) -> object:
            if not self._fuse.blows():
                return operation(*arguments)
            if self._fuse.count % 2:
                operation(*arguments)
            raise TransientError(f"{name} failed")

        return attempt


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def document_as(document: dict[str, Any], **changes: str) -> bytes:
    return json.dumps(document | changes).encode()
