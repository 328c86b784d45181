"""Status: how a job ended, decided once; results published, or the reason named.

Every way a job can end leads here: the state machine's last step or its report of a failure, an event about an
execution that was stopped, timed out or failed, and messages that ended in a dead-letter queue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter

from ionfleet.brief import PlanBrief, optical_key, plan_key, read_brief
from ionfleet.costs import JobCost
from ionfleet.damage import read_intact
from ionfleet.errors import AttemptEndedError, DamagedObjectError, InvalidInputError
from ionfleet.identity import timestamp
from ionfleet.jobs import End, Failure, State, end_attempt, end_message, last_trouble, read_end
from ionfleet.progress import planned_tasks, progress_on_entering, progress_within
from ionfleet.reasons import failure_of
from ionfleet.report import scripts
from ionfleet.report.page import NAME, page
from ionfleet.status import (
    DatabaseStatus,
    InputStatus,
    JobStatus,
    UploadStatus,
    job_status_key,
    read_status,
    report_input,
    report_job,
)
from ionfleet.store import ObjectStore
from ionfleet.summary import build_summary, job_cost, to_json
from ionfleet.telemetry import Invocation, read_invocations, summarize
from ionfleet.text import escaped_json, shortened
from ionfleet.uploads import DatabaseFile, DatasetName, message_status_key, refused_status_key, understand

TABLES = (
    "annotations.csv",
    "annotations.parquet",
    "metrics.parquet",
    "colocalization.parquet",
    "diagnostics.parquet",
    scripts.DATASET,
    scripts.ANNOTATIONS,
    scripts.COLOCALIZATION,
)
"""The result tables, and those of the page, as merge leaves them in the work bucket and as they are published."""

MAX_TROUBLE = 1000
"""Characters of an error that are repeated within another message."""

Links = Mapping[str, str]
"""Where to look further: addresses by what they show."""

NOWHERE: Links = {}

Own = Callable[[str], Invocation]
"""Tells what the present invocation has used until now, as one of a stage."""


@dataclass(frozen=True)
class Reporter:
    """Who reports how jobs stand: the buckets it reads and writes, and what it can add to what they say.

    `links` are where to look further; `own` tells what the present invocation has used, None where nobody counts that.
    """

    work: ObjectStore
    results: ObjectStore
    links: Links = field(default_factory=dict)
    own: Own | None = None


@dataclass(frozen=True)
class Outcome:
    """What is known when an execution ends.

    `by` names the message that says so, the same for each of its repetitions; `stages` are the times at which stages
    were entered; `error` has Step Functions' `Error` and `Cause` where it failed; `over` are the times at which stages
    ended that others did not wait for.
    """

    state: State
    by: str
    at: datetime
    stages: Mapping[str, str] = field(default_factory=dict)
    error: Mapping[str, str] = field(default_factory=dict)
    over: Mapping[str, str] = field(default_factory=dict)


_FACTS = TypeAdapter(dict[str, Any])


class FailedTask(BaseModel):
    """What the state machine writes down of a map's task that failed: `failures/<execution>/<stage>-<task>.json`."""

    stage: str
    task: int
    Error: str
    Cause: str


@dataclass(frozen=True)
class Completion:
    """A job that ended. `announce` is False where that was announced before."""

    status: JobStatus
    announce: bool

    def to_json(self) -> str:
        """Return what subscribers are told."""
        left_out = {"stages", "progress", "versions", "configuration"}
        return escaped_json(self.status.model_dump_json(exclude_none=True, exclude=left_out))


def advance(reporter: Reporter, execution: str, stage: str, entered: str) -> JobStatus | None:
    """Say that a job has entered a stage, at a time; None where the execution has no plan."""
    work, key = reporter.work, plan_key(execution)
    if work.head(key) is None:
        return None
    plan = read_brief(work, key)
    status = JobStatus.of(
        plan,
        state="RUNNING",
        stage=stage,
        stage_entered_at=entered,
        progress=progress_on_entering(planned_tasks(work, plan), stage),
        links=dict(reporter.links) or None,
    )
    report_job(reporter.results, status)
    return status


