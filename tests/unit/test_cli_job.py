"""How a run waits for its job, and what it makes of the ways in which that ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import pytest
from pydantic import BaseModel

from ionfleet.status import DatabaseStatus, JobStatus, UploadStatus
from ionfleet.uploads import DatasetName
from ionfleet_cli import watch as watching
from ionfleet_cli.failures import CommandError, ExitCode
from ionfleet_cli.job import Job
from ionfleet_cli.local_files import LocalDatabase
from ionfleet_cli.logs import last_error
from ionfleet_cli.progress import Progress
from ionfleet_cli.submission import import_databases
from ionfleet_cli.watch import Watch
from ionfleet_replay import (
    AccessDecided,
    EventLost,
    ExecutionEnded,
    Invocation,
    InvocationEnded,
    Standing,
    StateEntered,
    StateExited,
)

Document = TypeVar("Document", bound=BaseModel)

NAME = DatasetName("datasets/local/", "brain")
JOB_STATUS = "results/ds-1/job-1/status.json"
PLANNED = UploadStatus(state="planned", at="now", name="brain", dataset="ds-1", job="job-1", execution="job-1")


class MemoryBucket:
    """A bucket in memory."""

    def __init__(self, **objects: bytes) -> None:
        self.objects: dict[str, bytes] = dict(objects)

    def get(self, key: str) -> bytes | None:
        return self.objects.get(key)

    def read(self, key: str, model: type[Document]) -> Document | None:
        data = self.objects.get(key)
        return None if data is None else model.model_validate_json(data)

    def upload(self, key: str, path: Path) -> None:
        self.objects[key] = path.read_bytes()


class StillCloud:
    """A cloud in which nothing happens."""

    def __init__(self, folder: Path, standing: Standing = Standing.IDLE) -> None:
        self.folder = folder
        self._standing = standing

    def standing(self) -> Standing:
        return self._standing


@pytest.fixture(autouse=True)
def _without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POLL", "REST_CHECK", "PATIENCE"):
        monkeypatch.setattr(watching, name, 0.0)


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    watch = Watch()
    watch.attach(StillCloud(tmp_path))
    return watch


def job_status(state: str, **fields: object) -> JobStatus:
    return JobStatus(
        state=state, job="job-1", dataset="ds-1", name="brain", attempt=1, execution="job-1",
        results="results/ds-1/job-1/", claimed_at="now", **fields,
    )  # fmt: skip


def follow(watch: Watch, upload: UploadStatus | None, job: JobStatus | None = None) -> JobStatus:
    documents = {NAME.status_key: upload, JOB_STATUS: job}
    results = MemoryBucket(**{key: each.model_dump_json().encode() for key, each in documents.items() if each})
    return Job(Progress(lambda _: None), MemoryBucket()).follow(results, NAME, watch)


def failure_of(watch: Watch, upload: UploadStatus | None, job: JobStatus | None = None) -> CommandError:
    with pytest.raises(CommandError) as caught:
        follow(watch, upload, job)
    return caught.value


def test_a_job_that_succeeded_gives_its_status(watch: Watch) -> None:
    assert follow(watch, PLANNED, job_status("SUCCEEDED")).results == "results/ds-1/job-1/"


def test_a_rejected_dataset_is_wrong_input_with_its_reason(watch: Watch) -> None:
    rejected = UploadStatus(state="rejected", at="now", name="brain", error="InvalidDatasetError", message="No peaks.")
    failure = failure_of(watch, rejected)
    assert str(failure) == "InvalidDatasetError (brain.imzML): No peaks."
    assert failure.exit_code == ExitCode.INVALID_INPUT


def test_a_failed_job_tells_where_it_failed(watch: Watch) -> None:
    failed = job_status(
        "FAILED",
        error="TransientError",
        message="S3 is gone.",
        stage="sort",
        task=3,
        object="failures/job-1/sort-3.json",
    )
    failure = failure_of(watch, PLANNED, failed)
    assert str(failure) == "TransientError (stage sort, task 3, failures/job-1/sort-3.json): S3 is gone."
    assert failure.exit_code == ExitCode.FAILURE


def test_a_job_that_failed_over_its_input_is_wrong_input(watch: Watch) -> None:
    failed = job_status("FAILED", error="InvalidDatasetError", message="No peaks.", stage="partition")
    assert failure_of(watch, PLANNED, failed).exit_code == ExitCode.INVALID_INPUT


def test_a_job_that_was_stopped_has_failed(watch: Watch) -> None:
    assert str(failure_of(watch, PLANNED, job_status("ABORTED"))) == "ABORTED: No reason is known."


def test_a_cloud_that_comes_to_rest_without_a_result_ends_the_wait(watch: Watch) -> None:
    assert "came to a standstill" in str(failure_of(watch, None))


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (ExecutionEnded("job-1", "FAILED", "States.Runtime", "No such path."), "States.Runtime: No such path."),
        (EventLost("Planner", "refused", "{}"), "An event for Planner was lost: refused"),
        (
            InvocationEnded(Invocation("Planner", "1", 0.0, 0.0, "Runtime.ExitError", 0.0, cold=True)),
            "Runtime.ExitError",
        ),
    ],
)
def test_a_standstill_is_explained_by_what_was_observed(watch: Watch, observation: object, reason: str) -> None:
    watch.observe(observation)
    assert reason in str(failure_of(watch, PLANNED, job_status("RUNNING")))


def test_a_standstill_is_explained_by_the_logs_where_they_say_more(watch: Watch, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "Planner" / "1.log"
    log.parent.mkdir(parents=True)
    log.write_text(json.dumps({"level": "ERROR", "exception_name": "KeyError", "stack_trace": {"value": "'x'"}}))
    assert "Planner: KeyError: 'x'" in str(failure_of(watch, None))


def test_a_failure_names_what_was_denied_meanwhile(watch: Watch) -> None:
    for number in (1, 2, 2, 3, 4, 5, 6, 7):
        watch.observe(AccessDecided("role/a", "s3:GetObject", f"arn:{number}", {}, allowed=False))
    watch.observe(AccessDecided("role/a", "s3:PutObject", "arn:9", {}, allowed=True))
    with pytest.raises(CommandError) as failed, watch.naming_denials():
        raise CommandError("Failed: role/a is not authorized to perform: s3:GetObject on resource: arn:1.")
    lines = str(failed.value).splitlines()
    assert lines[1:3] == ["Denied:", "role/a is not authorized to perform: s3:GetObject on resource: arn:2"]
    assert (len(lines), lines[-1]) == (8, "and 1 more")


def test_a_failure_without_denials_stays_as_it_is(watch: Watch) -> None:
    error = CommandError("Failed.", ExitCode.INVALID_INPUT)
    with pytest.raises(CommandError) as failed, watch.naming_denials():
        raise error
    assert failed.value is error


def test_nobody_waits_for_messages_that_failed_to_come_again(tmp_path: Path) -> None:
    watch = Watch()
    watch.attach(StillCloud(tmp_path, Standing.WAITING))
    assert "came to a standstill" in str(failure_of(watch, None))


def test_a_cloud_that_works_is_waited_for(tmp_path: Path) -> None:
    watch = Watch()
    watch.attach(StillCloud(tmp_path, Standing.BUSY))
    looks = iter(range(20))
    assert watch.wait(lambda: "found" if next(looks) == 19 else None) == "found"


def test_observations_are_heard_in_order_and_none_is_left(watch: Watch) -> None:
    heard: list[object] = []
    watch.heard = heard.append
    observations = [StateEntered("job-1", "Sort"), StateExited("job-1", "Sort")]
    for observation in observations:
        watch.observe(observation)
    watch.wait(lambda: "at once")
    assert heard == observations


def test_figures_that_stages_leave_behind_are_shown() -> None:
    progress = Progress(lambda _: None)
    work = MemoryBucket()
    work.objects["manifests/job-1/partition.json"] = b'{"ions": 34294, "peaks": 8199, "tasks": 2}'
    job = Job(progress, work)
    job.heard(StateEntered("job-1", "Partition"))
    job.heard(StateExited("job-1", "Partition"))
    assert (progress.stages["partition"].state, progress.stages["partition"].amount) == (
        "done",
        "8,199 peaks, 34,294 ions",
    )
    assert (progress.stages["annotate"].total, progress.stages["annotate"].amount) == (2, "34,294 ions")


def test_a_stage_that_left_no_figures_behind_has_failed() -> None:
    progress = Progress(lambda _: None)
    job = Job(progress, MemoryBucket())
    job.heard(StateEntered("job-1", "Merge"))
    job.heard(StateExited("job-1", "Merge"))
    assert progress.stages["merge"].state == "failed"


def databases_imported(watch: Watch, folder: Path, status: DatabaseStatus, *, skip_invalid: bool = False) -> list[str]:
    (folder / "mine.csv").write_text("sf\nC6H12O6\n")
    buckets = MemoryBuckets(status)
    found = import_databases(buckets, [LocalDatabase(folder / "mine.csv", "mine")], watch, skip_invalid=skip_invalid)
    assert buckets.input.objects == {"databases/mine.tsv": b"sf\nC6H12O6\n"}
    return found


class MemoryBuckets:
    """The buckets after a database was uploaded and taken up."""

    def __init__(self, status: DatabaseStatus) -> None:
        self.input = MemoryBucket()
        self.results = MemoryBucket()
        self.results.objects["inputs/databases/mine/status.json"] = status.model_dump_json().encode()


def database_status(state: str, **fields: object) -> DatabaseStatus:
    return DatabaseStatus(state=state, at="now", name="mine", source="databases/mine.tsv", **fields)


def test_an_imported_database_is_counted(watch: Watch, tmp_path: Path) -> None:
    status = database_status("imported", rows=1, formulas=1)
    assert databases_imported(watch, tmp_path, status) == ["Database mine: 1 row, 1 formula"]


def test_a_rejected_database_ends_the_run_with_its_reason(watch: Watch, tmp_path: Path) -> None:
    status = database_status("rejected", error="InvalidDatabaseError", message="2 rows are refused.")
    with pytest.raises(CommandError, match=r"InvalidDatabaseError: .*mine\.csv: 2 rows are refused") as caught:
        databases_imported(watch, tmp_path, status)
    assert caught.value.exit_code == ExitCode.INVALID_INPUT
    assert databases_imported(watch, tmp_path, status, skip_invalid=True) == ["Database mine: 2 rows are refused."]


def test_a_database_that_the_planner_failed_on_is_a_failure(watch: Watch, tmp_path: Path) -> None:
    with pytest.raises(CommandError) as caught:
        databases_imported(watch, tmp_path, database_status("failed", error="PlannerFailed", message="It died."))
    assert caught.value.exit_code == ExitCode.FAILURE


def test_the_last_error_of_the_newest_log_is_found(tmp_path: Path) -> None:
    assert last_error(tmp_path) is None
    log = tmp_path / "logs" / "Sort" / "1.log"
    log.parent.mkdir(parents=True)
    log.write_text('START\n{"level": "ERROR", "message": "Failed"}\n[ERROR] Runtime.ExitError: gone\n[]\nEND\n')
    assert last_error(tmp_path) == "Sort: Runtime.ExitError: gone"
