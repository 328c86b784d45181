"""The runs of distributed maps, as the API tells of them while they run and afterwards."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ionfleet_replay.clock import ManualClock

COUNTS = ("pending", "running", "succeeded", "failed", "aborted", "total")
CHILD = {
    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
    "StartAt": "Fine?",
    "States": {
        "Fine?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.seconds", "NumericGreaterThan": 0, "Next": "Wait"}],
            "Default": "Broken",
        },
        "Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True},
        "Broken": {"Type": "Fail", "Error": "Broken", "Cause": "no seconds"},
    },
}


class Mapper:
    """A cloud with a map whose children wait for as many seconds as their items say, or fail where that is none."""

    def __init__(self, stack: Any, start: Any, **fields: Any) -> None:
        each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": CHILD, "Label": "Each", "End": True, **fields}
        stack.machine("Machine", {"StartAt": "Each", "States": {"Each": each}})
        self.clock = ManualClock()
        self.cloud = start(stack, clock=self.clock)
        self.client = self.cloud.client("stepfunctions")

    def begin(self, *seconds: int) -> str:
        data = json.dumps({"items": [{"seconds": each} for each in seconds]})
        answer = self.client.start_execution(stateMachineArn=self.cloud.outputs["Machine"], input=data)
        return answer["executionArn"]

    def advance(self, seconds: float) -> None:
        self.cloud.in_loop(lambda: self.clock.advance(seconds))

    def run(self, execution: str) -> dict[str, Any]:
        (listed,) = self.client.list_map_runs(executionArn=execution)["mapRuns"]
        return self.client.describe_map_run(mapRunArn=listed["mapRunArn"])


def until(look: Any, expected: Any) -> None:
    """Look again until it is as expected, or show what it is."""
    for _ in range(500):
        if look() == expected:
            return
    assert look() == expected


def counts(run: dict[str, Any], of: str = "itemCounts") -> tuple[int, ...]:
    return tuple(run[of][name] for name in COUNTS)


def test_a_run_is_counted_item_by_item(stack, start):
    mapper = Mapper(stack, start, MaxConcurrency=2)
    execution = mapper.begin(10, 20, 30)
    until(lambda: len(mapper.client.list_map_runs(executionArn=execution)["mapRuns"]), 1)
    until(lambda: counts(mapper.run(execution)), (1, 2, 0, 0, 0, 3))
    run = mapper.run(execution)
    assert (run["status"], run["maxConcurrency"], run["redriveCount"]) == ("RUNNING", 2, 0)
    assert "stopDate" not in run
    mapper.advance(10)
    until(lambda: counts(mapper.run(execution)), (0, 2, 1, 0, 0, 3))
    mapper.advance(10)
    until(lambda: counts(mapper.run(execution)), (0, 1, 2, 0, 0, 3))
    mapper.advance(20)
    mapper.cloud.wait_idle(10)
    run = mapper.run(execution)
    assert (run["status"], counts(run)) == ("SUCCEEDED", (0, 0, 3, 0, 0, 3))
    assert (run["stopDate"] - run["startDate"]).total_seconds() == 40


def test_a_run_names_its_execution_and_state_machine(stack, start):
    mapper = Mapper(stack, start)
    execution = mapper.begin()
    mapper.cloud.wait_idle(10)
    (listed,) = mapper.client.list_map_runs(executionArn=execution)["mapRuns"]
    machine = mapper.cloud.outputs["Machine"]
    assert (listed["executionArn"], listed["stateMachineArn"]) == (execution, machine)
    assert listed["mapRunArn"].startswith(machine.replace(":stateMachine:", ":mapRun:") + "/Each:")
    assert mapper.run(execution)["executionArn"] == execution


def test_a_failed_item_fails_the_run_and_ends_what_runs(stack, start):
    mapper = Mapper(stack, start, MaxConcurrency=2)
    execution = mapper.begin(60, 0, 60, 60)
    mapper.cloud.wait_idle(10)
    run = mapper.run(execution)
    assert (run["status"], counts(run)) == ("FAILED", (2, 0, 0, 1, 1, 4))
    assert "stopDate" in run


def test_tolerated_failures_are_counted(stack, start):
    mapper = Mapper(stack, start, ToleratedFailureCount=1, ToleratedFailurePercentage=50)
    execution = mapper.begin(0, 0)
    mapper.cloud.wait_idle(10)
    run = mapper.run(execution)
    assert (run["toleratedFailureCount"], run["toleratedFailurePercentage"]) == (1, 50.0)
    assert (run["status"], run["itemCounts"]["failed"]) == ("FAILED", 2)


def test_a_stopped_execution_aborts_its_run(stack, start):
    mapper = Mapper(stack, start)
    execution = mapper.begin(60)
    until(lambda: len(mapper.client.list_map_runs(executionArn=execution)["mapRuns"]), 1)
    until(lambda: counts(mapper.run(execution)), (0, 1, 0, 0, 0, 1))
    mapper.client.stop_execution(executionArn=execution)
    mapper.cloud.wait_idle(10)
    assert (mapper.run(execution)["status"], counts(mapper.run(execution))) == ("ABORTED", (0, 0, 0, 0, 1, 1))


def test_items_of_a_batch_are_counted_beside_their_children(stack, start):
    child = {**CHILD, "StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}
    mapper = Mapper(stack, start, ItemBatcher={"MaxItemsPerBatch": 2}, ItemProcessor=child)
    execution = mapper.begin(1, 2, 3)
    mapper.cloud.wait_idle(10)
    run = mapper.run(execution)
    assert (run["itemCounts"]["succeeded"], run["executionCounts"]["succeeded"]) == (3, 2)


def test_runs_are_listed_page_by_page_the_latest_first(stack, start):
    each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": CHILD, "ResultPath": None}
    states = {"One": {**each, "Next": "Two"}, "Two": {**each, "End": True}}
    cloud = start(stack.machine("Machine", {"StartAt": "One", "States": states}))
    client = cloud.client("stepfunctions")
    execution = client.start_execution(stateMachineArn=cloud.outputs["Machine"], input='{"items": []}')["executionArn"]
    cloud.wait_idle(10)
    first = client.list_map_runs(executionArn=execution, maxResults=1)
    second = client.list_map_runs(executionArn=execution, maxResults=1, nextToken=first["nextToken"])
    labels = [page["mapRuns"][0]["mapRunArn"].split("/")[1].split(":")[0] for page in (first, second)]
    assert labels == ["Two", "One"]
    assert "nextToken" not in second


@pytest.mark.parametrize(
    ("operation", "parameters", "error"),
    [
        ("describe_map_run", {"mapRunArn": "arn:aws:states:r:1:mapRun:m/l:n"}, "ResourceNotFound"),
        ("list_map_runs", {"executionArn": "arn:aws:states:r:1:execution:m:n"}, "ExecutionDoesNotExist"),
    ],
)
def test_what_is_not_there_is_an_error_of_the_api(stack, start, operation, parameters, error):
    client = Mapper(stack, start).client
    with pytest.raises(ClientError) as refused:
        getattr(client, operation)(**parameters)
    assert refused.value.response["Error"]["Code"] == error


def test_the_executions_of_a_run_are_not_listed(stack, start):
    mapper = Mapper(stack, start)
    execution = mapper.begin()
    mapper.cloud.wait_idle(10)
    with pytest.raises(ClientError, match="does not implement states:ListExecutions of a map run"):
        mapper.client.list_executions(mapRunArn=mapper.run(execution)["mapRunArn"])
