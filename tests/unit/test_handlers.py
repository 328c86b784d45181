"""The functions as Lambda calls them, over a mocked AWS."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from moto import mock_aws

from ionfleet.errors import AttemptEndedError, InvalidDatasetError, InvalidInputError, TransientError
from ionfleet.jobs import last_trouble, read_end
from ionfleet.store import ObjectMissingError
from ionfleet.telemetry import read_invocations
from ionfleet_aws import clients, handlers, redelivery
from ionfleet_aws.environment import EnvironmentVariablesError, PlannerEnvironment, SortEnvironment, read_environment
from ionfleet_aws.fleet import NoBucketError, open_stores
from ionfleet_aws.handlers import StageTask, task_handler
from ionfleet_aws.observability import logger

from .aws_cloud import (
    ENVIRONMENT,
    FUNCTIONS,
    Cloud,
    Context,
    failed_messages,
    load_handler,
    object_created,
    records,
    status_change,
)
from .imzml_files import SMALL, make
from .memory_cloud import CONFIGURATION, DATABASE, DEPLOYMENT

BRAIN = "datasets/lab/mouse brain+1"
STATUS_KEY = f"inputs/{BRAIN}/status.json"
JOB = "job-0123456789abcdef0123"
EVENT = {"execution": f"{JOB}-2", "plan": f"manifests/{JOB}-2/plan.json"}


@pytest.fixture(scope="module")
def aws() -> Iterator[Any]:
    """One mocked AWS, and so one set of clients, for all tests of this file; each begins with nothing in it."""
    made = (clients.s3, clients.states, clients.topics, clients.queues, redelivery._url)
    with pytest.MonkeyPatch.context() as patch, mock_aws() as mocked:
        for client in made:
            client.cache_clear()
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield mocked
        for client in made:
            client.cache_clear()


@pytest.fixture
def cloud(aws: Any, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    aws.reset()
    cloud = Cloud()
    for name, value in cloud.environment.items():
        monkeypatch.setenv(name, value)
    return cloud


@pytest.fixture
def planned(cloud: Cloud) -> str:
    """Upload a dataset, its configuration and a database, have it planned, and return the execution."""
    for key, data in {
        "databases/small.tsv": DATABASE,
        f"{BRAIN}.job.json": CONFIGURATION,
        f"{BRAIN}.imzML": SMALL.imzml.encode(),
        f"{BRAIN}.ibd": SMALL.ibd,
    }.items():
        cloud.input.replace(key, data)
    uploads = [object_created("lab-input", key) for key in ("databases/small.tsv", f"{BRAIN}.ibd")]
    assert failed_messages(load_handler("planner")(records(*uploads))) == []
    return str(cloud.document(STATUS_KEY)["execution"])


def launch(execution: str) -> None:
    event = object_created("lab-work", f"manifests/{execution}/plan.json")
    assert failed_messages(load_handler("launcher")(records(event, event, queue="manifests"))) == []


class Log:
    """What the functions log."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    log, handler = Log(), logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(log.stream)
    yield log
    handler.setStream(before)


def run_map(cloud: Cloud, stage: str, tasks: dict[str, Any]) -> None:
    """Call a function for every line of its manifest, each twice as Lambda may."""
    lines = cloud.work.get(tasks["manifest"]).decode().splitlines()
    assert len(lines) >= tasks["tasks"]
    for line in lines * 2:
        load_handler(stage)(json.loads(line))


