"""The events of queues, of EventBridge, and of the state machine's end, as models: Powertools' where it has them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from aws_lambda_powertools.utilities.parser.models import (
    EventBridgeModel,
    S3EventNotificationEventBridgeModel,
    SqsRecordModel,
)
from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError


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


class StepError(BaseModel):
    """What a Catch of the state machine knows; fields are named as there."""

    Error: str
    Cause: str = ""


class JobEnded(BaseModel):
    """What the state machine tells the status function: `stages` are the times at which they were entered."""

    model_config = ConfigDict(frozen=True)

    execution: str
    outcome: Literal["SUCCEEDED", "FAILED"]
    stages: dict[str, str] = {}
    error: StepError | None = None


class ExecutionDetail(BaseModel):
    """What Step Functions says about an execution that ended otherwise than by itself."""

    name: str
    status: Literal["FAILED", "TIMED_OUT", "ABORTED"]
    error: str | None = None
    cause: str | None = None


class ExecutionStatusChange(EventBridgeModel):
    """EventBridge's *Step Functions Execution Status Change*."""

    detail: ExecutionDetail
    time: datetime = Field(description="When the execution ended.")
