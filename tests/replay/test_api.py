"""The endpoint as ordinary clients see it, and what it refuses rather than answer wrongly."""

from __future__ import annotations

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.sqs.models import sqs_backends

from ionfleet_replay import moto_patches
from ionfleet_replay.account import ADMINISTRATOR, Account
from ionfleet_replay.events import ExecutionStatus

MACHINE = {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}}


def test_an_ordinary_client_with_any_credentials_sees_the_cloud(stack, start):
    cloud = start(stack.bucket("Bucket").queue("Queue").machine("Machine", MACHINE))
    session = boto3.session.Session("anyone", "anything", region_name="us-east-1")
    clients = {name: session.client(name, endpoint_url=cloud.endpoint_url) for name in ("s3", "sqs", "stepfunctions")}
    assert [bucket["Name"] for bucket in clients["s3"].list_buckets()["Buckets"]] == [cloud.outputs["Bucket"]]
    assert clients["sqs"].list_queues()["QueueUrls"] == [cloud.outputs["Queue"]]
    (machine,) = clients["stepfunctions"].list_state_machines()["stateMachines"]
    assert machine["stateMachineArn"] == cloud.outputs["Machine"]
    for client in clients.values():
        client.close()


@pytest.mark.parametrize(
    ("service", "call"),
    [
        ("dynamodb", lambda client: client.list_tables()),
        ("events", lambda client: client.list_rules()),
        ("ec2", lambda client: client.describe_instances()),
        ("stepfunctions", lambda client: client.get_execution_history(executionArn="arn:aws:states:r:1:execution:m:e")),
    ],
)
def test_a_service_or_operation_that_nothing_stands_behind_is_refused(stack, start, service, call):
    cloud = start(stack)
    with pytest.raises(ClientError, match=r"The local cloud (has no service|does not implement)") as refused:
        call(cloud.client(service))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 501


def test_large_objects_and_ranges_come_back_as_they_were_put(stack, start):
    cloud = start(stack.bucket("Bucket", events=False))
    s3, place = cloud.client("s3"), {"Bucket": cloud.outputs["Bucket"], "Key": "big"}
    body = bytes(range(256)) * 4 * 4096
    s3.put_object(**place, Body=body)
    assert s3.get_object(**place)["Body"].read() == body
    assert s3.get_object(**place, Range="bytes=1000000-1000009")["Body"].read() == body[1000000:1000010]


def test_the_users_own_aws_setup_changes_nothing(stack, start, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nregion = nowhere\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "a-profile-that-is-not-there")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    cloud = start(stack.bucket("Bucket"))
    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="k", Body=b"x")
    cloud.wait_idle(5)
    assert cloud.client("s3").get_object(Bucket=cloud.outputs["Bucket"], Key="k")["Body"].read() == b"x"


def test_an_account_knows_whose_credentials_it_issued():
    account = Account()
    issued = {principal: account.credentials(principal) for principal in (ADMINISTRATOR, "role/a", "role/b")}
    assert {account.principal(each.access_key) for each in issued.values()} == set(issued)
    assert account.credentials("role/a") == issued["role/a"]
    assert account.principal("AKIAUNKNOWN") is None


def test_dropping_an_account_forgets_what_moto_has_of_it_and_of_no_other(stack, start):
    stack.queue("Queue")
    one, two = start(stack), start(stack)
    accounts = [cloud.client("sts").get_caller_identity()["Account"] for cloud in (one, two)]
    assert all(account in sqs_backends for account in accounts)
    one.stop()
    assert accounts[0] not in sqs_backends
    assert two.client("sqs").list_queues()["QueueUrls"] == [two.outputs["Queue"]]


def test_messages_are_counted_whether_received_or_not(stack, start):
    cloud = start(stack.queue("Queue"))
    sqs, url = cloud.client("sqs"), cloud.outputs["Queue"]
    account, name = url.split("/")[-2:]
    for body in "ab":
        sqs.send_message(QueueUrl=url, MessageBody=body)
    received = sqs.receive_message(QueueUrl=url)["Messages"][0]
    assert moto_patches.depth(account, "us-east-1", name) == 2
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
    assert moto_patches.depth(account, "us-east-1", name) == 1


def test_an_execution_can_be_recorded_as_ended(stack, start):
    cloud = start(stack.machine("Machine", MACHINE))
    states = cloud.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=cloud.outputs["Machine"], name="e")["executionArn"]
    cloud.wait_idle(5)
    ended = ExecutionStatus(
        arn, cloud.outputs["Machine"], "e", "FAILED", started=0, input="{}", stopped=1e9, error="E", cause="c"
    )
    moto_patches.finish_execution(arn.split(":")[4], "us-east-1", ended)
    described = states.describe_execution(executionArn=arn)
    facts = described["status"], described["error"], described["cause"], described["stopDate"].timestamp()
    assert facts == ("FAILED", "E", "c", 1e9)


def test_the_stack_tells_its_outputs_as_cloudformation_does(stack, start):
    cloud = start(stack.bucket("Bucket", events=False))
    formation = cloud.client("cloudformation")
    (described,) = formation.describe_stacks(StackName="Test")["Stacks"]
    assert {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]} == cloud.outputs
    assert described["StackStatus"] == "CREATE_COMPLETE"
    assert formation.describe_stacks(StackName=described["StackId"])["Stacks"] == [described]
    with pytest.raises(ClientError, match="Stack with id Another does not exist"):
        formation.describe_stacks(StackName="Another")
    with pytest.raises(ClientError, match="does not implement cloudformation:ListStacks"):
        formation.list_stacks()