class TestTheWholeWay:
    def test_an_upload_becomes_published_annotations(self, cloud: Cloud, planned: str, log: Log) -> None:
        launch(planned)
        ((name, given),) = cloud.executions()
        assert name == planned
        run_map(cloud, "sort", given["sort"])
        run_map(cloud, "isotopes", given["isotopes"])
        event = {"execution": given["execution"], "plan": given["plan"]}
        run_map(cloud, "annotate", load_handler("partition")(event))
        run_map(cloud, "render", load_handler("merge")(event))
        stages = {"sort": "2026-05-04T12:00:10.000Z", "publish": "2026-05-04T12:01:00.000Z"}
        load_handler("status")(event | {"outcome": "SUCCEEDED", "stages": stages})
        prefix = f"results/{given['dataset']}/{given['job']}/"
        names = {info.key.removeprefix(prefix) for info in cloud.results.list(prefix)}
        assert {
            "annotations.csv",
            "annotations.parquet",
            "metrics.parquet",
            "summary.json",
            "status.json",
        } <= names
        assert cloud.document(f"{prefix}status.json")["state"] == "SUCCEEDED"
        summary = cloud.document(f"{prefix}summary.json")
        assert summary["dataset"]["peaks"] == 5
        assert summary["stages"]["sort"]["invocations"] == 2
        assert summary["stages"]["sort"]["bytes_out"] > 0
        assert [*summary["stages"]][:2] == ["plan", "launch"]
        invocations = {stage: each["invocations"] for stage, each in summary["stages"].items()}
        # The launcher's two messages came in one invocation: what each used is noted once where it is the same.
        assert (invocations["plan"], invocations["publish"]) == (1, 1)
        assert 1 <= invocations["launch"] <= 2
        assert summary["cost"]["usd"] == pytest.approx(
            sum(each["usd"] for each in summary["stages"].values()), abs=1e-5
        )
        assert cloud.document(f"{prefix}status.json")["cost_usd"] == summary["cost"]["usd"] > 0
        assert all(each["reads"] + each["writes"] > 0 for each in summary["stages"].values())
        (told,) = cloud.announcements()
        assert (told["state"], told["name"]) == ("SUCCEEDED", "mouse brain+1")
        fleet = [line for line in log.lines() if line["message"] == "Task done"]
        assert {line["stage"] for line in fleet} >= {"sort", "isotopes", "partition", "merge"}
        assert {(line["job"], line["execution"]) for line in fleet} == {(given["job"], planned)}


