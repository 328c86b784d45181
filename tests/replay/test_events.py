"""Events of objects: one for each completed write, in their real shape, delivered or accounted for."""

from __future__ import annotations

import json
import threading

import pytest

from ionfleet_replay import DeadLetter, EventLost
from ionfleet_replay.clock import ManualClock

CREATED = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
PART = b"x" * (5 * 2**20)


@pytest.fixture
def inbox(stack, start):
    """Two buckets, one of which sends its events to a queue that nobody reads."""
    stack.bucket("Bucket").bucket("Silent", events=False).queue("Inbox").rule("Rule", CREATED, "Inbox")
    return start(stack)


def delivered(cloud, queue="Inbox"):
    """Take every message out of the queue."""
    cloud.wait_idle(10)
    sqs, bodies = cloud.client("sqs"), []
    while messages := sqs.receive_message(QueueUrl=cloud.outputs[queue], MaxNumberOfMessages=10).get("Messages"):
        bodies += [json.loads(message["Body"]) for message in messages]
    return bodies


def test_a_put_emits_one_event_in_the_real_shape(inbox):
    bucket = inbox.outputs["Bucket"]
    etag = inbox.client("s3").put_object(Bucket=bucket, Key="a b/ü.imzML", Body=b"12345")["ETag"].strip('"')
    (event,) = delivered(inbox)
    assert {name: event[name] for name in ("version", "detail-type", "source", "region", "resources")} == {
        "version": "0",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "region": "us-east-1",
        "resources": [f"arn:aws:s3:::{bucket}"],
    }
    detail = event["detail"]
    assert detail["bucket"] == {"name": bucket}
    assert detail["reason"] == "PutObject"
    assert {name: detail["object"][name] for name in ("key", "size", "etag")} == {
        "key": "a b/ü.imzML",
        "size": 5,
        "etag": etag,
    }
    assert "version-id" not in detail["object"]


def test_a_multipart_upload_emits_one_event_when_it_is_complete_even_if_completed_twice(inbox):
    s3, place = inbox.client("s3"), {"Bucket": inbox.outputs["Bucket"], "Key": "big"}
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in ((1, PART), (2, b"end"))
    ]
    for _ in range(2):
        done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    (event,) = delivered(inbox)
    assert event["detail"]["reason"] == "CompleteMultipartUpload"
    assert event["detail"]["object"]["size"] == len(PART) + 3
    assert event["detail"]["object"]["etag"] == done["ETag"].strip('"')


def test_a_copy_emits_one_event_of_the_copy(inbox):
    s3 = inbox.client("s3")
    s3.put_object(Bucket=inbox.outputs["Silent"], Key="from", Body=b"123")
    s3.copy_object(Bucket=inbox.outputs["Bucket"], Key="to", CopySource=f"{inbox.outputs['Silent']}/from")
    (event,) = delivered(inbox)
    assert (event["detail"]["reason"], event["detail"]["object"]["key"]) == ("CopyObject", "to")
    assert event["detail"]["object"]["size"] == 3


def test_what_writes_no_object_emits_nothing(inbox):
    s3, place = inbox.client("s3"), {"Bucket": inbox.outputs["Bucket"], "Key": "k"}
    s3.put_object(Bucket=inbox.outputs["Silent"], Key="k", Body=b"")
    with pytest.raises(s3.exceptions.ClientError):
        s3.copy_object(**place, CopySource=f"{inbox.outputs['Silent']}/missing")
    upload = s3.create_multipart_upload(**place)["UploadId"]
    s3.upload_part(**place, UploadId=upload, PartNumber=1, Body=PART)
    s3.abort_multipart_upload(**place, UploadId=upload)
    s3.delete_object(**place)
    assert delivered(inbox) == []


def test_sequencers_of_a_key_grow_and_ids_differ(inbox):
    for body in (b"1", b"2", b"3"):
        inbox.client("s3").put_object(Bucket=inbox.outputs["Bucket"], Key="k", Body=body)
    events = sorted(delivered(inbox), key=lambda event: event["detail"]["object"]["sequencer"])
    assert len({event["id"] for event in events}) == 3
    assert len({event["detail"]["object"]["etag"] for event in events}) == 3


def test_events_of_a_versioned_bucket_name_the_version(stack, start):
    stack.bucket("Bucket", VersioningConfiguration={"Status": "Enabled"}).queue("Inbox").rule("Rule", CREATED, "Inbox")
    cloud = start(stack)
    put = [cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"")["VersionId"] for _ in "12"]
    assert sorted(event["detail"]["object"]["version-id"] for event in delivered(cloud)) == sorted(put)


@pytest.mark.parametrize("replacing", [False, True], ids=["If-None-Match", "If-Match"])
def test_of_twenty_conditional_writers_one_wins_and_the_others_get_412(inbox, replacing):
    s3, bucket, outcomes = inbox.client("s3"), inbox.outputs["Bucket"], []
    condition = {"IfNoneMatch": "*"}
    if replacing:
        condition = {"IfMatch": s3.put_object(Bucket=bucket, Key="claim", Body=b"first")["ETag"]}
    together = threading.Barrier(20)

    def write(number):
        together.wait()
        try:
            s3.put_object(Bucket=bucket, Key="claim", Body=str(number).encode(), **condition)
            outcomes.append(number)
        except s3.exceptions.ClientError as problem:
            outcomes.append(problem.response["ResponseMetadata"]["HTTPStatusCode"])

    writers = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    (winner,) = [outcome for outcome in outcomes if outcome != 412]
    assert s3.get_object(Bucket=bucket, Key="claim")["Body"].read() == str(winner).encode()
    assert len(delivered(inbox)) == 1 + replacing


