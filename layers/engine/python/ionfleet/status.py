"""Status documents: the only objects that are written more than once, and what people and programs look at.

An input's document says what became of an upload, a job's document how the job stands. Events come twice, late and in
any order, so a document gives way only to one that tells of something later, and only while it is the one that was
compared. docs/architecture.md, Objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from ionfleet.brief import PlanBrief
from ionfleet.costs import StageCost
from ionfleet.errors import TransientError
from ionfleet.findings import Finding
from ionfleet.jobs import State
from ionfleet.progress import PLANNED, StageProgress, rank
from ionfleet.store import ObjectMissingError, ObjectStore
from ionfleet.text import escaped_json, shortened

MAX_FINDINGS = 100
"""Findings that a document spells out; the rest is counted."""

MAX_MESSAGE = 4000
"""Characters of the message of a document, and of each of its findings."""

_TRIES = 20
"""Times that a document is compared with the one that stands, when others go on replacing that."""


class InputStatus(BaseModel):
    """What became of an input. `at` (ISO 8601, UTC) is the time it speaks of: the later document stands.

    `links` lead to logs, by what they show.
    """

    model_config = ConfigDict(frozen=True)

    at: str
    error: str | None = None
    message: str | None = None
    findings: tuple[Finding, ...] = ()
    links: dict[str, str] | None = None


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

    `stage` is the one it entered last (`sort` stands for isotopes too, beside it), at `stage_entered_at`; `progress`
    counts the tasks that were done by then. Where it failed, `error` and `message` say why, `stage`, `task` and
    `object` where, as in `ionfleet.jobs.Failure`. `stages` tells what the stages cost until the job ended, `cost_usd`
    what they cost together, in US dollars, `estimated_usd` what that was expected to be; `links` lead to the execution
    and the logs, by what they show.
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
    stage_entered_at: str | None = None
    task: int | None = None
    object: str | None = None
    progress: dict[str, StageProgress] | None = None
    stages: dict[str, StageCost] | None = None
    cost_usd: float | None = None
    estimated_usd: float | None = None
    annotations: dict[str, dict[str, int]] | None = None
    links: dict[str, str] | None = None
    versions: dict[str, str] | None = None
    configuration: dict[str, Any] | None = None

    @classmethod
    def of(cls, plan: PlanBrief, **facts: Any) -> JobStatus:
        """Return the document of a plan's job; `facts` are the fields that the plan does not know."""
        return cls(
            job=plan.job,
            dataset=plan.dataset.id,
            name=plan.dataset.name,
            attempt=plan.attempt,
            execution=plan.execution,
            results=plan.results_prefix,
            claimed_at=plan.claimed_at,
            versions=plan.versions,
            configuration=plan.configuration,
            **facts,
        )


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
    return _supersede(
        results, key, status, _Standing, lambda standing: standing.state == "waiting" or standing.at <= status.at
    )


def report_job(results: ObjectStore, status: JobStatus) -> bool:
    """Say how a job stands or ended; False (and nothing written) where that, or something later, is said already.

    A later attempt follows an earlier one, an end follows its attempt, a later stage an earlier one: no news that
    comes late or again undoes what was said.
    """
    key = job_status_key(status.dataset, status.job)
    return _supersede(results, key, status, JobStatus, lambda standing: _place(standing) < _place(status))


def _place(status: JobStatus) -> tuple[int, bool, int]:
    """Return what tells the earlier of two documents of a job."""
    ended = status.state != "RUNNING"
    return status.attempt, ended, 0 if ended else rank(status.stage or PLANNED)


def _supersede(
    results: ObjectStore, key: str, status: BaseModel, model: type[Document], gives_way: Callable[[Document], bool]
) -> bool:
    """Write a document unless one stands that does not give way; what cannot be read always does."""
    for _ in range(_TRIES):
        info = results.head(key)
        if info is None:
            written = results.create(key, dump(status))
        else:
            standing = read_status(results, key, model)
            if standing is not None and not gives_way(standing):
                return False
            written = results.replace(key, dump(status), info.etag)
        if written:
            return True
    raise TransientError(f"{key!r} in the results bucket was replaced {_TRIES} times before it could be. Try again.")


def dump(document: BaseModel) -> bytes:
    """Return a document as JSON for people, without what does not apply."""
    return escaped_json(document.model_dump_json(indent=2, exclude_none=True)).encode()


def bounded(findings: Iterable[Finding], limit: int = MAX_FINDINGS) -> tuple[Finding, ...]:
    """Return the first findings, and one that counts the rest."""
    found = tuple(findings)
    kept = tuple(replace(each, message=shortened(each.message, MAX_MESSAGE)) for each in found[:limit])
    rest = sum(each.count for each in found[limit:])
    if not rest:
        return kept
    return (*kept, replace(found[limit], message=f"and {rest:,} more findings.", where="", count=rest))


class _Standing(InputStatus):
    """What any input's document has in common."""

    state: str
