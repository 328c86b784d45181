"""The shapes in `events/` are AWS's: Powertools' models read them, and the runtime makes the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from aws_lambda_powertools.utilities.parser.models import (
    EventBridgeModel,
    S3EventNotificationEventBridgeModel,
    SqsModel,
)

from ionfleet_replay.account import Account
from ionfleet_replay.events import ExecutionStatus, execution_status_changed, object_created
from ionfleet_replay.hooks import Written

RECORDED = Path(__file__).resolve().parents[2] / "events"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text())


def shape(value: Any) -> Any:
    """Return the names and types of an event, without its values; null fits any type."""
    if isinstance(value, dict):
        return {name: shape(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [shape(entry) for entry in value]
    return type(value).__name__


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("s3-object-created", S3EventNotificationEventBridgeModel),
        ("stepfunctions-status-change", EventBridgeModel),
        ("sqs-batch", SqsModel),
    ],
)
def test_powertools_models_read_the_recorded_events(name, model):
    model.model_validate(recorded(name))


def test_powertools_reads_the_event_within_a_message():
    (record,) = recorded("sqs-batch")["Records"]
    inner = S3EventNotificationEventBridgeModel.model_validate_json(record["body"])
    assert inner.detail.object.key == "datasets/brain/section 1.imzML"


def test_the_runtimes_object_events_have_the_recorded_shape():
    written = Written("bucket", "datasets/x.imzML", 7, "etag", "version", "CompleteMultipartUpload")
    made = object_created(Account(), written, 1_773_480_413.0)
    assert shape(made) == shape(recorded("s3-object-created"))
    assert made["time"] == "2026-03-14T09:26:53Z"
    S3EventNotificationEventBridgeModel.model_validate(made)


def test_the_runtimes_status_events_have_the_recorded_shape():
    arn = "arn:aws:states:r:1:execution:m:e"
    status = ExecutionStatus(arn, "m", "e", "ABORTED", 1.0, "{}", stopped=2.0, error="Stopped", cause="by hand")
    made = execution_status_changed(Account(), status, 3.0)
    assert shape(made) == shape(recorded("stepfunctions-status-change"))
