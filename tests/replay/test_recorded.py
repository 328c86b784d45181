"""Events recorded in another account, sent into a local cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ionfleet_replay import RecordingError, RuleMatched, read_recording
from ionfleet_replay.account import Account
from ionfleet_replay.recorded import Localizer, Recorded
from ionfleet_replay.stack import Stack, StateMachine

RECORDED = Path(__file__).resolve().parents[2] / "events"
ECHO = """
    import json
    def handler(event, context):
        print("HEARD", json.dumps(event))
"""


def recording(name: str) -> list[Recorded]:
    return read_recording((RECORDED / f"{name}.json").read_bytes(), name)


@pytest.fixture
def pipeline(stack):
    """A bucket whose events go through a queue to a function, all called as in the recordings."""
    stack.bucket("StorageInputBucket").queue("UploadsQueue").function("Echo", ECHO)
    stack.mapping("Mapping", "UploadsQueue", "Echo")
    names = [{"Ref": "StorageInputBucket"}]
    return stack.rule("Rule", {"source": ["aws.s3"], "detail": {"bucket": {"name": names}}}, "UploadsQueue")


def heard(cloud) -> list[dict]:
    cloud.wait_idle(20)
    lines = [line for log in cloud.folder.glob("logs/Echo/*.log") for line in log.read_text().splitlines()]
    records = [json.loads(line.removeprefix("HEARD "))["Records"] for line in lines if line.startswith("HEARD ")]
    return [json.loads(record["body"]) for batch in records for record in batch]


def test_an_event_goes_through_the_rules_as_if_it_were_of_this_clouds_bucket(pipeline, start):
    cloud = start(pipeline)
    (recorded,) = recording("s3-object-created")
    event = cloud.replay(recorded)
    (received,) = heard(cloud)
    bucket = cloud.outputs["StorageInputBucket"]
    assert received["detail"]["bucket"] == {"name": bucket}
    assert received["resources"] == [f"arn:aws:s3:::{bucket}"]
    assert received["account"] != recorded.event["account"]
    assert received["detail"]["object"] == recorded.event["detail"]["object"]
    assert [matched.event for matched in start.observed(RuleMatched)] == [event] == [recorded.event["id"]]


def test_the_messages_of_a_batch_go_into_their_queue_and_past_the_rules(pipeline, start):
    cloud = start(pipeline)
    (recorded,) = recording("sqs-batch")
    cloud.replay(recorded)
    (received,) = heard(cloud)
    assert received["detail"]["bucket"] == {"name": cloud.outputs["StorageInputBucket"]}
    assert start.observed(RuleMatched) == []


def test_an_event_about_another_stacks_bucket_is_refused_by_its_name(pipeline, start):
    cloud = start(pipeline)
    (recorded,) = recording("s3-object-created")
    recorded.event["detail"]["bucket"]["name"] = "somebody-elses-bucket"
    with pytest.raises(RecordingError, match=r"somebody-elses-bucket.*cloud has.*storageinputbucket"):
        cloud.replay(recorded)


def test_an_executions_end_is_about_this_clouds_state_machine():
    account = Account()
    stack = Stack(account, "Mine", {})
    stack.machines.append(StateMachine("Machine", account.arn("states", "stateMachine:Mine"), "Mine", "role", "{}"))
    (recorded,) = recording("stepfunctions-status-change")
    detail = Localizer(account, stack).localize(recorded).event["detail"]
    assert detail["stateMachineArn"] == account.arn("states", "stateMachine:Mine")
    assert detail["executionArn"] == account.arn("states", "execution:Mine:job-0123456789abcdef0123")
    assert detail["input"] == recorded.event["detail"]["input"]


def test_objects_written_in_silence_raise_no_event(pipeline, start):
    cloud = start(pipeline)
    with cloud.silence():
        cloud.client("s3").put_object(Bucket=cloud.outputs["StorageInputBucket"], Key="before", Body=b"")
    cloud.client("s3").put_object(Bucket=cloud.outputs["StorageInputBucket"], Key="after", Body=b"")
    assert [event["detail"]["object"]["key"] for event in heard(cloud)] == ["after"]


@pytest.mark.parametrize("data", [b"nonsense", b"[]", b"{}", b'{"Records": [{"body": "{}"}]}', b'{"source": "a"}'])
def test_what_is_no_recording_is_refused_with_its_file(data: bytes):
    with pytest.raises(RecordingError, match=r"^x\.json is no event"):
        read_recording(data, "x.json")