def conclude(reporter: Reporter, execution: str, outcome: Outcome) -> Completion | None:
    """End an attempt: publish its results or report its failure; None where the execution has no plan.

    The decision comes before anything is published, so that nothing follows an end that came first: a job that was
    stopped stays stopped, though its last task may still run. Whoever finds that success was decided, even with news
    of a later stop, carries the publication through, since the one who decided may have died over it. What this costs
    itself is part of the job's cost as far as the reporter counts it.

    Raises
    ------
    AttemptEndedError
        The execution succeeded after its attempt had ended otherwise: that end stands.
    DamagedObjectError
        What should be the plan is none.

    """
    work, results, key = reporter.work, reporter.results, plan_key(execution)
    if work.head(key) is None:
        return None
    plan = read_brief(work, key)
    invocations = read_invocations(work, execution)
    end = read_end(work, execution) or _decide(work, execution, outcome)
    facts = _read_facts(work, execution) if end.state == "SUCCEEDED" else None
    if facts is not None:
        _publish_tables(work, results, plan)
    mine = [] if reporter.own is None else [reporter.own("report" if facts is None else "publish")]
    cost = job_cost(summarize([*invocations, *mine]), end, plan.estimate.retention_days)
    if facts is not None:
        _publish_summary(work, results, plan, build_summary(plan, facts, end, cost))
    status = _job_status(work, plan, end, _reached(results, plan, end), invocations, cost)
    found = None if facts is None else facts.get("annotations")
    status = status.model_copy(update={"annotations": found, "links": dict(reporter.links) or None})
    _tell_upload(results, plan)
    news = report_job(results, status)
    if outcome.state == "SUCCEEDED" and end.state != "SUCCEEDED":
        raise AttemptEndedError(
            f"{execution} ended as {end.state} at {end.at}; what runs under its name after that is not published. "
            "Upload one of the dataset's files again for another attempt, which uses what is computed already."
        )
    return Completion(status, announce=news or end.by == outcome.by)


def abandon_plan(reporter: Reporter, key: str, message: str, now: datetime) -> Completion | None:
    """Report a job as failed whose plan (`manifests/<execution>/plan.json`) could not be launched.

    None where there is no plan that could be read: then the message is reported, under its id.
    """
    error = {
        "Error": "NotLaunched",
        "Cause": f"The execution could not be started from {key}, however often that was tried. "
        f"{_said(reporter.work, message, 'launcher')} Upload one of the dataset's files again for another attempt.",
    }
    outcome = Outcome("FAILED", message, now, error=error)
    try:
        completion = conclude(reporter, key.split("/")[1], outcome)
        reason = Failure(error="NotLaunched", message=f"There is no plan {key!r} in the work bucket.", object=key)
    except DamagedObjectError as damage:
        completion = None
        reason = Failure(error=DamagedObjectError.__name__, message=str(damage), object=key)
    if completion is None:
        _report_message(reporter, message, reason, now)
    return completion


def abandon_message(reporter: Reporter, queue: str, message: str, body: str, now: datetime) -> None:
    """Report a message that nobody could read, under its id."""
    failure = Failure(
        error="UnreadableMessage",
        message=f"A message of {len(body):,} characters came to {queue} that is no event of S3. It is kept in the work "
        f"bucket as {_letter_key(queue, message)}; find out who sends to the queue, since S3's events never look so.",
    )
    _report_message(reporter, message, failure, now)


def abandon_upload(reporter: Reporter, key: str, message: str, uploaded_at: datetime) -> None:
    """Report an input as failed that the planner could not handle, and free what its message had claimed."""
    failure = Failure(
        error="PlannerFailed",
        message=f"The planner failed on {key!r} every time it was tried. {_said(reporter.work, message, 'planner')} "
        "Upload the file again once that is mended.",
        object=key,
    )
    at = timestamp(uploaded_at)
    end_message(reporter.work, message, End(state="FAILED", at=at, by=message, failure=failure))
    reported = _failed_input(key, at, failure)
    if reported is not None:
        status_key, status = reported
        linked = status.model_copy(update={"links": dict(reporter.links) or None})
        report_input(reporter.results, status_key, linked)


def _said(work: ObjectStore, message: str, function: str) -> str:
    """Return a sentence on what a function failed with on a message that became a dead letter."""
    trouble = last_trouble(work, message)
    if trouble is None:
        return f"It was killed each time, or could say nothing else than what is in the {function}'s log."
    return f"What it said last: {trouble.error}: {shortened(trouble.message, MAX_TROUBLE)}"


def keep_letter(work: ObjectStore, queue: str, message: str, body: str) -> None:
    """Keep the body of a dead letter, whatever it is, for whoever looks into it."""
    work.create(_letter_key(queue, message), body.encode())


def _letter_key(queue: str, message: str) -> str:
    return f"dead-letters/{queue}/{message}.json"


def _report_message(reporter: Reporter, message: str, failure: Failure, now: datetime) -> None:
    status = _failed_upload(message, timestamp(now), failure)
    linked = status.model_copy(update={"links": dict(reporter.links) or None})
    report_input(reporter.results, message_status_key(message), linked)


def _decide(work: ObjectStore, execution: str, outcome: Outcome) -> End:
    """Decide how an attempt ended, unless someone else just did."""
    if outcome.state == "SUCCEEDED":
        _read_facts(work, execution)  # what could stand against success must do so before it is decided
    return end_attempt(work, execution, _end(work, execution, outcome))


def _end(work: ObjectStore, execution: str, outcome: Outcome) -> End:
    failure = None if outcome.state == "SUCCEEDED" else _failure(work, execution, outcome)
    return End(
        state=outcome.state,
        at=timestamp(outcome.at),
        by=outcome.by,
        failure=failure,
        stages=dict(outcome.stages),
        over=dict(outcome.over),
    )


