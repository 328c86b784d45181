"""The interpreter on its own: no cloud, a clock advanced by hand, services made of functions."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from ionfleet_replay.clock import ManualClock
from ionfleet_replay.definition import load
from ionfleet_replay.observations import MapProgress, StateEntered
from ionfleet_replay.paths import StateError
from ionfleet_replay.states import PAYLOAD_LIMIT, Interpreter, Scope

CONTEXT = {
    "Execution": {"Id": "arn:aws:states:r:1:execution:m:job", "Name": "job", "Input": {}, "StartTime": "now"},
    "StateMachine": {"Id": "arn:aws:states:r:1:stateMachine:m", "Name": "m"},
}
INVOKE = "arn:aws:states:::lambda:invoke"


class Services:
    """Task states call `work` with their payload; item readers find `objects`."""

    def __init__(self, work: Callable[[Any], Any], objects: dict[str, bytes] | None = None) -> None:
        self.calls: list[Any] = []
        self.queue: Callable[[], Any] = lambda: asyncio.sleep(0)
        self._work = work
        self._objects = objects or {}

    async def call(self, integration: str, parameters: Any, begun: Callable[[], None]) -> Any:
        assert integration == "lambda:invoke"
        self.calls.append(parameters["Payload"])
        await self.queue()
        begun()
        result = self._work(parameters["Payload"])
        return {"Payload": await result if asyncio.iscoroutine(result) else result}

    async def read(self, bucket: str, key: str) -> bytes:
        return self._objects[f"{bucket}/{key}"]


class Run:
    """Runs one definition to its end, moving the clock forward whenever everything waits."""

    def __init__(self, work: Callable[[Any], Any] = lambda payload: payload, **options: Any) -> None:
        self.clock = ManualClock()
        self.services = Services(work, options.get("objects"))
        self.slept: list[float] = []
        self.seen: list[Any] = []
        seeded = random.Random(options.get("seed", 1))
        self._interpreter = Interpreter(self.clock, self.services, self.seen.append, options.get("width"), seeded)

    def __call__(self, definition: Any, data: Any = None) -> Any:
        return asyncio.run(self._run(definition, {} if data is None else data))

    async def _run(self, definition: Any, data: Any) -> Any:
        machine = load(json.dumps(definition))
        task = asyncio.create_task(self._interpreter.run(machine, data, Scope(CONTEXT, reported_as="job")))
        while not task.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if not task.done() and (waiting := self.clock.waiting()):
                self.slept.append(round(waiting[0], 6))
                self.clock.advance(waiting[0])
        return await task


def machine(start: str, **states: Any) -> dict[str, Any]:
    return {"StartAt": start, "States": states}


def task(payload: Any = "$", **fields: Any) -> dict[str, Any]:
    parameters = (
        {"FunctionName": "f", "Payload.$": payload}
        if isinstance(payload, str)
        else {"FunctionName": "f", "Payload": payload}
    )
    ending = {} if "Next" in fields else {"End": True}
    return {"Type": "Task", "Resource": INVOKE, "Parameters": parameters, **ending, **fields}


def failing(*errors: str) -> Callable[[Any], Any]:
    """Fail with each error in turn, then succeed."""
    left = list(errors)

    def work(payload: Any) -> Any:
        if left:
            raise StateError(left.pop(0), "because")
        return payload

    return work


def test_paths_select_what_a_task_gets_and_where_its_result_goes():
    definition = machine(
        "T",
        T=task(
            {"n.$": "$.n", "fixed": [1, {"name.$": "$$.Execution.Name"}]},
            InputPath="$.in",
            ResultSelector={"got.$": "$.Payload"},
            ResultPath="$.out.first",
        ),
    )
    run = Run()
    assert run(definition, {"in": {"n": 5}, "keep": 1}) == {
        "in": {"n": 5},
        "keep": 1,
        "out": {"first": {"got": {"n": 5, "fixed": [1, {"name": "job"}]}}},
    }


def test_a_null_result_path_discards_the_result_and_an_output_path_selects():
    assert Run()(machine("T", T=task(ResultPath=None)), {"a": 1}) == {"a": 1}
    assert Run()(machine("T", T=task(OutputPath="$.Payload.a")), {"a": 1}) == 1


def test_a_pass_gives_its_result_its_parameters_or_its_input():
    states = {
        "A": {"Type": "Pass", "Parameters": {"t.$": "$$.State.Name"}, "ResultPath": "$.stages", "Next": "B"},
        "B": {"Type": "Pass", "Result": {"x": 1}, "ResultPath": "$.result", "Next": "C"},
        "C": {"Type": "Pass", "InputPath": "$$.Execution.Name", "ResultPath": "$.name", "End": True},
    }
    assert Run()(machine("A", **states), {"in": 0}) == {
        "in": 0,
        "stages": {"t": "A"},
        "result": {"x": 1},
        "name": "job",
    }


def test_intrinsic_functions_format_and_convert():
    parameters = {
        "key.$": "States.Format('failures/{}/{}-{}.json', $.job, 'it\\'s', $.task)",
        "text.$": "States.JsonToString($.job)",
        "value.$": "States.StringToJson('[1, 2]')",
    }
    result = Run()(machine("P", P={"Type": "Pass", "Parameters": parameters, "End": True}), {"job": "j", "task": 7})
    assert result == {"key": "failures/j/it's-7.json", "text": '"j"', "value": [1, 2]}


@pytest.mark.parametrize(
    ("data", "target"),
    [
        ({"n": 3}, "Some"),
        ({"n": 0}, "None"),
        ({"n": "3"}, "None"),
        ({"name": "x"}, "Named"),
        ({"n": 1, "off": True}, "None"),
    ],
)
def test_a_choice_takes_the_first_rule_that_holds(data, target):
    some = {"And": [{"Variable": "$.n", "IsPresent": True}, {"Variable": "$.n", "NumericGreaterThan": 0}]}
    off = {"And": [{"Variable": "$.off", "IsPresent": True}, {"Variable": "$.off", "BooleanEquals": True}]}
    named = {"Variable": "$.name", "IsPresent": True}
    choices = [{**off, "Next": "None"}, {**some, "Next": "Some"}, {**named, "Next": "Named"}]
    ends = {name: {"Type": "Pass", "Result": name, "End": True} for name in ("Some", "None", "Named")}
    definition = machine("C", C={"Type": "Choice", "Choices": choices, "Default": "None"}, **ends)
    assert Run()(definition, data) == target


def test_a_choice_without_a_rule_that_holds_fails():
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.n", "NumericEquals": 1, "Next": "End"}]}
    with pytest.raises(StateError, match=r"States\.NoChoiceMatched"):
        Run()(machine("C", C=choice, End={"Type": "Succeed"}), {"n": 2})


def test_a_wait_waits_on_the_clock():
    run = Run()
    run(machine("W", W={"Type": "Wait", "SecondsPath": "$.s", "End": True}), {"s": 90})
    assert run.slept == [90]


def test_a_wait_for_what_is_no_number_of_seconds_fails():
    with pytest.raises(StateError, match=r"States\.Runtime"):
        Run()(machine("W", W={"Type": "Wait", "SecondsPath": "$.s", "End": True}), {"s": "soon"})


def test_a_fail_ends_with_the_error_and_cause_that_its_paths_lead_to():
    fail = {"Type": "Fail", "ErrorPath": "$.e", "CausePath": "$.c"}
    with pytest.raises(StateError) as failed:
        Run()(machine("F", F=fail), {"e": "OutOfBudgetError", "c": "too much"})
    assert (failed.value.error, failed.value.cause) == ("OutOfBudgetError", "too much")


def test_a_retry_waits_longer_each_time_up_to_its_cap_and_then_gives_up():
    retry = {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "BackoffRate": 3, "MaxAttempts": 4, "MaxDelaySeconds": 20}
    run = Run(failing(*["Busy"] * 5))
    with pytest.raises(StateError, match="Busy"):
        run(machine("T", T=task(Retry=[retry])))
    assert run.slept == [2, 6, 18, 20]
    assert len(run.services.calls) == 5


def test_full_jitter_waits_a_random_part_of_each_interval():
    retry = {"ErrorEquals": ["Busy"], "IntervalSeconds": 2, "MaxAttempts": 3, "JitterStrategy": "FULL"}
    first, again, other = (Run(failing("Busy", "Busy", "Busy"), seed=seed) for seed in (1, 1, 2))
    for run in (first, again, other):
        run(machine("T", T=task(Retry=[retry])))
    assert all(0 <= waited <= longest for waited, longest in zip(first.slept, (2, 4, 8), strict=True))
    assert first.slept == again.slept
    assert first.slept != other.slept


def test_each_retrier_counts_its_own_attempts():
    retries = [{"ErrorEquals": ["A"], "MaxAttempts": 1}, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 2}]
    assert Run(failing("A", "B", "B"))(machine("T", T=task(Retry=retries, OutputPath="$.Payload")), 1) == 1
    with pytest.raises(StateError, match="A: because"):
        Run(failing("A", "B", "A"))(machine("T", T=task(Retry=retries)))


def test_a_catch_takes_the_error_where_its_result_path_says():
    catch = [
        {"ErrorEquals": ["Other"], "Next": "Never"},
        {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "End"},
    ]
    states = {"T": task(Catch=catch), "Never": {"Type": "Fail"}, "End": {"Type": "Succeed"}}
    result = Run(failing("Broken"))(machine("T", **states), {"a": 1})
    assert result == {"a": 1, "error": {"Error": "Broken", "Cause": "because"}}


@pytest.mark.parametrize(
    ("error", "names", "caught"),
    [
        ("Custom", ["States.ALL"], True),
        ("Custom", ["States.TaskFailed"], True),
        ("States.Timeout", ["States.TaskFailed"], False),
        ("States.Timeout", ["States.ALL"], True),
        ("States.DataLimitExceeded", ["States.ALL"], False),
        ("States.DataLimitExceeded", ["States.DataLimitExceeded"], True),
        ("States.Runtime", ["States.ALL", "States.Runtime"], False),
    ],
)
def test_error_names_mean_what_they_mean_on_aws(error, names, caught):
    catch = [{"ErrorEquals": names, "Next": "End"}]
    definition = machine("T", T=task(Catch=catch), End={"Type": "Pass", "Result": "caught", "End": True})
    if caught:
        assert Run(failing(error))(definition) == "caught"
    else:
        with pytest.raises(StateError, match=error):
            Run(failing(error))(definition)


def test_a_task_that_takes_too_long_times_out_and_its_late_answer_is_ignored():
    run = Run(lambda _: asyncio.sleep(3600))
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "End"}]
    states = {"T": task(TimeoutSeconds=60, Catch=catch), "End": {"Type": "Pass", "Result": "late", "End": True}}
    assert run(machine("T", **states)) == "late"
    assert run.slept == [60]


def test_the_time_that_a_task_waits_for_a_place_does_not_count():
    run = Run()
    run.services.queue = lambda: run.clock.sleep(500)
    assert run(machine("T", T=task(TimeoutSeconds=60, OutputPath="$.Payload")), {"n": 1}) == {"n": 1}
    assert run.slept == [500]


def test_branches_run_side_by_side_and_give_their_outputs_in_order():
    branches = [
        machine("W", W={"Type": "Wait", "Seconds": s, "Next": "P"}, P={"Type": "Pass", "Result": s, "End": True})
        for s in (30, 10)
    ]
    run = Run()
    assert run(machine("P", P={"Type": "Parallel", "Branches": branches, "End": True})) == [30, 10]
    assert run.slept == [10, 20]


def test_a_failed_branch_fails_the_parallel_with_its_error_and_ends_the_others():
    slow = machine("W", W={"Type": "Wait", "Seconds": 50, "Next": "T"}, T=task())
    bad = machine("F", F={"Type": "Fail", "Error": "Bad", "Cause": "c"})
    catch = [{"ErrorEquals": ["Bad"], "Next": "End"}]
    states = {
        "P": {"Type": "Parallel", "Branches": [slow, bad], "Catch": catch, "End": True},
        "End": {"Type": "Succeed"},
    }
    run = Run()
    assert run(machine("P", **states)) == {"Error": "Bad", "Cause": "c"}
    assert run.services.calls == []
    assert run.slept == []


def distributed(processor: Any, **fields: Any) -> dict[str, Any]:
    config = {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}}
    reader = {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket": "b", "Key.$": "$.manifest"},
    }
    return {"Type": "Map", "ItemReader": reader, "ItemProcessor": {**config, **processor}, "End": True, **fields}


def lines(*items: Any) -> dict[str, bytes]:
    return {"b/items.jsonl": "".join(json.dumps(item) + "\n" for item in items).encode()}


ITEMS = {"manifest": "items.jsonl"}
EACH = machine("T", T=task(OutputPath="$.Payload"))


def test_a_distributed_map_reads_json_lines_and_keeps_their_order():
    run = Run(lambda item: item["n"] * 10, objects=lines({"n": 1}, {"n": 2}, {"n": 3}))
    assert run(machine("M", M=distributed(EACH)), ITEMS) == [10, 20, 30]


def test_an_item_selector_sees_index_value_and_the_maps_input():
    selector = {"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value.n", "from.$": "$.manifest"}
    run = Run(objects=lines({"n": 7}, {"n": 8}))
    run(machine("M", M=distributed(EACH, ItemSelector=selector)), ITEMS)
    assert run.services.calls == [{"i": 0, "v": 7, "from": "items.jsonl"}, {"i": 1, "v": 8, "from": "items.jsonl"}]


def test_a_batcher_gives_children_several_items_and_what_they_share():
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"from.$": "$.manifest"}}
    run = Run(objects=lines(1, 2, 3))
    run(machine("M", M=distributed(EACH, ItemBatcher=batcher)), ITEMS)
    shared = {"from": "items.jsonl"}
    assert run.services.calls == [{"BatchInput": shared, "Items": [1, 2]}, {"BatchInput": shared, "Items": [3]}]


def test_no_more_children_run_at_once_than_max_concurrency_says():
    running, most = 0, 0

    async def work(item: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item

    Run(work, objects=lines(*range(20)))(machine("M", M=distributed(EACH, MaxConcurrency=3)), ITEMS)
    assert most == 3


def test_what_max_concurrency_is_may_be_said_by_the_input():
    run = Run(objects=lines(1, 2))
    assert len(run(machine("M", M=distributed(EACH, MaxConcurrencyPath="$.width")), {**ITEMS, "width": 1})) == 2
    with pytest.raises(StateError, match=r"The concurrency of 'M' is 'wide', which is no count\."):
        run(machine("M", M=distributed(EACH, MaxConcurrencyPath="$.width")), {**ITEMS, "width": "wide"})


def test_no_more_children_run_at_once_than_the_machine_can_use():
    running, most = 0, 0

    async def work(item: Any) -> Any:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item

    run = Run(work, objects=lines(*range(20)), width=4)
    assert run(machine("M", M=distributed(EACH, MaxConcurrency=400)), ITEMS) == list(range(20))
    assert most == 4


def test_a_map_of_no_items_gives_no_results():
    assert Run(objects=lines())(machine("M", M=distributed(EACH)), ITEMS) == []


def test_a_line_may_hold_any_character_that_json_allows():
    text = '"a\u2028b\x85c"\n'.encode()
    assert Run(objects={"b/items.jsonl": text})(machine("M", M=distributed(EACH)), ITEMS) == ["a\u2028b\x85c"]


def test_children_are_executions_of_their_own():
    see = {"name.$": "$$.Execution.Name", "id.$": "$$.Execution.Id", "input.$": "$$.Execution.Input"}
    child = machine("P", P={"Type": "Pass", "Parameters": see, "End": True})
    (result,) = Run(objects=lines({"n": 1}))(machine("M", M=distributed(child, Label="Items")), ITEMS)
    assert result["input"] == {"n": 1}
    assert result["id"].startswith("arn:aws:states:r:1:execution:m/Items:")
    assert result["id"].endswith(result["name"])


def test_a_failed_item_fails_its_map_and_what_has_not_begun_never_does():
    def work(item: int) -> int:
        if item == 3:
            raise StateError("Broken", "item 3")
        return item

    run = Run(work, objects=lines(*range(100)))
    with pytest.raises(StateError) as failed:
        run(machine("M", M=distributed(EACH, MaxConcurrency=2)), ITEMS)
    assert failed.value.error == "States.ExceedToleratedFailureThreshold"
    assert "Broken" in failed.value.cause
    assert len(run.services.calls) < 10


@pytest.mark.parametrize(
    ("tolerated", "fails"), [({"ToleratedFailureCount": 1}, False), ({"ToleratedFailurePercentage": 40}, True)]
)
def test_tolerated_failures_are_left_out_of_the_result(tolerated, fails):
    def work(item: int) -> int:
        if item == 0:
            raise StateError("Broken", "")
        return item

    definition = machine("M", M=distributed(EACH, **tolerated))
    run = Run(work, objects=lines(0, 1))
    if fails:
        with pytest.raises(StateError, match="Threshold"):
            run(definition, ITEMS)
    else:
        assert run(definition, ITEMS) == [1]


def test_an_item_is_retried_within_its_child():
    retried = machine("T", T=task(OutputPath="$.Payload", Retry=[{"ErrorEquals": ["Busy"]}]))
    assert Run(failing("Busy"), objects=lines(1, 2))(machine("M", M=distributed(retried)), ITEMS) == [1, 2]


def test_a_manifest_that_is_not_json_lines_fails_the_item_reader():
    with pytest.raises(StateError, match=r"States\.ItemReaderFailed"):
        Run(objects={"b/items.jsonl": b"{]"})(machine("M", M=distributed(EACH)), ITEMS)


def test_ten_thousand_items_need_no_recursion():
    run = Run(lambda _: {}, objects=lines(*range(10_000)))
    run(machine("M", M=distributed(EACH, MaxConcurrency=400, ResultPath=None)), ITEMS)
    assert len(run.services.calls) == 10_000


@pytest.mark.parametrize("size", [0, 1])
def test_a_state_may_give_256_kib_and_not_a_byte_more(size):
    text = "x" * (PAYLOAD_LIMIT - len('{"Payload":""}') + size)
    run = Run(lambda _: text)
    definition = machine("T", T=task(ResultSelector={}))
    if size == 0:
        assert run(definition) == {}
    else:
        with pytest.raises(StateError, match=r"States\.DataLimitExceeded.*'T'"):
            run(definition)


def test_the_limit_counts_bytes_of_utf_8():
    text = "é" * (PAYLOAD_LIMIT // 2)
    with pytest.raises(StateError, match=r"States\.DataLimitExceeded"):
        Run()(machine("P", P={"Type": "Pass", "Result": text, "End": True}))


def test_a_path_that_leads_nowhere_fails_and_cannot_be_caught():
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "End"}]
    with pytest.raises(StateError, match=r"States\.Runtime.*\$\.absent"):
        Run()(machine("T", T=task("$.absent", Catch=catch), End={"Type": "Succeed"}))


def test_states_and_maps_are_observed_but_not_the_states_of_children():
    run = Run(objects=lines(1, 2))
    run(machine("A", A={"Type": "Pass", "Next": "M"}, M=distributed(EACH)), ITEMS)
    assert [seen.state for seen in run.seen if isinstance(seen, StateEntered)] == ["A", "M"]
    progress = [(seen.total, seen.done, seen.failed) for seen in run.seen if isinstance(seen, MapProgress)]
    assert progress == [(2, 0, 0), (2, 1, 0), (2, 2, 0)]
