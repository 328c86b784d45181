"""What the planner makes of configurations: optical images, budgets, scoring models, databases."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ionfleet.brief import optical_key
from ionfleet.models import read_model
from ionfleet.plan import Stores
from ionfleet.report.optical import MAX_BYTES
from ionfleet.runs import index_key
from ionfleet.stages.planner import take_up

from .imzml_files import SMALL, make
from .memory_cloud import CONFIGURATION, DATABASE, DEPLOYMENT, NOON, upload_dataset
from .planner_desk import BRAIN, deliver, document, plans, status_of, stocked
from .scoring_models import random_model

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def cloud() -> Stores:
    return stocked()


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
