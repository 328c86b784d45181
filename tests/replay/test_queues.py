"""Queues as event sources: batches, partial failures, visibility, redrive, concurrency."""

from __future__ import annotations

import asyncio
import json
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from ionfleet_replay import DeadLetter
from ionfleet_replay.account import Account
from ionfleet_replay.clock import ManualClock, SkippingClock
from ionfleet_replay.functions import Answer
from ionfleet_replay.queues import failed_messages

RECORDER = """
    import json, os, time, boto3

    def handler(event, context):
        failed = []
        for record in event["Records"]:
            body = json.loads(record["body"])
            if body.get("do") == "fail":
                failed.append({"itemIdentifier": record["messageId"]})
        if any(json.loads(record["body"]).get("do") == "raise" for record in event["Records"]):
            raise RuntimeError("all of them")
        time.sleep(float(os.environ["SLEEP"]))
        return {"batchItemFailures": failed, "seen": event}
"""


def send(cloud, *bodies, queue="Queue"):
    entries = [{"Id": str(index), "MessageBody": json.dumps(body)} for index, body in enumerate(bodies)]
    cloud.client("sqs").send_message_batch(QueueUrl=cloud.outputs[queue], Entries=entries)


def depth(cloud, queue="Queue"):
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    attributes = cloud.client("sqs").get_queue_attributes(QueueUrl=cloud.outputs[queue], AttributeNames=names)
    return tuple(int(attributes["Attributes"][name]) for name in names)


def until(condition, within=10.0):
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_a_client_that_polls_long_gets_a_message_as_soon_as_it_is_sent(stack, start):
    cloud = start(stack.queue("Queue"))
    sqs, url = cloud.client("sqs"), cloud.outputs["Queue"]
    assert "Messages" not in sqs.receive_message(QueueUrl=url)
    with ThreadPoolExecutor(1) as pool:
        polled = pool.submit(sqs.receive_message, QueueUrl=url, WaitTimeSeconds=20)
        # A poll that kept the queue to itself would keep the sender out as well.
        sqs.send_message(QueueUrl=url, MessageBody="news")
        assert not wait([polled], timeout=15).not_done
    assert [message["Body"] for message in polled.result()["Messages"]] == ["news"]


