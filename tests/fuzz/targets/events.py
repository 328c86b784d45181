"""What queues, EventBridge, the state machine and its manifests hand to a function."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ionfleet.errors import InvalidInputError
from ionfleet.plan import IsotopeTask, RenderTask, SegmentTask, SortTask
from ionfleet_aws.events import DeadLetterRecord, ObjectCreatedRecord, StageEntered, read_end
from ionfleet_aws.handlers import StageTask, bind, parse_event

from ..invariants import assert_named

RECORDED = Path(__file__).parents[3] / "events"
TASKS = (SortTask, IsotopeTask, SegmentTask, RenderTask, StageTask, StageEntered)
WORDS = (
    b'"Records"', b'"body"', b'"messageId"', b'"detail"', b'"detail-type"', b'"object"', b'"bucket"', b'"key"',
    b'"name"',
    b'"execution"', b'"outcome"', b'"FAILED"', b'"SUCCEEDED"', b'"stages"', b'"error"', b'"Error"', b'"Cause"',
    b'"time"',
    b'"plan"', b'"stage"', b'"task"', b'"first"', b'"stop"', b"null", b"-1", b"1e9", b'"0001-01-01T00:00:00+14:00"',
    b'"\\ud800"', b"{", b"}", b"[", b"]", b'"job-00000000000000000000"', b"NaN",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return the recorded events, and what the state machine sends."""
    job = "job-0123456789abcdef0123"
    task = {"execution": job, "plan": f"manifests/{job}/plan.json", "stage": "sort", "task": 0}
    ended = {"execution": job, "outcome": "FAILED", "stages": {"sort": "2026-05-04T12:00:00Z"}, "over": {}}
    sent = {
        "sort": task | {"first": 0, "stop": 3},
        "isotopes": task | {"chunk": 1},
        "annotate": task | {"ions": 5, "peaks": 7},
        "entered": {"execution": job, "stage": "sort", "entered": "2026-05-04T12:00:00Z"},
        "ended": ended | {"error": {"Error": "States.Timeout", "Cause": "long"}},
        "letter": {"body": "no event", "messageId": "m", "eventSourceARN": "arn:aws:sqs:eu-west-1:1:dead"},
    }
    recorded = {file.stem: file.read_bytes() for file in sorted(RECORDED.glob("*.json"))}
    return recorded | {name: json.dumps(event).encode() for name, event in sent.items()}


def check(data: bytes) -> None:
    """Take JSON for an event of every function; a queue's records that are none are for Powertools to send back."""
    try:
        event = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(event, dict):
        return
    for record in _records(event):
        _check_record(record)
    try:
        execution, outcome = read_end(event)
    except InvalidInputError as error:
        assert_named(error)
    else:
        assert outcome.state in {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}
        assert isinstance(execution, str)
    for model in TASKS:
        try:
            task = parse_event(event, model)
            bind(task.execution)
        except InvalidInputError as error:
            assert_named(error)


def _records(event: dict[str, Any]) -> list[Any]:
    records = event.get("Records")
    return [event, *(records if isinstance(records, list) else [])]


def _check_record(record: Any) -> None:
    with contextlib.suppress(ValidationError):
        assert isinstance(ObjectCreatedRecord.model_validate(record).key, str)
    try:
        letter = DeadLetterRecord.model_validate(record)
    except ValidationError:
        return
    assert isinstance(letter.queue, str)
    assert letter.event is None or isinstance(letter.event.detail.object.key, str)
    assert letter.end is None or letter.end[1].state in {"FAILED", "ABORTED", "TIMED_OUT"}
    assert letter.entry is None or isinstance(letter.entry.stage, str)
