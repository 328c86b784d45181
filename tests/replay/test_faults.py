"""Faults from a seed: what strikes, whom it strikes, and what callers make of it."""

from __future__ import annotations

import threading
from collections import Counter

import boto3
import pytest
from botocore.config import Config

from ionfleet_replay import DeadLetter, FaultInjected, Faults, InvocationError
from ionfleet_replay.clock import ManualClock
from ionfleet_replay.faults import RATES, Kind, weather

WRITER = """
    import os, boto3
    from botocore.config import Config

    def handler(event, context):
        s3 = boto3.client("s3", config=Config(retries={"total_max_attempts": event.get("attempts", 1)}))
        place = {"Bucket": os.environ["BUCKET"], "Key": event["key"]}
        if event.get("read"):
            return s3.get_object(**place)["Body"].read().decode()
        s3.put_object(**place, Body=b"data", **event.get("options", {}))
        return "written"
"""
COUNTER = """
    import os, boto3

    def handler(event, context):
        records = event["Records"] if "Records" in event else [{"messageId": event["id"]}]
        for record in records:
            key = f"{record['messageId']}/{context.aws_request_id}"
            boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key=key, Body=b"")
"""
CREATED = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": {"object": {"key": [{"prefix": "in/"}]}}}


@pytest.fixture
def writer(stack):
    stack.bucket("Bucket", events=False)
    return stack.function("Writer", WRITER, {"BUCKET": {"Ref": "Bucket"}})


@pytest.fixture
def counter(stack):
    """A stack whose function leaves an object for each time that it handles something of the queue."""
    stack.bucket("Bucket").queue("Queue", VisibilityTimeout=60)
    stack.function("Counter", COUNTER, {"BUCKET": {"Ref": "Bucket"}})
    return stack.mapping("Mapping", "Queue", "Counter", BatchSize=1)


def always(*kinds: Kind) -> Faults:
    return Faults(1, dict.fromkeys(kinds, 1.0))


def keys(cloud) -> list[str]:
    return [
        entry["Key"] for entry in cloud.client("s3").list_objects_v2(Bucket=cloud.outputs["Bucket"]).get("Contents", [])
    ]


def test_a_seed_decides_the_same_for_the_same_calls_in_whatever_order_they_come():
    names = [f"call {number}" for number in range(200)] * 3
    one, other = Faults(7, {Kind.LATENCY: 0.2}), Faults(7, {Kind.LATENCY: 0.2})
    struck = Counter((name, one.strike(Kind.LATENCY, name)) for name in names)
    assert struck == Counter((name, other.strike(Kind.LATENCY, name)) for name in reversed(names))
    assert struck != Counter((name, Faults(8, {Kind.LATENCY: 0.2}).strike(Kind.LATENCY, name)) for name in names)


def test_faults_strike_as_often_as_their_rate_says_and_are_told_of():
    faults, told = Faults(3, {Kind.LATENCY: 0.3}), []
    faults.tell(told.append)
    struck = [faults.strike(Kind.LATENCY, "call") for _ in range(5000)]
    hits = [number for number in struck if number is not None]
    assert 1300 < len(hits) < 1700
    assert 0.45 < sum(hits) / len(hits) < 0.55
    assert told == [FaultInjected("latency", "call")] * len(hits)


