"""Status documents: the only objects that are written more than once, and what people and programs look at.

An input's document says what became of an upload, a job's document how the job stands. Events come twice, late and in
any order, so a document gives way only to one that tells of something later. docs/architecture.md, Objects.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ionfleet.findings import Finding
from ionfleet.jobs import State
from ionfleet.store import ObjectMissingError, ObjectStore
from ionfleet.telemetry import StageCost
from ionfleet.text import escaped_json, shortened

MAX_FINDINGS = 100
"""Findings that a document spells out; the rest is counted."""

MAX_MESSAGE = 4000
"""Characters of the message of a document, and of each of its findings."""


class InputStatus(BaseModel):
    """What became of an input. `at` (ISO 8601, UTC) is the time it speaks of: the later document stands."""

    model_config = ConfigDict(frozen=True)

    at: str
    error: str | None = None
    message: str | None = None
    findings: tuple[Finding, ...] = ()


class UploadStatus(InputStatus):
    """What became of a dataset's upload.

    `waiting_for` is the file that is missing; `dataset`, `job` and `execution` are what it was planned as; `error`
    (a class of `ionfleet.errors`) and `message` say why it was rejected or failed.
    """

    state: Literal["waiting", "rejected", "planned", "failed"]
    name: str
    waiting_for: str | None = None
    dataset: str | None = None
    job: str | None = None
    execution: str | None = None


class DatabaseStatus(InputStatus):
    """What became of a database: `source` and `etag` are the file's, `key` and `digest` those of what was imported."""

    state: Literal["imported", "rejected", "failed"]
    name: str
    source: str
    etag: str = ""
    digest: str | None = None
    key: str | None = None
    rows: int | None = None
    formulas: int | None = None


class JobStatus(BaseModel):
    """How a job stands, or ended. `results` is the prefix of its files in the results bucket.

    Where it failed, `error` and `message` say why, `stage`, `task` and `object` where, as in `ionfleet.jobs.Failure`.
    `stages` tells what the stages cost until the job ended.
    """

    model_config = ConfigDict(frozen=True)

    state: Literal["RUNNING"] | State
    job: str
    dataset: str
    name: str
    attempt: int
    execution: str
    results: str
    claimed_at: str
    ended_at: str | None = None
    error: str | None = None
    message: str | None = None
    stage: str | None = None
    task: int | None = None
    object: str | None = None
    stages: dict[str, StageCost] | None = None
    annotations: dict[str, dict[str, int]] | None = None


AnyInputStatus = TypeVar("AnyInputStatus", bound=InputStatus)
Document = TypeVar("Document", bound=BaseModel)


def job_status_key(dataset: str, job: str) -> str:
    """Return where a job's document is in the results bucket."""
    return f"results/{dataset}/{job}/status.json"


def read_status(results: ObjectStore, key: str, model: type[Document]) -> Document | None:
    """Return a document; None where there is none, or one that this version cannot read and may overwrite."""
    try:
        return model.model_validate_json(results.get(key))
    except (ObjectMissingError, ValidationError):
        return None


def report_waiting(results: ObjectStore, key: str, status: UploadStatus) -> None:
    """Say that a dataset is incomplete, unless something was said of it before."""
    results.create(key, dump(status))


def report_input(results: ObjectStore, key: str, status: InputStatus) -> bool:
    """Say what became of an input; False (and nothing written) where a document tells of a later upload.

    That a file is missing is never later than what became of the pair.
    """
    standing = read_status(results, key, _Standing)
    if standing is not None and standing.state != "waiting" and standing.at > status.at:
        return False
    results.replace(key, dump(status))
    return True


def report_running(results: ObjectStore, status: JobStatus) -> None:
    """Say that an attempt runs, unless it has ended by now or another one was begun after it."""
    key = job_status_key(status.dataset, status.job)
    # Created, not replaced, where possible: no late duplicate can then undo what the end of the job says.
    if results.create(key, dump(status)):
        return
    standing = read_status(results, key, JobStatus)
    if standing is None or standing.attempt < status.attempt:
        results.replace(key, dump(status))


def report_end(results: ObjectStore, status: JobStatus) -> bool:
    """Say how an attempt ended; False (and nothing written) where that is said, or another one was begun after it."""
    key = job_status_key(status.dataset, status.job)
    standing = read_status(results, key, JobStatus)
    if standing is not None and standing.attempt > status.attempt:
        return False
    if standing is not None and standing.attempt == status.attempt and standing.state == status.state:
        return False
    results.replace(key, dump(status))
    return True


def dump(document: BaseModel) -> bytes:
    """Return a document as JSON for people, without what does not apply."""
    return escaped_json(document.model_dump_json(indent=2, exclude_none=True)).encode()


def bounded(findings: Iterable[Finding], limit: int = MAX_FINDINGS) -> tuple[Finding, ...]:
    """Return the first findings, and one that counts the rest."""
    found = tuple(findings)
    kept = tuple(replace(each, message=shortened(each.message, MAX_MESSAGE)) for each in found[:limit])
    rest = len(found) - limit
    return (*kept, replace(found[limit], message=f"and {rest:,} more findings.", where="")) if rest > 0 else kept


class _Standing(InputStatus):
    """What any input's document has in common."""

    state: str
