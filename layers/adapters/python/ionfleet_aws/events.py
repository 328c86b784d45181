"""The events of queues, of EventBridge, and of the state machine's end, as models: Powertools' where it has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from aws_lambda_powertools.utilities.parser.models import (
    EventBridgeModel,
    S3EventNotificationEventBridgeModel,
    SqsRecordModel,
)
from pydantic import BaseModel, Json, ValidationError

from ionfleet.jobs import STATE_MACHINE
from ionfleet.stages.status import Outcome
from ionfleet_aws.handlers import parse_event


class ObjectCreatedRecord(SqsRecordModel):
    """A message of the uploads or the manifests queue: an event of S3 as EventBridge delivers it."""

    body: Json[S3EventNotificationEventBridgeModel]

    @property
    def key(self) -> str:
        """Key of the object; EventBridge gives it as it is, unlike S3's own notifications, which encode it for URLs."""
        return self.body.detail.object.key


class DeadLetterRecord(SqsRecordModel):
    """A message of a dead-letter queue: its body may be anything."""

    body: str

    @property
    def queue(self) -> str:
        """Name of the dead-letter queue."""
        return self.eventSourceARN.rpartition(":")[2]

    @property
    def event(self) -> S3EventNotificationEventBridgeModel | None:
        """The event of S3 in the body, None where it is something else."""
        try:
            return S3EventNotificationEventBridgeModel.model_validate_json(self.body)
        except ValidationError:
            return None

    @property
    def end(self) -> tuple[str, Outcome] | None:
        """The execution that ended, by the event in the body, and how; None where it is something else."""
        try:
            return _end_of(ExecutionStatusChange.model_validate_json(self.body))
        except ValidationError:
            return None

    @property
    def entry(self) -> StageEntered | None:
        """The news of a stage in the body, None where it is something else."""
        try:
            return StageEntered.model_validate_json(self.body)
        except ValidationError:
            return None


class StepError(BaseModel):
    """What a Catch of the state machine knows; fields are named as there."""

    Error: str
    Cause: str = ""


class JobEnded(BaseModel):
    """What the state machine tells the status function: when `stages` were entered, and when some were `over`."""

    execution: str
    outcome: Literal["SUCCEEDED", "FAILED"]
    stages: dict[str, str] = {}
    over: dict[str, str] = {}
    error: StepError | None = None


class StageEntered(BaseModel):
    """What the state machine tells the status function on its way: which stage it entered, and when."""

    execution: str
    stage: str
    entered: str


class ExecutionDetail(BaseModel):
    """What Step Functions says about an execution that ended otherwise than by its last state."""

    name: str
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"]
    error: str | None = None
    cause: str | None = None


class ExecutionStatusChange(EventBridgeModel):
    """EventBridge's *Step Functions Execution Status Change*."""

    detail: ExecutionDetail


def read_end(event: dict[str, Any]) -> tuple[str, Outcome]:
    """Return the execution that ended, by the state machine's word or by EventBridge's, and how.

    Raises
    ------
    InvalidInputError
        The event is neither.

    """
    if "detail" in event:
        return _end_of(parse_event(event, ExecutionStatusChange))
    ended = parse_event(event, JobEnded)
    said = ended.error.model_dump() if ended.error is not None else {}
    now = datetime.now(UTC)
    return ended.execution, Outcome(ended.outcome, STATE_MACHINE, now, ended.stages, said, ended.over)


def _end_of(change: ExecutionStatusChange) -> tuple[str, Outcome]:
    detail = change.detail
    error = {"Error": detail.error or "", "Cause": detail.cause or ""}
    return detail.name, Outcome(detail.status, by=change.id, at=change.time, error=error)