class TestPlanner:
    def test_keys_are_taken_as_they_are(self, cloud: Cloud, planned: str) -> None:
        plan = json.loads(cloud.work.get(f"manifests/{planned}/plan.json"))
        assert plan["dataset"]["name"] == "mouse brain+1"
        assert plan["dataset"]["ibd"]["version"] not in {"", "null"}

    def test_one_bad_message_does_not_hold_up_the_others(self, cloud: Cloud) -> None:
        cloud.input.replace("databases/small.tsv", DATABASE)
        event = object_created("lab-input", "databases/small.tsv")
        answer = load_handler("planner")(records("not an event", event, {"detail": {}}))
        assert failed_messages(answer) == ["m1", "m3"]
        assert cloud.document("inputs/databases/small/status.json")["state"] == "imported"

    def test_a_rejected_upload_is_handled(self, cloud: Cloud, log: Log) -> None:
        cloud.input.replace(f"{BRAIN}.imzML", b"nonsense")
        cloud.input.replace(f"{BRAIN}.ibd", SMALL.ibd)
        event = object_created("lab-input", f"{BRAIN}.ibd")
        assert failed_messages(load_handler("planner")(records(event))) == []
        assert cloud.document(STATUS_KEY)["state"] == "rejected"
        (line,) = [line for line in log.lines() if line["message"] == "Upload rejected"]
        assert line["message_id"] == "m1"
        assert line["outcome"]["name"] == "mouse brain+1"

    def test_what_may_succeed_later_comes_again_and_its_trouble_is_noted(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        handler = load_handler("planner")
        monkeypatch.setenv("RESULTS_BUCKET", "not-there")
        event = object_created("lab-input", f"{BRAIN}.ibd")
        assert failed_messages(handler(records(event))) == ["m1"]
        trouble = last_trouble(cloud.work, "m1")
        assert trouble is not None
        assert "not-there" in trouble.message


class TestLauncher:
    def test_duplicates_start_nothing(self, cloud: Cloud, planned: str) -> None:
        launch(planned)
        launch(planned)
        ((name, given),) = cloud.executions()
        assert name == given["execution"] == planned
        assert set(given) == {"execution", "job", "dataset", "plan", "sort", "isotopes"}
        assert given["sort"] == {"tasks": 1, "manifest": f"manifests/{planned}/sort.jsonl", "width": 0}

    def test_a_plan_that_is_not_there_comes_again_and_is_noted(self, cloud: Cloud) -> None:
        event = object_created("lab-work", EVENT["plan"])
        assert failed_messages(load_handler("launcher")(records(event))) == ["m1"]
        trouble = last_trouble(cloud.work, "m1")
        assert trouble is not None
        assert EVENT["plan"] in trouble.message

    def test_trouble_that_cannot_be_noted_is_raised_all_the_same(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, log: Log
    ) -> None:
        handler = load_handler("launcher")
        monkeypatch.setenv("WORK_BUCKET", "not-there")
        assert failed_messages(handler(records(object_created("not-there", EVENT["plan"])))) == ["m1"]
        assert "Trouble was not noted" in {line["message"] for line in log.lines()}
        assert last_trouble(cloud.work, "m1") is None

    def test_an_attempt_that_has_ended_is_not_started_again(self, cloud: Cloud, planned: str, log: Log) -> None:
        event = object_created("lab-work", f"manifests/{planned}/plan.json")
        load_handler("status")(records(event, queue="manifests-dlq"))
        launch(planned)
        assert cloud.executions() == []
        assert "Attempt has ended: it is not started again" in {line["message"] for line in log.lines()}

    def test_the_ids_of_one_message_are_not_put_on_the_lines_of_the_next(self, planned: str, log: Log) -> None:
        keys = (f"manifests/{planned}/plan.json", EVENT["plan"])
        answer = load_handler("launcher")(records(*(object_created("lab-work", key) for key in keys)))
        assert failed_messages(answer) == ["m2"]
        started, failed = [line for line in log.lines() if line["message"] in {"Execution started", "Failed"}]
        assert (started["message_id"], started["execution"]) == ("m1", planned)
        assert failed["message_id"] == "m2"
        assert "execution" not in failed


class TestRedelivery:
    def test_a_message_is_hidden_while_it_is_worked_on_and_comes_again_soon_where_that_failed(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = cloud.mailbox.create_queue(QueueName="uploads", Attributes={"VisibilityTimeout": "5400"})["QueueUrl"]
        cloud.mailbox.send_message(QueueUrl=url, MessageBody="no event")
        (message,) = cloud.mailbox.receive_message(QueueUrl=url)["Messages"]
        hidden: list[list[int]] = []
        change = clients.queues().change_message_visibility_batch

        def note(**request: Any) -> Any:
            hidden.append([entry["VisibilityTimeout"] for entry in request["Entries"]])
            return change(**request)

        monkeypatch.setattr(clients.queues(), "change_message_visibility_batch", note)
        event = records("no event")
        event["Records"][0]["receiptHandle"] = message["ReceiptHandle"]
        assert failed_messages(load_handler("planner")(event)) == ["m1"]
        (worked_on,), (put_back,) = hidden
        assert worked_on == 60 + redelivery.GRACE_S
        assert 15 <= put_back <= 30

    @pytest.mark.usefixtures("cloud")
    def test_a_message_that_cannot_be_hidden_is_handled_all_the_same(self, log: Log) -> None:
        assert failed_messages(load_handler("planner")(records("no event", queue="gone"))) == ["m1"]
        assert "Messages could not be hidden" in {line["message"] for line in log.lines()}

    def test_it_comes_later_each_time_and_never_with_the_others(self) -> None:
        for receives, longest in [(1, 30), (2, 120), (3, 480), (4, 1920), (5, 3600), (6, 3600), (1000, 3600)]:
            drawn = [redelivery.delay(receives) for _ in range(200)]
            assert longest / 2 <= min(drawn) < max(drawn) <= longest


class TestSort:
    def test_the_version_that_was_planned_is_read(self, cloud: Cloud, planned: str) -> None:
        cloud.input.replace(f"{BRAIN}.ibd", bytes(len(SMALL.ibd)))
        (line,) = cloud.work.get(f"manifests/{planned}/sort.jsonl").decode().splitlines()
        assert load_handler("sort")(json.loads(line))["done"] == {"spectra": 3, "peaks": 5}


class TestStatus:
    def job_status(self, cloud: Cloud) -> Any:
        upload = cloud.document(STATUS_KEY)
        return cloud.document(f"results/{upload['dataset']}/{upload['job']}/status.json")

    def test_a_failure_is_reported_and_announced_once(self, cloud: Cloud, planned: str) -> None:
        status = load_handler("status")
        cause = json.dumps({"errorMessage": "No spectrum has a peak.", "errorType": "InvalidDatasetError"})
        error = {"Error": "InvalidDatasetError", "Cause": cause}
        event = {"execution": planned, "plan": "…", "outcome": "FAILED", "stages": {}, "error": error}
        assert status(event) == {"execution": planned, "outcome": "FAILED"}
        status(status_change(planned, "FAILED", cloud.state_machine, error="InvalidDatasetError", cause=cause))
        reported = self.job_status(cloud)
        assert (reported["state"], reported["error"]) == ("FAILED", "InvalidDatasetError")
        assert reported["message"] == "No spectrum has a peak."
        assert {stage: each["invocations"] for stage, each in reported["stages"].items()} == {"plan": 1, "report": 1}
        assert reported["cost_usd"] > 0
        (told,) = cloud.announcements()
        assert told["message"] == "No spectrum has a peak."

    def test_a_job_that_enters_a_stage_tells_so_with_links_to_its_execution_and_logs(
        self, cloud: Cloud, planned: str
    ) -> None:
        entered = "2026-05-04T12:00:10.000Z"
        answer = load_handler("status")({"execution": planned, "stage": "sort", "entered": entered})
        assert answer == {"execution": planned, "stage": "sort"}
        status = self.job_status(cloud)
        assert (status["state"], status["stage"], status["stage_entered_at"]) == ("RUNNING", "sort", entered)
        assert status["links"].keys() == {"execution", "planner log", "launcher log", "annotate log"}
        assert status["links"]["execution"].endswith(f":execution:Ionfleet:{planned}")
        assert cloud.announcements() == []

    def test_an_execution_that_succeeds_after_its_end_fails_with_the_reason(self, cloud: Cloud, planned: str) -> None:
        load_handler("status")(status_change(planned, "ABORTED", cloud.state_machine))
        with pytest.raises(AttemptEndedError, match="ended as ABORTED"):
            load_handler("status")({"execution": planned, "outcome": "SUCCEEDED"})
        assert self.job_status(cloud)["state"] == "ABORTED"

    @pytest.mark.parametrize("state", ["ABORTED", "TIMED_OUT"])
    def test_an_execution_that_was_stopped_is_reported(self, cloud: Cloud, planned: str, state: str) -> None:
        load_handler("status")(status_change(planned, state, cloud.state_machine))
        assert self.job_status(cloud)["state"] == state
        assert self.job_status(cloud)["ended_at"] == "2026-05-04T13:00:00.000Z"
        assert [told["state"] for told in cloud.announcements()] == [state]

    def test_an_execution_started_by_hand_is_nobodys_job(self, cloud: Cloud) -> None:
        load_handler("status")(status_change("by-hand", "ABORTED", cloud.state_machine))
        assert cloud.announcements() == []
        assert list(cloud.work.list("ended/")) == []

    @pytest.mark.usefixtures("cloud")
    def test_an_event_of_another_kind_is_refused(self) -> None:
        with pytest.raises(InvalidInputError, match="outcome"):
            load_handler("status")({"execution": JOB})

    def test_a_dead_upload_is_kept_and_reported(self, cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
        event = object_created("lab-input", f"{BRAIN}.imzML")
        assert failed_messages(load_handler("status")(records(event, queue="uploads-dlq"))) == []
        assert json.loads(cloud.work.get("dead-letters/uploads-dlq/m1.json")) == event
        assert cloud.document(STATUS_KEY)["state"] == "failed"
        assert "Lab-PlannerLog" in cloud.document(STATUS_KEY)["links"]["planner log"]
        assert read_end(cloud.work, "m1") is not None
        metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
        assert [each["DeadLetters"] for each in metrics] == [[1.0]]

    def test_a_dead_manifest_fails_its_job(self, cloud: Cloud, planned: str) -> None:
        event = object_created("lab-work", f"manifests/{planned}/plan.json")
        assert failed_messages(load_handler("status")(records(event, queue="manifests-dlq"))) == []
        assert (self.job_status(cloud)["state"], self.job_status(cloud)["error"]) == ("FAILED", "NotLaunched")
        assert len(cloud.announcements()) == 1

    def test_an_end_that_could_not_be_told_at_first_is_told_from_its_dead_letter(
        self, cloud: Cloud, planned: str
    ) -> None:
        event = status_change(planned, "TIMED_OUT", cloud.state_machine)
        for _ in range(2):
            assert failed_messages(load_handler("status")(records(event, queue="ends-dlq"))) == []
        assert self.job_status(cloud)["state"] == "TIMED_OUT"
        assert cloud.work.head("dead-letters/ends-dlq/m1.json") is not None

    def test_news_of_a_stage_that_could_not_be_told_at_first_come_from_their_dead_letter(
        self, cloud: Cloud, planned: str
    ) -> None:
        event = {"execution": planned, "stage": "merge", "entered": "2026-05-04T12:00:10.000Z"}
        assert failed_messages(load_handler("status")(records(json.dumps(event), queue="ends-dlq"))) == []
        assert (self.job_status(cloud)["state"], self.job_status(cloud)["stage"]) == ("RUNNING", "merge")
        assert not list(cloud.results.list("inputs/messages/"))

    def test_a_dead_letter_of_any_other_kind_is_kept(self, cloud: Cloud) -> None:
        answer = load_handler("status")(records("gibberish", "{}", queue="uploads-dlq"))
        assert failed_messages(answer) == []
        assert cloud.work.get("dead-letters/uploads-dlq/m1.json") == b"gibberish"
        status = cloud.document("inputs/messages/m1/status.json")
        assert (status["state"], status["error"]) == ("failed", "UnreadableMessage")
        assert "dead-letters/uploads-dlq/m1.json" in status["message"]
        assert cloud.work.get("dead-letters/uploads-dlq/m2.json") == b"{}"


class TestShared:
    def test_several_jobs_of_one_message_share_what_it_used(self, cloud: Cloud) -> None:
        cloud.input.replace("databases/small.tsv", DATABASE)
        load_handler("planner")(records(object_created("lab-input", "databases/small.tsv")))
        for name, mz in (("a", 100.0), ("b", 200.0)):
            dataset = make([([mz], [1.0])])
            cloud.input.replace(f"datasets/lab/{name}.imzML", dataset.imzml.encode())
            cloud.input.replace(f"datasets/lab/{name}.ibd", dataset.ibd)
        cloud.input.replace("datasets/lab/job.json", CONFIGURATION)
        load_handler("planner")(records(object_created("lab-input", "datasets/lab/job.json")))
        executions = {cloud.document(f"inputs/datasets/lab/{name}/status.json")["execution"] for name in "ab"}
        first, second = (read_invocations(cloud.work, execution)[0] for execution in executions)
        assert (first.request_id, first.stage) == (second.request_id, "plan")
        assert abs(first.writes - second.writes) <= 1
        assert first.writes + second.writes > 10


class TestTaskHandler:
    def call(self, outcome: object, event: dict[str, Any] | None = None) -> dict[str, Any]:
        @task_handler("merge", StageTask)
        def handler(_: StageTask) -> Any:
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        context: Any = Context("merge")
        return handler(EVENT if event is None else event, context)

    def test_the_cost_is_noted_whatever_happens(self, cloud: Cloud) -> None:
        self.call(StageTask(execution="x", plan="y"))
        with pytest.raises(InvalidDatasetError):
            self.call(InvalidDatasetError("broken"))
        noted = read_invocations(cloud.work, EVENT["execution"])
        assert [(each.stage, each.task, each.memory_mb) for each in noted] == [("merge", 0, 2048)] * 2
        assert all(each.billed_ms > 0 and each.peak_mb > 0 for each in noted)
        assert sorted(each.failed for each in noted) == [False, True]

    def test_only_the_first_invocation_of_a_process_is_cold(
        self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(handlers._starts, "cold", True)
        for _ in range(3):
            self.call(StageTask(execution="x", plan="y"))
        assert sorted(each.cold for each in read_invocations(cloud.work, EVENT["execution"])) == [False, False, True]

    @pytest.mark.usefixtures("cloud")
    def test_a_task_is_not_lost_over_its_account(self, monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
        monkeypatch.setenv("WORK_BUCKET", "not-there")
        assert self.call(StageTask(execution="x", plan="y"))["execution"] == "x"
        with pytest.raises(InvalidDatasetError, match="broken"):
            self.call(InvalidDatasetError("broken"))
        assert "Telemetry was not noted" in {line["message"] for line in log.lines()}

    @pytest.mark.usefixtures("cloud")
    def test_step_functions_sees_the_names_it_knows(self) -> None:
        with pytest.raises(TransientError, match="gone") as raised:
            self.call(ObjectMissingError("gone"))
        assert type(raised.value).__name__ == "TransientError"

    @pytest.mark.usefixtures("cloud")
    def test_a_defect_keeps_its_name(self) -> None:
        with pytest.raises(ZeroDivisionError):
            self.call(ZeroDivisionError())

    @pytest.mark.parametrize("event", [{}, {"execution": JOB}, {"execution": JOB, "plan": 3}])
    @pytest.mark.usefixtures("cloud")
    def test_an_event_of_another_kind_is_refused(self, event: dict[str, Any]) -> None:
        with pytest.raises(InvalidInputError, match="plan"):
            self.call(None, event)

    @pytest.mark.usefixtures("cloud")
    def test_every_line_has_the_ids_and_only_its_own(self, log: Log) -> None:
        with pytest.raises(InvalidDatasetError):
            self.call(InvalidDatasetError("broken"))
        self.call(StageTask(execution="x", plan="y"), {"execution": JOB, "plan": "p", "task": 4})
        failed, done = log.lines()
        assert (failed["job"], failed["execution"], failed["task"]) == (JOB, f"{JOB}-2", 0)
        assert (failed["level"], failed["exception_name"]) == ("ERROR", "InvalidDatasetError")
        assert (done["job"], done["execution"], done["task"]) == (JOB, JOB, 4)


class TestEnvironment:
    @pytest.mark.usefixtures("cloud")
    def test_variables_are_read(self) -> None:
        environment = read_environment(PlannerEnvironment)
        assert (environment.input_bucket, environment.deployment) == ("lab-input", DEPLOYMENT)

    @pytest.mark.usefixtures("cloud")
    def test_what_is_missing_or_wrong_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WORK_BUCKET")
        monkeypatch.setenv("DEPLOYMENT", "large")
        with pytest.raises(EnvironmentVariablesError, match=r"(?s)WORK_BUCKET.*DEPLOYMENT"):
            read_environment(PlannerEnvironment)

    @pytest.mark.usefixtures("cloud")
    def test_a_bucket_that_was_not_given_is_named(self) -> None:
        stores = open_stores(read_environment(SortEnvironment))
        with pytest.raises(NoBucketError, match="no results bucket"):
            stores.results.get("k")


@pytest.mark.parametrize("name", ["launcher", "status"])
def test_small_functions_need_neither_numpy_nor_pyarrow(name: str) -> None:
    code = f"import sys; sys.path.insert(0, {str(FUNCTIONS / name)!r}); sys.modules.update(numpy=None, pyarrow=None)"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}; import handler"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
