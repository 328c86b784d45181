"""How jobs end: decided once, published whole or reported with the reason."""

from __future__ import annotations

import itertools
import json
import re
from contextlib import nullcontext
from typing import Any

import pytest

from ionfleet.brief import plan_key, read_brief
from ionfleet.costs import Dollars, StageCost
from ionfleet.errors import AttemptEndedError, TransientError
from ionfleet.identity import timestamp
from ionfleet.jobs import End, Failure, State, note_trouble, read_end
from ionfleet.plan import Stores
from ionfleet.progress import StageProgress
from ionfleet.stages.planner import take_up
from ionfleet.stages.status import (
    TABLES,
    Completion,
    Outcome,
    Reporter,
    abandon_plan,
    abandon_upload,
    advance,
    conclude,
    keep_letter,
)
from ionfleet.status import UploadStatus, read_status, report_input
from ionfleet.store import MemoryStore, ObjectMissingError
from ionfleet.summary import stage_accounts
from ionfleet.telemetry import Invocation, record

from .memory_cloud import CONFIGURATION, DATABASE, DEPLOYMENT, NOON, after, empty_cloud, upload_dataset

BRAIN = "datasets/lab/brain"
STATUS_KEY = f"inputs/{BRAIN}/status.json"
FACTS = {
    "peaks": 5,
    "ions": {"targets": 6, "decoys": 120, "distinct": 120, "invalid": 1, "scored": 90},
    "invalid": [["H2O", "-CO2", "no C to lose"]],
    "annotations": {"small": {"5": 1, "10": 1, "20": 2, "50": 2}},
    "images": 8,
    "render_tasks": 1,
}
STAGES = {
    "sort": "2026-05-04T12:00:10.000Z",
    "isotopes": "2026-05-04T12:00:10.000Z",
    "partition": "2026-05-04T12:01:10.500Z",
    "merge": "2026-05-04T12:02:00.000Z",
    "publish": "2026-05-04T12:03:00.000Z",
}


@pytest.fixture
def cloud() -> Stores:
    """A cloud in which one job is planned, and every stage but the last is done."""
    stores = empty_cloud()
    stores.input.replace("databases/small.tsv", DATABASE)
    take_up(stores, "databases/small.tsv", "db", NOON, DEPLOYMENT)
    stores.input.replace("datasets/lab/job.json", CONFIGURATION)
    upload_dataset(stores)
    take_up(stores, f"{BRAIN}.ibd", "m1", NOON, DEPLOYMENT)
    finish_tables(stores)
    return stores


def execution_of(stores: Stores) -> str:
    return str(json.loads(stores.results.get(STATUS_KEY))["execution"])


def finish_tables(stores: Stores) -> None:
    execution = execution_of(stores)
    for table in TABLES:
        stores.work.create(f"jobs/{execution}/tables/{table}", f"{table} of {execution}".encode())
    stores.work.create(f"jobs/{execution}/tables/facts.json", json.dumps(FACTS).encode())
    for number, stage in enumerate(["sort", "annotate", "annotate"]):
        invocation = Invocation(stage, number, 1000, 1024, 200, 30, 40, 5, 2, cold=False, request_id=f"r{number}")
        record(stores.work, execution, invocation)


PUBLISHED = {*TABLES, "summary.json", "report/summary.js", "report.html", "status.json"}
"""All that a job leaves in the results bucket but images."""


def outcome(state: State, minutes: float = 5, by: str = "state machine", **error: str) -> Outcome:
    return Outcome(state, by=by, at=after(minutes), stages=STAGES, error=error)


def end(stores: Stores, ending: Outcome, execution: str = "") -> Completion:
    completion = conclude(Reporter(stores.work, stores.results), execution or execution_of(stores), ending)
    assert completion is not None
    return completion


def published(stores: Stores) -> dict[str, Any]:
    """Return the job's objects in the results bucket by name, JSON parsed."""
    prefix = read_brief(stores.work, plan_key(execution_of(stores))).results_prefix
    files = {info.key.removeprefix(prefix): stores.results.get(info.key) for info in stores.results.list(prefix)}
    return {name: json.loads(data) if name.endswith(".json") else data for name, data in files.items()}