def _failure(work: ObjectStore, execution: str, outcome: Outcome) -> Failure:
    """Return why an execution failed: a failed task's own reason says more than that of the map around it."""
    record = next(iter(work.list(f"failures/{execution}/")), None)
    if record is not None and outcome.state == "FAILED":
        try:
            task = read_intact(work, record.key, FailedTask.model_validate_json)
        except DamagedObjectError as damage:
            return Failure(error=DamagedObjectError.__name__, message=str(damage), object=record.key)
        reason = failure_of(task.Error, task.Cause, task.stage)
        return reason.model_copy(update={"task": task.task, "object": record.key})
    error, cause = outcome.error.get("Error") or "", outcome.error.get("Cause") or ""
    if outcome.state != "FAILED":
        error, cause = outcome.state, ": ".join(filter(None, (error, cause)))
    reason = failure_of(error or outcome.state, cause, _last_stage(outcome.stages))
    return reason.model_copy(update={"object": plan_key(execution)})


def _last_stage(stages: Mapping[str, str]) -> str | None:
    return max(stages, key=lambda stage: stages[stage], default=None)


def _read_facts(work: ObjectStore, execution: str) -> dict[str, Any]:
    return read_intact(work, f"jobs/{execution}/tables/facts.json", _FACTS.validate_json)


def _publish_tables(work: ObjectStore, results: ObjectStore, plan: PlanBrief) -> None:
    for table in TABLES:
        key = f"{plan.results_prefix}{table}"
        if results.head(key) is None:
            results.create(key, work.get(f"jobs/{plan.execution}/tables/{table}"))


def _publish_summary(work: ObjectStore, results: ObjectStore, plan: PlanBrief, summary: Mapping[str, Any]) -> None:
    """Write the summary, and then the page, which is whole with it."""
    results.create(f"{plan.results_prefix}summary.json", to_json(summary))
    results.create(f"{plan.results_prefix}{scripts.SUMMARY}", scripts.script(scripts.SUMMARY, summary))
    if plan.configuration.get("optical_image") is not None:
        results.create(f"{plan.results_prefix}{scripts.OPTICAL}", work.get(optical_key(plan.execution)))
    results.create(f"{plan.results_prefix}{NAME}", page())


def _reached(results: ObjectStore, plan: PlanBrief, end: End) -> str | None:
    """Return the stage that an attempt ended in; where only the execution's own states knew it, the last reported."""
    if end.state == "SUCCEEDED":
        return "publish"
    if end.failure is not None and end.failure.stage is not None:
        return end.failure.stage
    standing = read_status(results, job_status_key(plan.dataset.id, plan.job), JobStatus)
    return standing.stage if standing is not None and standing.attempt == plan.attempt else None


def _tell_upload(results: ObjectStore, plan: PlanBrief) -> None:
    """Say which job the upload became: the planner may have died, for good, between its plan and its own report."""
    name = understand(plan.dataset.imzml.key)
    if not isinstance(name, DatasetName):
        raise DamagedObjectError(f"{plan.key!r} names {plan.dataset.imzml.key!r} as its imzML, which is none.")
    status = UploadStatus(
        state="planned",
        name=name.stem,
        at=plan.claimed_at,
        dataset=plan.dataset.id,
        job=plan.job,
        execution=plan.execution,
    )
    if read_status(results, name.status_key, UploadStatus) != status:
        report_input(results, name.status_key, status)


def _job_status(
    work: ObjectStore, plan: PlanBrief, end: End, stage: str | None, invocations: Sequence[Invocation], cost: JobCost
) -> JobStatus:
    """Return the document of an attempt that ended in a stage."""
    failure = {} if end.failure is None else end.failure.model_dump(exclude={"stage"})
    return JobStatus.of(
        plan,
        state=end.state,
        ended_at=end.at,
        stage=stage,
        stage_entered_at=end.stages.get(stage or ""),
        progress=progress_within(planned_tasks(work, plan), stage, invocations),
        stages=cost.stages,
        cost_usd=cost.usd,
        estimated_usd=plan.estimate.usd,
        **failure,
    )


def _failed_input(key: str, at: str, failure: Failure) -> tuple[str, InputStatus] | None:
    """Return the document that says so, and its key; None for a key that is none of Ionfleet's business."""
    try:
        input_key = understand(key)
    except InvalidInputError:
        return refused_status_key(key), _failed_upload(ascii(key), at, failure)
    if input_key is None:
        return None
    if isinstance(input_key, DatabaseFile):
        status = DatabaseStatus(
            state="failed", name=input_key.name, source=key, at=at, error=failure.error, message=failure.message
        )
        return input_key.status_key, status
    return input_key.status_key, _failed_upload(input_key.stem or key, at, failure)


def _failed_upload(name: str, at: str, failure: Failure) -> UploadStatus:
    return UploadStatus(state="failed", name=name, at=at, error=failure.error, message=failure.message)
