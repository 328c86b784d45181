"""Time in the cloud: advanced by hand in tests, and skipped where nothing else keeps it waiting."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from ionfleet_replay import DeadLetter, ExecutionEnded, StateExited
from ionfleet_replay.clock import ManualClock, SkippingClock, within


def run(work):
    """Run a coroutine function with a list to write to, and return the list."""
    log = []

    async def main():
        await work(log)

    asyncio.run(main())
    return log


def test_a_manual_clock_wakes_in_the_order_of_moments():
    clock = ManualClock(start=0.0)

    async def sleeper(log, seconds):
        await clock.sleep(seconds)
        log.append((seconds, clock.now()))

    async def work(log):
        tasks = [asyncio.create_task(sleeper(log, seconds)) for seconds in (30, 10, 20)]
        await asyncio.sleep(0)
        assert clock.waiting() == [10, 20, 30]
        clock.advance(25)
        await asyncio.gather(*tasks[1:])
        assert clock.waiting() == [5]
        clock.advance(5)
        await tasks[0]

    assert run(work) == [(10, 25.0), (20, 25.0), (30, 30.0)]


def test_a_skipping_clock_wakes_by_itself_and_can_be_put_forward():
    clock = SkippingClock()

    async def work(log):
        await clock.sleep(0.01)
        began = clock.now()
        hour, day = (asyncio.create_task(clock.sleep(seconds)) for seconds in (3600, 86400))
        await asyncio.sleep(0)
        clock.skip()
        await hour
        log.append(3600 <= clock.now() - began < 4000)
        assert not day.done()
        clock.skip()
        await day
        log.append(86400 <= clock.now() - began < 87000)
        clock.skip()  # nobody waits: nothing changes
        log.append(clock.now() - began < 87000)

    assert run(work) == [True, True, True]


def test_who_gives_up_waiting_is_not_waited_for():
    clock = SkippingClock()

    async def work(log):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(clock.sleep(3600), 0.01)
        began = clock.now()
        other = asyncio.create_task(clock.sleep(60))
        await asyncio.sleep(0)
        clock.skip()
        await other
        log.append(clock.now() - began < 100)

    assert run(work) == [True]


def test_a_limit_counts_from_when_the_work_has_begun():
    clock = ManualClock(start=0.0)

    async def work(log):
        begun, never = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(within(clock, 60, never.wait(), since=begun))
        for _ in range(3):
            await asyncio.sleep(0)
        clock.advance(1000)
        begun.set()
        while not clock.waiting():
            await asyncio.sleep(0)
        log.append(clock.waiting())
        clock.advance(60)
        with pytest.raises(TimeoutError, match="60 s"):
            await task

    assert run(work) == [[60]]


def test_a_cloud_skips_an_hour_that_a_message_is_hidden_for(stack, start):
    stack.queue("Dead").queue(
        "Queue",
        VisibilityTimeout=3600,
        RedrivePolicy={"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 3},
    )
    stack.function("Bad", "def handler(event, context): raise ValueError").mapping("Mapping", "Queue", "Bad")
    cloud = start(stack)
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["Queue"], MessageBody="x")
    cloud.wait_idle(30)
    assert [invocation.outcome for invocation in cloud.invocations()] == ["ValueError"] * 3
    assert [dead.body for dead in start.observed(DeadLetter)] == ["x"]


def test_a_cloud_does_not_skip_while_a_handler_is_at_work(stack, start):
    source = """
        import time
        def handler(event, context):
            time.sleep(1)
    """
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": {"FunctionName": "${Nap}"}}
    wait = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 7200, "End": True}}}
    work = {"StartAt": "Work", "States": {"Work": {**call, "TimeoutSeconds": 60, "End": True}}}
    both = {"Type": "Parallel", "Branches": [wait, work], "ResultPath": None, "End": True}
    stack.function("Nap", source).machine("Machine", {"StartAt": "Both", "States": {"Both": both}}, Nap={"Ref": "Nap"})
    cloud = start(stack)
    began = time.time()
    states = cloud.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=cloud.outputs["Machine"], input="{}")["executionArn"]
    cloud.wait_idle(30)
    assert [exited.state for exited in start.observed(StateExited)] == ["Work", "Wait", "Both"]
    assert start.observed(ExecutionEnded)[0].status == "SUCCEEDED"
    described = states.describe_execution(executionArn=arn)
    assert json.loads(described["output"]) == {}
    assert described["stopDate"].timestamp() - began >= 7200


def test_what_is_skipped_is_not_written_down():
    async def skip() -> tuple[float, float]:
        clock = SkippingClock()
        sleeper = asyncio.ensure_future(clock.sleep(7200))
        await asyncio.sleep(0)
        clock.skip()
        await sleeper
        return clock.now() - time.time(), clock.stamp() - time.time()

    ahead, written = asyncio.run(skip())
    assert ahead > 7000
    assert abs(written) < 60