@pytest.fixture
def recorder(stack):
    """A stack with a queue, a dead-letter queue after two receives, and a function on it."""
    stack.queue("Dead")
    redrive = {"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2}
    stack.queue("Queue", VisibilityTimeout=30, RedrivePolicy=redrive)
    stack.function("Recorder", RECORDER, {"SLEEP": "0"}, Timeout=5)
    return stack.mapping("Mapping", "Queue", "Recorder", FunctionResponseTypes=["ReportBatchItemFailures"])


def test_a_message_is_deleted_once_the_function_has_succeeded(recorder, start):
    cloud = start(recorder)
    send(cloud, {"n": 1})
    cloud.wait_idle(10)
    assert depth(cloud) == (0, 0)
    assert [invocation.outcome for invocation in cloud.invocations()] == ["ok"]


def test_a_batch_has_at_most_the_batch_size(recorder, start):
    recorder.resources["Mapping"]["Properties"]["BatchSize"] = 3
    cloud = start(recorder)
    send(cloud, *({"n": number} for number in range(7)))
    cloud.wait_idle(10)
    assert len(cloud.invocations()) >= 3
    assert depth(cloud) == (0, 0)


def test_only_the_messages_reported_as_failed_come_back(recorder, start):
    clock = ManualClock()
    cloud = start(recorder, clock=clock)
    send(cloud, {"n": 1}, {"do": "fail"}, {"n": 2})
    until(lambda: depth(cloud) == (0, 1))
    before = len(cloud.invocations())
    cloud.in_loop(lambda: clock.advance(29))
    assert depth(cloud) == (0, 1)
    cloud.in_loop(lambda: clock.advance(1))
    until(lambda: len(cloud.invocations()) == before + 1)


HIDER = """
    import json, os, boto3

    def handler(event, context):
        sqs, url = boto3.client("sqs"), os.environ["URL"]
        for record in event["Records"]:
            handle = record["receiptHandle"]
            for seconds in (500, int(record["attributes"]["ApproximateReceiveCount"]) * 4):
                sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=seconds)
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in event["Records"]]}
"""


def test_a_failed_message_comes_back_when_its_function_said_last(stack, start):
    stack.queue("Queue", VisibilityTimeout=3000).function("Hider", HIDER, {"URL": {"Ref": "Queue"}})
    stack.mapping("Mapping", "Queue", "Hider", FunctionResponseTypes=["ReportBatchItemFailures"])
    clock = ManualClock()
    cloud = start(stack, clock=clock)
    send(cloud, {"n": 1})
    for receives in (1, 2, 3):
        until(lambda receives=receives: clock.waiting() == [receives * 4])
        assert len(cloud.invocations()) == receives
        cloud.in_loop(lambda receives=receives: clock.advance(receives * 4))


def test_a_message_whose_function_died_comes_back_when_it_had_said_before(stack, start):
    dying = HIDER.replace("return", "os._exit(1)\n        return").replace("(500, ", "(7,) or (")
    stack.queue("Queue", VisibilityTimeout=3000).function("Hider", dying, {"URL": {"Ref": "Queue"}})
    stack.mapping("Mapping", "Queue", "Hider")
    clock = ManualClock()
    cloud = start(stack, clock=clock)
    send(cloud, {"n": 1})
    until(lambda: clock.waiting() == [7])
    assert [each.outcome for each in cloud.invocations()] == ["Runtime.ExitError"]


def test_an_error_brings_the_whole_batch_back(recorder, start):
    recorder.resources["Mapping"]["Properties"]["BatchSize"] = 10
    clock = ManualClock()
    cloud = start(recorder, clock=clock)
    send(cloud, {"n": 1}, {"do": "raise"})
    until(lambda: len(cloud.invocations()) == 1)
    assert cloud.invocations()[0].outcome == "RuntimeError"
    assert depth(cloud) == (0, 2)
    with pytest.raises(TimeoutError, match="2 × message in Test-Queue"):
        cloud.wait_idle(0.1)


def test_a_message_received_too_often_goes_to_the_dead_letter_queue(recorder, start):
    clock = ManualClock()
    cloud = start(recorder, clock=clock)
    send(cloud, {"do": "fail"})
    for attempt in (1, 2):
        until(lambda attempt=attempt: len(cloud.invocations()) == attempt and clock.waiting() == [30])
        cloud.in_loop(lambda: clock.advance(30))
    until(lambda: start.observed(DeadLetter))
    cloud.wait_idle(5)
    assert depth(cloud, "Dead") == (1, 0)
    (dead,) = start.observed(DeadLetter)
    assert dead.queue == cloud.outputs["Dead"].rpartition("/")[2]
    assert json.loads(dead.body) == {"do": "fail"}


def test_a_cloud_is_not_idle_before_it_has_told_of_a_dead_letter(recorder, start, monkeypatch):
    call = Account.call

    async def slow(account, service, principal, operation, **parameters):
        answer = await call(account, service, principal, operation, **parameters)
        if operation == "receive_message":
            await asyncio.sleep(0.3)
        return answer

    monkeypatch.setattr(Account, "call", slow)
    cloud = start(recorder, clock=SkippingClock())
    send(cloud, {"do": "fail"})
    cloud.wait_idle(20)
    assert len(cloud.invocations()) == 2
    assert [json.loads(dead.body) for dead in start.observed(DeadLetter)] == [{"do": "fail"}]


def test_a_dead_letter_queue_can_feed_a_function_too(recorder, start):
    recorder.function("Undertaker", RECORDER, {"SLEEP": "0"}, Timeout=5).mapping("DeadMapping", "Dead", "Undertaker")
    clock = ManualClock()
    cloud = start(recorder, clock=clock)
    send(cloud, {"do": "fail"})
    for attempt in (1, 2):
        until(lambda attempt=attempt: len(cloud.invocations()) == attempt and clock.waiting() == [30])
        cloud.in_loop(lambda: clock.advance(30))
    until(lambda: cloud.invocations()[-1].function == "Undertaker")
    cloud.wait_idle(5)


def test_no_more_batches_run_at_once_than_the_mapping_says(recorder, start):
    recorder.resources["Mapping"]["Properties"] |= {"BatchSize": 1, "ScalingConfig": {"MaximumConcurrency": 2}}
    recorder.resources["Recorder"]["Properties"]["Environment"]["Variables"]["SLEEP"] = "0.2"
    cloud = start(recorder, workers=4)
    send(cloud, *({"n": number} for number in range(6)))
    cloud.wait_idle(20)
    spans = [(each.started, each.started + each.duration) for each in cloud.invocations()]
    assert len(spans) == 6
    assert max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans) == 2