def test_threads_get_every_decision_once():
    faults, struck = Faults(3, {Kind.LATENCY: 0.5}), []
    threads = [
        threading.Thread(target=lambda: struck.extend(faults.strike(Kind.LATENCY, "call") for _ in range(500)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = Faults(3, {Kind.LATENCY: 0.5})
    assert Counter(struck) == Counter(alone.strike(Kind.LATENCY, "call") for _ in range(2000))


def test_seeds_have_weather_of_their_own():
    days = [weather(seed) for seed in range(200)]
    for kind, rate in RATES.items():
        strengths = Counter(round(day[kind] / rate, 6) for day in days)
        assert len(strengths) == 3, kind
        assert strengths[0.0] > 20, kind
    assert weather(5) == weather(5) != weather(6)


def test_nothing_strikes_unless_it_is_asked_for(writer, start):
    cloud = start(writer)
    assert cloud.invoke("Writer", {"key": "a"}) == "written"
    assert start.observed(FaultInjected) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [(Kind.SLOW_DOWN, "SlowDown"), (Kind.INTERNAL_ERROR, "InternalError")],
)
def test_s3_refuses_a_call_before_it_takes_effect(writer, start, kind, code):
    cloud = start(writer, faults=always(kind))
    with pytest.raises(InvocationError, match=code):
        cloud.invoke("Writer", {"key": "a"})
    assert keys(cloud) == []


def test_only_conditional_writes_meet_a_conflict(writer, start):
    cloud = start(writer, faults=always(Kind.CONFLICT))
    assert cloud.invoke("Writer", {"key": "a"}) == "written"
    with pytest.raises(InvocationError, match="ConditionalRequestConflict"):
        cloud.invoke("Writer", {"key": "b", "options": {"IfNoneMatch": "*"}})
    assert keys(cloud) == ["a"]


def test_a_dropped_connection_leaves_nothing_and_a_lost_answer_leaves_the_object(writer, start):
    cloud = start(writer, faults=always(Kind.CONNECTION_DROPPED))
    with pytest.raises(InvocationError, match="Connection"):
        cloud.invoke("Writer", {"key": "a"})
    assert keys(cloud) == []
    cloud = start(writer, faults=always(Kind.WRITE_UNANSWERED))
    with pytest.raises(InvocationError, match="Connection"):
        cloud.invoke("Writer", {"key": "a"})
    assert keys(cloud) == ["a"]


def test_a_retry_after_a_lost_answer_finds_the_object_there(writer, start):
    seed = next(seed for seed in range(100) if lost_once(seed))
    cloud = start(writer, faults=Faults(seed, {Kind.WRITE_UNANSWERED: 0.5}))
    with pytest.raises(InvocationError, match="PreconditionFailed"):
        cloud.invoke("Writer", {"key": "a", "attempts": 3, "options": {"IfNoneMatch": "*"}})
    assert keys(cloud) == ["a"]


def lost_once(seed: int) -> bool:
    """Tell whether a seed loses the first answer of a write."""
    return Faults(seed, {Kind.WRITE_UNANSWERED: 0.5}).strike(Kind.WRITE_UNANSWERED, "s3 PutObject a") is not None


def test_a_download_breaks_off_in_the_middle(writer, start):
    cloud = start(writer, faults=always(Kind.DOWNLOAD_BROKEN))
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="a", Body=b"x" * 1000)
    with pytest.raises(InvocationError, match="500 bytes read"):
        cloud.invoke("Writer", {"key": "a", "read": True})


def test_the_callers_outside_are_never_struck(writer, start):
    cloud = start(writer, faults=always(*Kind))
    s3 = cloud.client("s3")
    s3.put_object(Bucket=cloud.outputs["Bucket"], Key="a", Body=b"data", IfNoneMatch="*")
    stranger = boto3.client(
        "s3", endpoint_url=cloud.endpoint_url, region_name="us-east-1",
        aws_access_key_id="mine", aws_secret_access_key="secret", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    for client in (s3, stranger):
        assert client.get_object(Bucket=cloud.outputs["Bucket"], Key="a")["Body"].read() == b"data"
    assert start.observed(FaultInjected) == []


def test_a_worker_is_killed_before_or_after_a_call_takes_effect(writer, start):
    cloud = start(writer, faults=always(Kind.WORKER_KILLED))
    for number in range(12):
        with pytest.raises(InvocationError, match="signal: killed") as killed:
            cloud.invoke("Writer", {"key": f"{number}", "attempts": 3})
        assert killed.value.error["errorType"] == "Runtime.ExitError"
    assert 0 < len(keys(cloud)) < 12
    assert len(start.observed(FaultInjected)) == 12


@pytest.mark.parametrize("kind", [Kind.CALL_FAILED, Kind.CALL_THROTTLED, Kind.CALL_UNANSWERED])
def test_a_queue_has_its_message_handled_however_often_lambda_fails(counter, start, kind):
    seed = next(seed for seed in range(100) if Faults(seed, {kind: 0.5}).strike(kind, "Counter") is not None)
    cloud = start(counter, faults=Faults(seed, {kind: 0.5}))
    send(cloud)
    cloud.wait_idle(60)
    struck = len(start.observed(FaultInjected))
    assert struck >= 1
    assert len(keys(cloud)) == (struck + 1 if kind == Kind.CALL_UNANSWERED else 1)


def test_a_message_is_delivered_twice_at_once_and_leaves_the_queue(counter, start):
    cloud = start(counter, faults=always(Kind.MESSAGE_DUPLICATED))
    send(cloud)
    cloud.wait_idle(60)
    one, two = (key.split("/") for key in keys(cloud))
    assert one[0] == two[0]
    assert one[1] != two[1]


def test_a_message_that_is_not_deleted_comes_again_until_it_is_a_dead_letter(counter, start):
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2}
    counter.queue("Dead").queue("Queue", VisibilityTimeout=60, RedrivePolicy=redrive)
    cloud = start(counter, faults=always(Kind.MESSAGE_KEPT))
    send(cloud)
    cloud.wait_idle(60)
    assert len(keys(cloud)) == 2
    assert len(start.observed(DeadLetter)) == 1


def send(cloud) -> None:
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["Queue"], MessageBody="{}")


def test_events_come_twice_and_late_on_the_clouds_clock(counter, start):
    clock = ManualClock()
    counter.rule("Rule", CREATED, "Queue")
    cloud = start(counter, clock=clock, faults=always(Kind.EVENT_DELAYED, Kind.EVENT_DUPLICATED))
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="in/a", Body=b"")
    with pytest.raises(TimeoutError, match="event"):
        cloud.wait_idle(0.5)
    assert keys(cloud) == ["in/a"]
    cloud.in_loop(lambda: clock.advance(900))
    cloud.wait_idle(60)
    assert len(keys(cloud)) == 3


def test_a_throttled_service_gets_its_call_again(counter, start):
    seed = next(seed for seed in range(100) if throttled_twice(seed))
    counter.rule("Rule", CREATED, "Queue")
    cloud = start(counter, faults=Faults(seed, {Kind.THROTTLED: 0.8}))
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="in/a", Body=b"")
    cloud.wait_idle(60)
    assert len(start.observed(FaultInjected)) >= 2
    assert len(keys(cloud)) == 2


def throttled_twice(seed: int) -> bool:
    faults = Faults(seed, {Kind.THROTTLED: 0.8})
    return all(faults.strike(Kind.THROTTLED, "sqs SendMessage Test-Queue*") is not None for _ in range(2))
