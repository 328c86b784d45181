"""What the interpreter does not implement is refused when a definition is loaded, by state and field."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ionfleet_replay.definition import load
from ionfleet_replay.errors import DefinitionError

GOOD: dict[str, Any] = {
    "StartAt": "Map",
    "TimeoutSeconds": 60,
    "States": {
        "Map": {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSONL"},
                "Parameters": {"Bucket": "b", "Key": "k"},
            },
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Task",
                "States": {
                    "Task": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::lambda:invoke",
                        "Parameters": {"FunctionName": "f", "Payload.$": "$"},
                        "Retry": [{"ErrorEquals": ["States.ALL"]}],
                        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
                        "End": True,
                    },
                    "Failed": {"Type": "Fail"},
                },
            },
            "Next": "Choice",
        },
        "Choice": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "Wait"}],
            "Default": "Wait",
        },
        "Wait": {"Type": "Wait", "Seconds": 1, "End": True},
    },
}


def changed(path: str, value: Any) -> str:
    """Return the good definition with one field set; a value of `...` removes it."""
    definition = copy.deepcopy(GOOD)
    place: Any = definition
    *parents, last = path.split("/")
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(definition)


CONFIG = "States/Map/ItemProcessor/ProcessorConfig"
TASK = "States/Map/ItemProcessor/States/Task"


def test_the_good_definition_loads():
    assert load(json.dumps(GOOD)).timeout == 60


@pytest.mark.parametrize(
    ("path", "value", "state", "field"),
    [
        ("QueryLanguage", "JSONata", "(definition)", "QueryLanguage"),
        ("Surprise", 1, "(definition)", "Surprise"),
        ("StartAt", "Nowhere", "(definition)", "StartAt"),
        ("States/Map/Assign", {}, "Map", "Assign"),
        ("States/Map/Parameters", {}, "Map", "Parameters"),
        ("States/Map/ResultWriter", {}, "Map", "ResultWriter"),
        ("States/Map/Next", "Nowhere", "Map", "Next"),
        ("States/Map/Next", ..., "Map", "Next"),
        ("States/Map/ResultPath", "$.a[*]", "Map", "ResultPath"),
        (f"{CONFIG}/Mode", "INLINE", "Map", "ItemProcessor.ProcessorConfig.Mode"),
        (f"{CONFIG}/ExecutionType", "EXPRESS", "Map", "ItemProcessor.ProcessorConfig.ExecutionType"),
        ("States/Map/ItemReader/ReaderConfig/InputType", "CSV", "Map", "ItemReader.ReaderConfig.InputType"),
        ("States/Map/ItemReader/Parameters/Range", "x", "Map", "ItemReader.Parameters.Range"),
        ("States/Map/ItemReader/Resource", "arn:aws:states:::s3:listObjectsV2", "Map", "ItemReader.Resource"),
        (f"{TASK}/HeartbeatSeconds", 5, "Task", "HeartbeatSeconds"),
        (f"{TASK}/Resource", "arn:aws:states:::lambda:invoke.waitForTaskToken", "Task", "Resource"),
        (f"{TASK}/Parameters/FunctionName", ..., "Task", "Parameters.FunctionName"),
        (f"{TASK}/Parameters/FunctionName.$", "$.f", "Task", "Parameters.FunctionName"),
        (f"{TASK}/Parameters", ..., "Task", "Parameters"),
        ("States/Map/ItemReader/Parameters/Key", ..., "Map", "ItemReader.Parameters.Key"),
        (f"{TASK}/Parameters/InvocationType", "DryRun", "Task", "Parameters.InvocationType"),
        (f"{TASK}/Parameters/Payload.$", "States.UUID()", "Task", "Parameters"),
        (f"{TASK}/Parameters/Payload.$", "$..a", "Task", "Parameters"),
        (f"{TASK}/Parameters/Payload.$", "States.Format('{}'", "Task", "Parameters"),
        (f"{TASK}/Retry/0/Surprise", 1, "Task", "Retry[0].Surprise"),
        (f"{TASK}/Retry/0/MaxAttempts", "3", "Task", "Retry[0].MaxAttempts"),
        (f"{TASK}/Catch/0/Next", "Wait", "Task", "Catch"),
        (f"{TASK}/Type", "Activity", "Task", "Type"),
        ("States/Choice/Choices/0/TimestampEquals", "x", "Choice", "Choices[0].TimestampEquals"),
        ("States/Choice/Choices/0/NumericEquals", "1", "Choice", "Choices[0].NumericEquals"),
        ("States/Choice/Default", "Nowhere", "Choice", "Default"),
        ("States/Choice/Retry", [], "Choice", "Retry"),
        ("States/Wait/Seconds", ..., "Wait", "Seconds"),
        ("States/Wait/Timestamp", "2030-01-01T00:00:00Z", "Wait", "Timestamp"),
    ],
)
def test_what_is_wrong_or_not_implemented_is_named(path, value, state, field):
    with pytest.raises(DefinitionError) as refused:
        load(changed(path, value))
    assert (refused.value.state, refused.value.field) == (state, field)
    assert state in str(refused.value)
    assert field in str(refused.value)
