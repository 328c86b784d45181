"""A mocked AWS with Ionfleet's buckets, topic and state machine, handlers as Lambda loads them, and their events."""

from __future__ import annotations

import importlib.util
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from ionfleet_aws import clients

from .memory_cloud import DEPLOYMENT

FUNCTIONS = Path(__file__).parents[2] / "functions"
REGION = "eu-central-1"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "INPUT_BUCKET": "lab-input",
    "WORK_BUCKET": "lab-work",
    "RESULTS_BUCKET": "lab-results",
    "BUCKET_OWNER": "123456789012",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "Ionfleet",
    "LOG_GROUPS": json.dumps({"planner": "Lab-PlannerLog", "launcher": "Lab-LauncherLog", "annotate": "/lab/annotate"}),
    "DEPLOYMENT": DEPLOYMENT.model_dump_json(),
}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


@dataclass
class Context:
    """What Lambda tells a handler about its invocation."""

    function_name: str
    memory_limit_in_mb: str = "2048"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        return 60_000

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:123456789012:function:{self.function_name}"


class Cloud:
    """What the template would have made."""

    def __init__(self) -> None:
        for name in ("input", "work", "results"):
            location: Any = {"LocationConstraint": REGION}
            clients.s3().create_bucket(Bucket=f"lab-{name}", CreateBucketConfiguration=location)
        enabled: Any = {"Status": "Enabled"}
        clients.s3().put_bucket_versioning(Bucket="lab-input", VersioningConfiguration=enabled)
        self.input, self.work, self.results = (clients.bucket(f"lab-{name}") for name in ("input", "work", "results"))
        self.topic = clients.topics().create_topic(Name="completion")["TopicArn"]
        self.mailbox = boto3.client("sqs")
        self.mailbox_url = self.mailbox.create_queue(QueueName="mailbox")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:123456789012:mailbox"
        clients.topics().subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        self.state_machine = self._make_state_machine()

    @property
    def environment(self) -> dict[str, str]:
        return {"TOPIC_ARN": self.topic, "STATE_MACHINE_ARN": self.state_machine}

    def executions(self) -> list[tuple[str, Any]]:
        """Return name and input of every execution."""
        listed = clients.states().list_executions(stateMachineArn=self.state_machine)["executions"]
        described = [clients.states().describe_execution(executionArn=each["executionArn"]) for each in listed]
        return [(each["name"], json.loads(each["input"])) for each in described]

    def announcements(self) -> list[Any]:
        """Return what subscribers were told since the last time."""
        received = self.mailbox.receive_message(QueueUrl=self.mailbox_url, MaxNumberOfMessages=10)
        messages = received.get("Messages", [])
        for message in messages:
            self.mailbox.delete_message(QueueUrl=self.mailbox_url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(json.loads(message["Body"])["Message"]) for message in messages]

    def document(self, key: str) -> Any:
        """Return a JSON document of the results bucket."""
        return json.loads(self.results.get(key))

    def _make_state_machine(self) -> str:
        role = boto3.client("iam").create_role(RoleName="states", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        definition = json.dumps({"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}})
        made = clients.states().create_state_machine(name="Ionfleet", definition=definition, roleArn=role)
        return made["stateMachineArn"]


def load_module(name: str) -> Any:
    """Return the module of a function's handler as Lambda loads it."""
    path = FUNCTIONS / name / "handler.py"
    spec = importlib.util.spec_from_file_location(f"handler_of_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_handler(name: str) -> Callable[[Mapping[str, Any]], Any]:
    """Return the handler of a function as Lambda loads it, to be called with an event."""
    module = load_module(name)
    return lambda event: module.handler(event, Context(name))


def object_created(bucket: str, key: str, time: str = "2026-05-04T12:00:00Z") -> dict[str, Any]:
    """Return S3's event about an object as EventBridge delivers it."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Object Created",
        "source": "aws.s3",
        "account": "123456789012",
        "time": time,
        "region": REGION,
        "resources": [f"arn:aws:s3:::{bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": bucket},
            "object": {
                "key": key,
                "size": 5,
                "etag": "b1946ac92492d2347c6235b4d2611184",
                "sequencer": "00617F08299329D189",
            },
            "request-id": "N4N7GDK58NMKJ12R",
            "requester": "123456789012",
            "source-ip-address": "1.2.3.4",
            "reason": "PutObject",
        },
    }


def status_change(execution: str, status: str, state_machine: str, **detail: str) -> dict[str, Any]:
    """Return Step Functions' event about an execution as EventBridge delivers it."""
    arn = state_machine.replace(":stateMachine:", ":execution:") + f":{execution}"
    return {
        "version": "0",
        "id": "315c1398-40ff-a850-213b-158f73e60175",
        "detail-type": "Step Functions Execution Status Change",
        "source": "aws.states",
        "account": "123456789012",
        "time": "2026-05-04T13:00:00Z",
        "region": REGION,
        "resources": [arn],
        "detail": {
            "executionArn": arn,
            "stateMachineArn": state_machine,
            "name": execution,
            "status": status,
            "startDate": 1777896000000,
            "stopDate": 1777899600000,
            "input": "{}",
            "inputDetails": {"included": True},
            "output": None,
            "outputDetails": None,
        }
        | detail,
    }


def records(*bodies: object, queue: str = "uploads") -> dict[str, Any]:
    """Return the event of a batch of messages; bodies that are no text become JSON, ids count from m1."""
    return {"Records": [_record(f"m{number}", body, queue) for number, body in enumerate(bodies, start=1)]}


def failed_messages(answer: Mapping[str, Any]) -> list[str]:
    """Return the ids of the messages that a handler wants to see again."""
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def _record(message: str, body: object, queue: str) -> dict[str, Any]:
    return {
        "messageId": message,
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1777896000000",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1777896000010",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{queue}",
        "awsRegion": REGION,
    }