def test_every_target_of_every_matching_rule_gets_the_event(stack, start):
    stack.bucket("Bucket").queue("One").queue("Two").rule("Both", CREATED, "One", "Two").rule("Again", CREATED, "One")
    stack.rule("Never", {"source": ["aws.other"]}, "Two")
    cloud = start(stack)
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"")
    assert [len(delivered(cloud, queue)) for queue in ("One", "Two")] == [2, 1]


def waits_of(cloud, clock, observed):
    """Advance the clock until something is observed; return how long every wait was."""
    waits = []
    for _ in range(2000):
        cloud.in_loop(lambda: None)
        if observed():
            return waits
        waiting = []
        cloud.in_loop(lambda waiting=waiting: waiting.extend(clock.waiting()))
        if waiting:
            waits.append(waiting[0])
            cloud.in_loop(lambda waiting=waiting: clock.advance(waiting[0]))
        threading.Event().wait(0.005)
    raise AssertionError("nothing was observed")


def test_a_target_that_fails_is_retried_and_then_goes_to_its_dead_letter_queue(stack, start):
    stack.bucket("Bucket").queue("Gone").queue("Dead")
    retry = {"MaximumRetryAttempts": 3}
    dead = {"Arn": {"Fn::GetAtt": ["Dead", "Arn"]}}
    stack.rule("Rule", CREATED, "Gone", RetryPolicy=retry, DeadLetterConfig=dead)
    clock = ManualClock()
    cloud = start(stack, clock=clock)
    cloud.client("sqs").delete_queue(QueueUrl=cloud.outputs["Gone"])
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"")
    assert waits_of(cloud, clock, lambda: start.observed(DeadLetter)) == [1, 2, 4]
    sqs = cloud.client("sqs")
    (message,) = sqs.receive_message(QueueUrl=cloud.outputs["Dead"], MessageAttributeNames=["All"])["Messages"]
    assert json.loads(message["Body"])["detail"]["object"]["key"] == "k"
    facts = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert facts["RETRY_ATTEMPTS"] == "3"
    assert facts["EXHAUSTED_RETRY_CONDITION"] == "MaximumRetryAttempts"
    assert facts["ERROR_CODE"].endswith("NonExistentQueue")
    assert facts["TARGET_ARN"].endswith(cloud.outputs["Gone"].rpartition("/")[2])


def test_an_event_that_nothing_can_take_is_observed_as_lost(stack, start):
    stack.bucket("Bucket").queue("Gone").rule("Rule", CREATED, "Gone", RetryPolicy={"MaximumRetryAttempts": 0})
    cloud = start(stack)
    cloud.client("sqs").delete_queue(QueueUrl=cloud.outputs["Gone"])
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"")
    cloud.wait_idle(5)
    (lost,) = start.observed(EventLost)
    assert lost.target.endswith(cloud.outputs["Gone"].rpartition("/")[2])
    assert json.loads(lost.event)["detail"]["object"]["key"] == "k"


FUNCTION = """
    import boto3, os
    def handler(event, context):
        key = event["detail"]["object"]["key"]
        if key.startswith("bad"):
            raise ValueError(key)
        boto3.client("s3").put_object(Bucket=os.environ["OUT"], Key=key, Body=event["id"].encode())
"""


def test_a_function_as_a_target_gets_the_event_itself(stack, start):
    stack.bucket("Bucket").bucket("Out", events=False).function("Function", FUNCTION, {"OUT": {"Ref": "Out"}})
    stack.rule("Rule", CREATED, "Function")
    cloud = start(stack)
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="good", Body=b"")
    cloud.wait_idle(10)
    assert cloud.client("s3").head_object(Bucket=cloud.outputs["Out"], Key="good")["ContentLength"] == 36


def test_a_function_that_fails_on_an_event_is_tried_twice_more_before_its_dead_letter_queue_gets_it(stack, start):
    stack.bucket("Bucket").queue("Dead")
    dead = {"TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}
    stack.function("Function", FUNCTION, {"OUT": ""}, DeadLetterConfig=dead).rule("Rule", CREATED, "Function")
    clock = ManualClock()
    cloud = start(stack, clock=clock)
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="bad", Body=b"")
    assert waits_of(cloud, clock, lambda: start.observed(DeadLetter)) == [60, 120]
    assert [invocation.outcome for invocation in cloud.invocations()] == ["ValueError"] * 3
    (event,) = delivered(cloud, "Dead")
    assert event["detail"]["object"]["key"] == "bad"


def test_the_events_retries_are_the_functions_own(stack, start):
    stack.bucket("Bucket").function("Function", FUNCTION, {"OUT": ""}).rule("Rule", CREATED, "Function")
    stack.add(
        "Config",
        "AWS::Lambda::EventInvokeConfig",
        FunctionName={"Ref": "Function"},
        MaximumRetryAttempts=0,
        Qualifier="$LATEST",
    )
    cloud = start(stack)
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="bad", Body=b"")
    cloud.wait_idle(5)
    (lost,) = start.observed(EventLost)
    assert "ValueError: bad" in lost.reason