def test_a_throttled_batch_is_tried_again_and_loses_nothing(recorder, start):
    recorder.resources["Mapping"]["Properties"]["BatchSize"] = 1
    recorder.resources["Recorder"]["Properties"]["ReservedConcurrentExecutions"] = 1
    recorder.resources["Recorder"]["Properties"]["Environment"]["Variables"]["SLEEP"] = "0.2"
    cloud = start(recorder, workers=4)
    send(cloud, {"n": 1}, {"n": 2}, {"n": 3})
    cloud.wait_idle(20)
    assert depth(cloud) == (0, 0)
    assert [each.outcome for each in cloud.invocations()] == ["ok"] * 3


def test_a_batching_window_gathers_messages(recorder, start):
    recorder.resources["Mapping"]["Properties"] |= {"BatchSize": 20, "MaximumBatchingWindowInSeconds": 60}
    clock = ManualClock()
    cloud = start(recorder, clock=clock)
    send(cloud, {"n": 1})
    until(lambda: clock.waiting() == [60])
    send(cloud, *({"n": number} for number in range(8)))
    cloud.in_loop(lambda: clock.advance(60))
    cloud.wait_idle(10)
    assert len(cloud.invocations()) == 1


def test_a_message_reaches_the_function_in_the_shape_of_an_sqs_event(stack, start):
    source = """
        import json, os, boto3
        def handler(event, context):
            boto3.client("s3").put_object(Bucket=os.environ["OUT"], Key="event", Body=json.dumps(event).encode())
    """
    stack.bucket("Out", events=False).queue("Queue").function("Keep", source, {"OUT": {"Ref": "Out"}}, Timeout=20)
    cloud = start(stack.mapping("Mapping", "Queue", "Keep"))
    attributes = {"CODE": {"DataType": "String", "StringValue": "x"}}
    cloud.client("sqs").send_message(QueueUrl=cloud.outputs["Queue"], MessageBody="hello", MessageAttributes=attributes)
    cloud.wait_idle(10)
    event = json.loads(cloud.client("s3").get_object(Bucket=cloud.outputs["Out"], Key="event")["Body"].read())
    (record,) = event["Records"]
    assert record["body"] == "hello"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"].endswith(":" + cloud.outputs["Queue"].rpartition("/")[2])
    assert record["messageAttributes"]["CODE"]["stringValue"] == "x"
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert set(record) == {
        "messageId", "receiptHandle", "body", "attributes", "messageAttributes", "md5OfBody", "eventSource",
        "eventSourceARN", "awsRegion",
    }  # fmt: skip


def test_a_message_is_handed_over_when_it_is_sent_not_at_the_next_poll(recorder, start, monkeypatch):
    monkeypatch.setattr("ionfleet_replay.queues.FALLBACK_POLL", 3600.0)
    cloud = start(recorder)
    for number in range(3):
        send(cloud, {"n": number})
        until(lambda number=number: len(cloud.invocations()) == number + 1)


MESSAGES = [{"MessageId": "a"}, {"MessageId": "b"}]


@pytest.mark.parametrize(
    ("payload", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": "stranger"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"wrong": "b"}]}, {"a", "b"}),
        ({"other": 1}, {"a", "b"}),
        ("text", {"a", "b"}),
    ],
)
def test_a_report_of_failures_that_is_not_in_order_fails_the_whole_batch(payload, failed):
    assert failed_messages(Answer(payload, None, "1"), MESSAGES, partial=True) == failed


def test_without_partial_failures_any_answer_is_a_success_and_any_error_a_failure():
    report = {"batchItemFailures": [{"itemIdentifier": "b"}]}
    assert failed_messages(Answer(report, None, "1"), MESSAGES, partial=False) == set()
    assert failed_messages(Answer(None, {"errorType": "E"}, "1"), MESSAGES, partial=True) == {"a", "b"}
