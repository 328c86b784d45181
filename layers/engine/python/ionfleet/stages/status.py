"""Status: how a job ended, decided once; results published, or the reason named.

Every way a job can end leads here: the state machine's last step or its report of a failure, an event about an
execution that was stopped, timed out or failed, and messages that ended in a dead-letter queue.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from ionfleet.brief import PlanBrief, plan_key, read_brief
from ionfleet.errors import InvalidInputError
from ionfleet.identity import timestamp
from ionfleet.jobs import End, Failure, State, end_attempt, end_message
from ionfleet.status import MAX_MESSAGE, DatabaseStatus, InputStatus, JobStatus, UploadStatus, report_end, report_input
from ionfleet.store import ObjectStore
from ionfleet.summary import build_summary, to_json
from ionfleet.telemetry import StageCost, read_invocations, summarize
from ionfleet.text import escaped_json
from ionfleet.uploads import DatabaseFile, refused_status_key, understand

TABLES = ("annotations.csv", "annotations.parquet", "metrics.parquet")
"""The result tables, as merge leaves them in the work bucket and as they are published."""


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
        return escaped_json(self.status.model_dump_json(exclude_none=True, exclude={"stages"}))


def conclude(work: ObjectStore, results: ObjectStore, execution: str, outcome: Outcome) -> Completion | None:
    """End an attempt: publish its results or report its failure; None where the execution has no plan.

    The decision comes before anything is published, so that nothing follows an end that came first: a job that was
    stopped stays stopped, though its last task may still run. Whoever finds that success was decided, even with news
    of a later stop, carries the publication through, since the one who decided may have died over it. All that could
    stand against success is therefore read before it is decided.
    """
    key = plan_key(execution)
    if work.head(key) is None:
        return None
    plan = read_brief(work, key)
    costs = summarize(read_invocations(work, execution))
    facts = _read_facts(work, execution) if outcome.state == "SUCCEEDED" else None
    end = end_attempt(work, execution, _end(work, execution, outcome))
    if end.state == "SUCCEEDED":
        facts = facts if facts is not None else _read_facts(work, execution)
        _publish(work, results, plan, to_json(build_summary(plan, facts, end, costs)))
    status = _job_status(plan, end, costs, facts)
    news = report_end(results, status)
    return Completion(status, announce=news or end.by == outcome.by)


def abandon_plan(work: ObjectStore, results: ObjectStore, key: str, message: str, now: datetime) -> Completion | None:
    """Report a job as failed whose plan (`manifests/<execution>/plan.json`) could not be launched."""
    error = {
        "Error": "NotLaunched",
        "Cause": f"The execution could not be started from {key}, however often that was tried. "
        f"The launcher's log says why; upload one of the dataset's files again for another attempt.",
    }
    return conclude(work, results, key.split("/")[1], Outcome("FAILED", message, now, error=error))


def abandon_upload(work: ObjectStore, results: ObjectStore, key: str, message: str, uploaded_at: datetime) -> None:
    """Report an input as failed that the planner could not handle, and free what its message had claimed."""
    failure = Failure(
        error="PlannerFailed",
        message=f"The planner failed on {key!r} every time it was tried. Its log says why; upload the file again "
        "once that is mended.",
        object=key,
    )
    at = timestamp(uploaded_at)
    end_message(work, message, End(state="FAILED", at=at, by=message, failure=failure))
    reported = _failed_input(key, at, failure)
    if reported is not None:
        report_input(results, *reported)


def keep_letter(work: ObjectStore, queue: str, message: str, body: str) -> None:
    """Keep the body of a dead letter, whatever it is, for whoever looks into it."""
    work.create(f"dead-letters/{queue}/{message}.json", body.encode())


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
        task = FailedTask.model_validate_json(work.get(record.key))
        reason = _reason(task.Error, task.Cause)
        return reason.model_copy(update={"stage": task.stage, "task": task.task, "object": record.key})
    reason = _reason(outcome.error.get("Error") or outcome.state, outcome.error.get("Cause") or "")
    return reason.model_copy(update={"stage": _last_stage(outcome.stages), "object": plan_key(execution)})


def _reason(error: str, cause: str) -> Failure:
    """Return the error and message in what Step Functions says: a function's cause is JSON with both in it."""
    try:
        said = json.loads(cause)
    except ValueError:
        said = None
    if isinstance(said, dict) and "errorMessage" in said:
        return Failure(error=said.get("errorType") or error, message=str(said["errorMessage"])[:MAX_MESSAGE])
    return Failure(error=error, message=cause[:MAX_MESSAGE] or "Step Functions gives no cause.")


def _last_stage(stages: Mapping[str, str]) -> str | None:
    return max(stages, key=lambda stage: stages[stage], default=None)


def _read_facts(work: ObjectStore, execution: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(work.get(f"jobs/{execution}/tables/facts.json"))
    return facts


def _publish(work: ObjectStore, results: ObjectStore, plan: PlanBrief, summary: bytes) -> None:
    for table in TABLES:
        key = f"{plan.results_prefix}{table}"
        if results.head(key) is None:
            results.create(key, work.get(f"jobs/{plan.execution}/tables/{table}"))
    results.create(f"{plan.results_prefix}summary.json", summary)


def _job_status(
    plan: PlanBrief, end: End, costs: Mapping[str, StageCost], facts: Mapping[str, Any] | None
) -> JobStatus:
    return JobStatus(
        state=end.state,
        job=plan.job,
        dataset=plan.dataset.id,
        name=plan.dataset.name,
        attempt=plan.attempt,
        execution=plan.execution,
        results=plan.results_prefix,
        claimed_at=plan.claimed_at,
        ended_at=end.at,
        **({} if end.failure is None else end.failure.model_dump()),
        stages=dict(costs),
        annotations=facts.get("annotations") if facts is not None else None,
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