class TestSuccess:
    def test_everything_is_published_under_the_job(self, cloud: Stores) -> None:
        completion = end(cloud, outcome("SUCCEEDED"))
        execution = execution_of(cloud)
        files = published(cloud)
        assert set(files) == PUBLISHED
        assert files["annotations.csv"] == f"annotations.csv of {execution}".encode()
        assert files["status.json"]["state"] == completion.status.state == "SUCCEEDED"
        assert files["status.json"]["ended_at"] == timestamp(after(5))
        assert completion.announce

    def test_the_status_is_written_after_all_else(self, cloud: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []
        replace = cloud.results.replace

        def note(key: str, data: bytes, etag: str | None) -> bool:
            seen.append(set(published(cloud)))
            return replace(key, data, etag)

        monkeypatch.setattr(cloud.results, "replace", note)
        end(cloud, outcome("SUCCEEDED"))
        assert seen == [PUBLISHED]

    def test_the_summary_accounts_for_the_job(self, cloud: Stores) -> None:
        end(cloud, outcome("SUCCEEDED"))
        summary = published(cloud)["summary.json"]
        assert summary["dataset"]["pixels"] == 3
        assert summary["dataset"]["peaks"] == 5
        assert summary["configuration"]["ppm"] == 3.0
        assert [database["name"] for database in summary["databases"]] == ["small"]
        assert summary["ions"] == FACTS["ions"]
        assert summary["invalid_ions"] == FACTS["invalid"]
        assert summary["annotations"] == FACTS["annotations"]
        assert (summary["claimed_at"], summary["ended_at"]) == (timestamp(NOON), timestamp(after(5)))
        assert summary["seconds"] == 300
        assert summary["stages"]["annotate"]["invocations"] == 2
        assert summary["stages"]["annotate"]["gb_seconds"] == 2.0
        assert summary["cost"]["usd"] == published(cloud)["status.json"]["cost_usd"] > 0
        assert summary["cost"]["estimated_usd"] == published(cloud)["status.json"]["estimated_usd"] > 0
        assert summary["cost"]["prices"]["region"] == "us-east-1"
        assert [warning["code"] for warning in summary["warnings"]]
        assert summary["versions"]

    def test_what_the_end_itself_uses_is_part_of_the_cost(self, cloud: Stores) -> None:
        asked = []

        def own(stage: str) -> Invocation:
            asked.append((stage, set(published(cloud))))
            return Invocation(stage, 0, 700, 512, 100, 1, 2, 3, 4, cold=False, request_id="own")

        conclude(Reporter(cloud.work, cloud.results, own=own), execution_of(cloud), outcome("SUCCEEDED"))
        assert asked == [("publish", {*TABLES, "status.json"})], "after the tables, which are the most of it"
        publish = published(cloud)["summary.json"]["stages"]["publish"]
        assert (publish["invocations"], publish["reads"], publish["writes"]) == (1, 3, 4)
        assert publish["usd"] > 0

    def test_subscribers_are_told_what_was_found(self, cloud: Stores) -> None:
        told = json.loads(end(cloud, outcome("SUCCEEDED")).to_json())
        assert told["state"] == "SUCCEEDED"
        assert told["job"] == execution_of(cloud)
        assert told["annotations"] == FACTS["annotations"]
        assert told["results"].startswith(f"results/{told['dataset']}/")

    def test_publishing_twice_changes_nothing(self, cloud: Stores) -> None:
        end(cloud, outcome("SUCCEEDED"))
        objects = dict(cloud.results.objects)  # type: ignore[attr-defined]
        again = end(cloud, outcome("SUCCEEDED", 9))
        assert cloud.results.objects == objects  # type: ignore[attr-defined]
        assert again.announce, "the first announcement may be what failed"

    def test_missing_tables_leave_the_job_undecided(self, cloud: Stores) -> None:
        del cloud.work.objects[f"jobs/{execution_of(cloud)}/tables/facts.json"]  # type: ignore[attr-defined]
        with pytest.raises(ObjectMissingError):
            end(cloud, outcome("SUCCEEDED"))
        assert read_end(cloud.work, execution_of(cloud)) is None

    def test_an_execution_of_somebody_else_is_left_alone(self, cloud: Stores) -> None:
        objects = dict(cloud.work.objects)  # type: ignore[attr-defined]
        assert conclude(Reporter(cloud.work, cloud.results), "by-hand", outcome("ABORTED")) is None
        assert cloud.work.objects == objects  # type: ignore[attr-defined]


class TestFailure:
    def record_failure(self, stores: Stores, stage: str, task: int, error: str, cause: str) -> None:
        body = {"stage": stage, "task": task, "Error": error, "Cause": cause}
        stores.work.create(f"failures/{execution_of(stores)}/{stage}-{task}.json", json.dumps(body).encode())

    def test_a_failed_task_gives_the_reason(self, cloud: Stores) -> None:
        cause = {"errorMessage": "Spectrum 7 is broken.", "errorType": "InvalidDatasetError", "stackTrace": ["…"]}
        self.record_failure(cloud, "sort", 3, "InvalidDatasetError", json.dumps(cause))
        ending = outcome("FAILED", Error="States.ExceedToleratedFailureThreshold", Cause="1 item failed")
        end(cloud, ending)
        files = published(cloud)
        assert set(files) == {"status.json"}
        assert files["status.json"]["state"] == "FAILED"
        reason = {name: files["status.json"][name] for name in ("stage", "task", "error", "message", "object")}
        assert reason == {
            "stage": "sort",
            "task": 3,
            "error": "InvalidDatasetError",
            "message": "Spectrum 7 is broken.",
            "object": f"failures/{execution_of(cloud)}/sort-3.json",
        }
        assert files["status.json"]["stages"]["sort"]["invocations"] == 1

    def test_damage_to_what_tells_of_a_failure_does_not_keep_it_from_being_told(self, cloud: Stores) -> None:
        execution = execution_of(cloud)
        record = f"failures/{execution}/sort-3.json"
        cloud.work.create(record, b"spoilt")
        cloud.work.create(f"manifests/{execution}/partition.json", b"{}")
        status = end(cloud, outcome("FAILED")).status
        assert (status.error, status.object) == ("DamagedObjectError", record)
        assert record in (status.message or "")
        assert status.progress is not None
        assert "annotate" not in status.progress

    def test_a_killed_function_is_named_as_step_functions_names_it(self, cloud: Stores) -> None:
        cause = {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: 1 Error: Task timed out after 900 s"}
        self.record_failure(cloud, "annotate", 0, "Sandbox.Timedout", json.dumps(cause))
        status = end(cloud, outcome("FAILED")).status
        assert (status.stage, status.error) == ("annotate", "Sandbox.Timedout")
        assert "timed out after 900 s" in (status.message or "")

    @pytest.mark.parametrize(
        ("error", "stage", "advice"),
        [
            ("Runtime.ExitError", "sort", "more memory than it has. .* Set planning.sort_task_peaks"),
            ("Runtime.OutOfMemory", "annotate", "more memory than it has. .* Set planning.segment_peaks"),
            ("Sandbox.Timedout", "isotopes", "longer than it may. .* Set planning.isotope_task_formulas"),
            ("States.Timeout", "merge", "longer than it may. .* Upload one of the dataset's files again"),
            ("Lambda.TooManyRequestsException", "render", "concurrency .* lower maxConcurrency"),
        ],
    )
    def test_what_says_nothing_of_a_remedy_gets_one(self, cloud: Stores, error: str, stage: str, advice: str) -> None:
        self.record_failure(cloud, stage, 0, error, json.dumps({"errorType": error, "errorMessage": "It broke."}))
        status = end(cloud, outcome("FAILED")).status
        assert status.error == error
        assert re.fullmatch(f"It broke. .*{advice}.*", status.message or "")

    def test_who_stopped_an_execution_is_quoted(self, cloud: Stores) -> None:
        ending = Outcome("ABORTED", by="e", at=after(3), error={"Error": "Maintenance", "Cause": "by the night shift"})
        status = end(cloud, ending).status
        assert status.error == "ABORTED"
        assert (status.message or "").startswith("Maintenance: by the night shift Somebody stopped the execution.")

    @pytest.mark.parametrize("cause", ["plain text", '["a list"]', '{"other": 1}', ""])
    def test_a_cause_that_is_no_functions_is_passed_on(self, cloud: Stores, cause: str) -> None:
        status = end(cloud, outcome("FAILED", Error="States.Runtime", Cause=cause)).status
        assert status.error == "States.Runtime"
        assert status.message == (cause or "Step Functions gives no cause.")
        assert status.stage == "publish", "the stage that was entered last"
        assert status.object == plan_key(execution_of(cloud))

    @pytest.mark.parametrize("state", ["FAILED", "ABORTED", "TIMED_OUT"])
    def test_a_job_that_did_not_succeed_has_its_cost_by_stage(self, cloud: Stores, state: State) -> None:
        end(cloud, Outcome(state, by="event-1", at=after(3)))
        status = published(cloud)["status.json"]
        assert set(status["stages"]) == {"sort", "annotate"}
        assert all(stage["usd"] > 0 for stage in status["stages"].values())
        assert status["cost_usd"] == pytest.approx(sum(stage["usd"] for stage in status["stages"].values()), abs=1e-5)

    @pytest.mark.parametrize("state", ["ABORTED", "TIMED_OUT"])
    def test_an_execution_that_was_stopped_is_reported(self, cloud: Stores, state: State) -> None:
        completion = end(cloud, Outcome(state, by="event-1", at=after(3)))
        assert published(cloud)["status.json"]["state"] == state
        assert published(cloud)["status.json"]["error"] == state
        assert completion.announce

    def test_a_failure_is_announced_once(self, cloud: Stores) -> None:
        first = end(cloud, outcome("FAILED", Error="X", Cause="y"))
        second = end(cloud, outcome("FAILED", by="event-1", Error="X", Cause="y"))
        assert (first.announce, second.announce) == (True, False)

    def test_a_later_attempt_is_not_overwritten_by_news_of_an_earlier_one(self, cloud: Stores) -> None:
        first = execution_of(cloud)
        end(cloud, outcome("FAILED", Error="X", Cause="y"))
        upload_dataset(cloud)
        take_up(cloud, f"{BRAIN}.ibd", "m2", after(6), DEPLOYMENT)
        assert execution_of(cloud) == f"{first}-2"
        end(cloud, outcome("FAILED", by="event-1", Error="X", Cause="y"), first)
        assert published(cloud)["status.json"]["state"] == "RUNNING"
        finish_tables(cloud)
        end(cloud, outcome("SUCCEEDED", 9))
        assert published(cloud)["status.json"]["execution"] == f"{first}-2"
        assert published(cloud)["status.json"]["state"] == "SUCCEEDED"


class TestOrder:
    def test_an_abort_that_came_first_is_not_followed_by_results(self, cloud: Stores) -> None:
        end(cloud, outcome("ABORTED", by="event-1"))
        with pytest.raises(AttemptEndedError, match=r"ended as ABORTED at .* is not published\. Upload one"):
            end(cloud, outcome("SUCCEEDED", 6))
        assert set(published(cloud)) == {"status.json"}
        assert published(cloud)["status.json"]["state"] == "ABORTED"

    def test_a_success_that_was_decided_is_carried_through_by_whoever_comes_next(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(key: str, data: bytes) -> bool:
            raise MemoryError(key, len(data))

        with monkeypatch.context() as patch:
            patch.setattr(cloud.results, "create", die)
            with pytest.raises(MemoryError):
                end(cloud, outcome("SUCCEEDED"))
        completion = end(cloud, outcome("ABORTED", 6, by="event-1"))
        assert completion.status.state == "SUCCEEDED"
        assert completion.announce
        assert set(published(cloud)) == PUBLISHED

    @pytest.mark.parametrize("order", list(itertools.permutations(["SUCCEEDED", "FAILED", "ABORTED"])), ids="-".join)
    def test_the_first_news_decides_and_the_rest_agrees(self, cloud: Stores, order: tuple[State, ...]) -> None:
        for number, state in enumerate(order * 2):
            contradicts = state == "SUCCEEDED" != order[0]
            with pytest.raises(AttemptEndedError) if contradicts else nullcontext():
                assert end(cloud, outcome(state, number, by=state)).status.state == order[0]
        assert published(cloud)["status.json"]["state"] == order[0]
        assert ("summary.json" in published(cloud)) == (order[0] == "SUCCEEDED")


class TestProgress:
    def advance(self, stores: Stores, stage: str, execution: str = "") -> None:
        links = {"execution": f"https://console/{stage}"}
        reporter = Reporter(stores.work, stores.results, links)
        assert advance(reporter, execution or execution_of(stores), stage, STAGES["sort"])

    def cut(self, stores: Stores, tasks: int = 3) -> None:
        stores.work.create(f"manifests/{execution_of(stores)}/partition.json", json.dumps({"tasks": tasks}).encode())

    def standing(self, stores: Stores) -> dict[str, Any]:
        return dict(published(stores)["status.json"])

    def test_a_planned_job_has_done_nothing_of_what_is_known(self, cloud: Stores) -> None:
        status = self.standing(cloud)
        assert (status["state"], status["stage"]) == ("RUNNING", "plan")
        assert status["progress"] == {
            "sort": {"done": 0, "tasks": 1},
            "isotopes": {"done": 0, "tasks": 1},
            "partition": {"done": 0, "tasks": 1},
            "merge": {"done": 0, "tasks": 1},
        }
        assert status["versions"]["ionfleet"]
        assert status["configuration"]["ppm"] == 3.0

    def test_a_job_that_enters_a_stage_has_done_all_before_it(self, cloud: Stores) -> None:
        self.cut(cloud)
        self.advance(cloud, "annotate")
        status = self.standing(cloud)
        assert (status["state"], status["stage"], status["stage_entered_at"]) == ("RUNNING", "annotate", STAGES["sort"])
        assert list(status["progress"]) == ["sort", "isotopes", "partition", "annotate", "merge", "render"]
        assert {stage: each["done"] for stage, each in status["progress"].items()} == {
            "sort": 1,
            "isotopes": 1,
            "partition": 1,
            "annotate": 0,
            "merge": 0,
            "render": 0,
        }
        assert status["progress"]["annotate"]["tasks"] == 3
        assert status["links"] == {"execution": "https://console/annotate"}

    def test_a_job_that_fails_tells_which_tasks_succeeded_before_that(self, cloud: Stores) -> None:
        self.cut(cloud)
        execution = execution_of(cloud)
        for task, failed in [(1, True), (1, True), (2, False), (2, False)]:
            number = len(cloud.work.objects)  # type: ignore[attr-defined]
            invocation = Invocation(
                "annotate", task, 1, 2, 3, 4, 5, 6, 7, cold=False, request_id=f"x{number}", failed=failed
            )
            record(cloud.work, execution, invocation)
        body = {"stage": "annotate", "task": 1, "Error": "Sandbox.Timedout", "Cause": "{}"}
        cloud.work.create(f"failures/{execution}/annotate-1.json", json.dumps(body).encode())
        progress = end(cloud, outcome("FAILED", Error="X")).status.progress
        assert progress is not None
        assert progress["annotate"] == StageProgress(done=2, tasks=3), "2 of those, and 1 that the fixture noted twice"
        assert progress["sort"].done == 1
        assert progress["merge"].done == 0

    def test_a_job_that_is_stopped_tells_the_stage_that_it_had_entered(self, cloud: Stores) -> None:
        self.cut(cloud)
        self.advance(cloud, "annotate")
        status = end(cloud, Outcome("ABORTED", by="event-1", at=after(3))).status
        assert status.stage == "annotate"
        assert status.progress is not None
        assert status.progress["isotopes"] == StageProgress(done=1, tasks=1), "nobody enters a stage before that"

    def test_news_in_any_order_and_number_never_go_back(self, cloud: Stores) -> None:
        stages = ["sort", "partition", "annotate", "publish"]
        for order in itertools.permutations(stages):
            cloud.results.replace(self.key(cloud), self.planned(cloud))
            reached = 0
            for stage in order + order:
                self.advance(cloud, stage)
                reached = max(reached, stages.index(stage))
                assert self.standing(cloud)["stage"] == stages[reached]

    def test_no_late_news_of_a_stage_undo_an_end_or_a_later_attempt(self, cloud: Stores) -> None:
        first = execution_of(cloud)
        end(cloud, outcome("FAILED", Error="X", Cause="y"))
        self.advance(cloud, "publish")
        assert self.standing(cloud)["state"] == "FAILED"
        upload_dataset(cloud)
        take_up(cloud, f"{BRAIN}.ibd", "m2", after(6), DEPLOYMENT)
        self.advance(cloud, "publish", first)
        status = self.standing(cloud)
        assert (status["attempt"], status["state"], status["stage"]) == (2, "RUNNING", "plan")

    def test_news_that_meet_newer_news_while_they_are_written_give_way(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Between reading the document and replacing it, the job ends."""
        replace, ended = cloud.results.replace, []

        def interrupted(key: str, data: bytes, etag: str | None) -> bool:
            if not ended:
                ended.append(True)
                end(cloud, outcome("ABORTED", by="event-1"))
            return replace(key, data, etag)

        monkeypatch.setattr(cloud.results, "replace", interrupted)
        self.advance(cloud, "annotate")
        assert self.standing(cloud)["state"] == "ABORTED"

    def test_a_document_that_others_replace_for_ever_is_a_passing_trouble(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(cloud.results, "replace", lambda *_: False)
        with pytest.raises(TransientError, match="was replaced 20 times"):
            self.advance(cloud, "annotate")

    def test_an_execution_without_a_plan_is_nobodys_job(self, cloud: Stores) -> None:
        before = dict(cloud.results.objects)  # type: ignore[attr-defined]
        assert advance(Reporter(cloud.work, cloud.results), "by-hand", "sort", STAGES["sort"]) is None
        assert cloud.results.objects == before  # type: ignore[attr-defined]

    def key(self, stores: Stores) -> str:
        return f"{read_brief(stores.work, plan_key(execution_of(stores))).results_prefix}status.json"

    def planned(self, stores: Stores) -> bytes:
        return json.dumps({**self.standing(stores), "stage": "plan"}).encode()


class TestUploads:
    @pytest.mark.parametrize("state", ["SUCCEEDED", "FAILED"])
    def test_an_upload_whose_planner_died_after_its_plan_is_told_with_the_job(
        self, cloud: Stores, state: State
    ) -> None:
        planned = cloud.results.get(STATUS_KEY)
        execution = execution_of(cloud)
        failed = UploadStatus(state="failed", name="brain", at=timestamp(after(-1)), error="PlannerFailed")
        cloud.results.replace(STATUS_KEY, failed.model_dump_json().encode())
        conclude(Reporter(cloud.work, cloud.results), execution, outcome(state))
        assert cloud.results.get(STATUS_KEY) == planned

    def test_what_a_later_upload_became_stands(self, cloud: Stores) -> None:
        later = UploadStatus(state="waiting", name="brain", at=timestamp(after(1)), waiting_for="brain.ibd")
        rejected = later.model_copy(update={"state": "rejected"})
        execution = execution_of(cloud)
        report_input(cloud.results, STATUS_KEY, rejected)
        conclude(Reporter(cloud.work, cloud.results), execution, outcome("SUCCEEDED"))
        assert read_status(cloud.results, STATUS_KEY, UploadStatus) == rejected


class TestDeadLetters:
    def test_a_plan_that_could_not_be_launched_fails_its_job(self, cloud: Stores) -> None:
        execution = execution_of(cloud)
        completion = abandon_plan(Reporter(cloud.work, cloud.results), plan_key(execution), "m9", after(60))
        assert completion is not None
        assert completion.announce
        status = published(cloud)["status.json"]
        assert (status["state"], status["error"]) == ("FAILED", "NotLaunched")

    @pytest.mark.parametrize(
        ("plan", "error"), [(None, "NotLaunched"), (b"{}", "DamagedObjectError"), (b"\xff", "DamagedObjectError")]
    )
    def test_a_plan_that_nobody_can_read_is_reported_under_its_message(self, plan: bytes | None, error: str) -> None:
        stores = empty_cloud()
        key = plan_key("job-0123456789abcdef0123")
        if plan is not None:
            stores.work.create(key, plan)
        assert abandon_plan(Reporter(stores.work, stores.results), key, "m9", after(60)) is None
        status = read_status(stores.results, "inputs/messages/m9/status.json", UploadStatus)
        assert status is not None
        assert (status.state, status.error) == ("failed", error)
        assert key in (status.message or "")

    def test_what_its_reader_said_last_of_a_message_is_the_reason(self, cloud: Stores) -> None:
        for receive, message in ((1, "no"), (10, "x" * 5000), (2, "neither")):
            note_trouble(cloud.work, "m9", receive, Failure(error="RefusedError", message=message))
        abandon_upload(Reporter(cloud.work, cloud.results), "databases/hmdb.tsv", "m9", NOON)
        abandon_plan(Reporter(cloud.work, cloud.results), plan_key(execution_of(cloud)), "m9", after(60))
        database = json.loads(cloud.results.get("inputs/databases/hmdb/status.json"))
        for told in (database, published(cloud)["status.json"]):
            assert "What it said last: RefusedError: xxx" in told["message"]
            assert told["message"].endswith((" another attempt.", " once that is mended."))
            assert 1000 < len(told["message"]) < 1300

    def test_an_upload_that_could_not_be_planned_is_reported(self) -> None:
        stores = empty_cloud()
        abandon_upload(Reporter(stores.work, stores.results), f"{BRAIN}.imzML", "m1", NOON)
        status = read_status(stores.results, STATUS_KEY, UploadStatus)
        assert status is not None
        assert (status.state, status.error) == ("failed", "PlannerFailed")
        assert f"{BRAIN}.imzML" in (status.message or "")
        assert read_end(stores.work, "m1") is not None

    @pytest.mark.parametrize(
        ("key", "status_key"),
        [
            ("databases/hmdb.tsv", "inputs/databases/hmdb/status.json"),
            ("datasets/lab/job.json", "inputs/datasets/lab/job.json/status.json"),
            ("datasets/lab/brain.job.json", STATUS_KEY),
        ],
    )
    def test_every_kind_of_input_is_reported(self, key: str, status_key: str) -> None:
        stores = empty_cloud()
        abandon_upload(Reporter(stores.work, stores.results), key, "m1", NOON)
        assert json.loads(stores.results.get(status_key))["state"] == "failed"

    def test_a_hostile_key_is_reported_under_a_harmless_one(self) -> None:
        stores = empty_cloud()
        abandon_upload(Reporter(stores.work, stores.results), "datasets/../x\n.imzML", "m1", NOON)
        (info,) = stores.results.list("inputs/")
        assert info.key.startswith("inputs/refused/")

    def test_a_key_that_means_nothing_is_only_freed(self) -> None:
        stores = empty_cloud()
        abandon_upload(Reporter(stores.work, stores.results), "elsewhere/readme.txt", "m1", NOON)
        assert list(stores.results.list("")) == []
        assert read_end(stores.work, "m1") is not None

    def test_what_another_message_made_of_the_upload_stands(self, cloud: Stores) -> None:
        abandon_upload(Reporter(cloud.work, cloud.results), f"{BRAIN}.imzML", "m0", after(-1))
        assert json.loads(cloud.results.get(STATUS_KEY))["state"] == "planned"

    def test_a_letter_is_kept_as_it_is(self) -> None:
        work = MemoryStore()
        for _ in range(2):
            keep_letter(work, "uploads-dlq", "m1", "not { json ü")
        assert work.objects == {"dead-letters/uploads-dlq/m1.json": "not { json ü".encode()}


def test_a_stage_lasts_until_a_later_one_is_entered() -> None:
    ended = End(state="SUCCEEDED", at=timestamp(after(4)), by="x", stages=STAGES)
    cost = StageCost(1, 1, 2.0, 3.0, 4, 5, 6, 7, 8, 1.5, transitions=9, usd=0.1, parts=Dollars(compute=0.1))
    accounts = stage_accounts(ended, {"sort": cost, "annotate": cost})
    assert list(accounts) == ["isotopes", "sort", "partition", "annotate", "merge", "publish"]
    assert {stage: account.get("seconds") for stage, account in accounts.items()} == {
        "isotopes": 60.5,
        "sort": 60.5,
        "partition": 49.5,
        "annotate": None,
        "merge": 60.0,
        "publish": 60.0,
    }
