"""The buckets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Template

BUCKETS = ("StorageInputBucket", "StorageWorkBucket", "StorageResultsBucket")


def expirations(bucket: dict[str, Any]) -> dict[str, int]:
    """Return after how many days what begins with a prefix expires."""
    rules = bucket["LifecycleConfiguration"]["Rules"]
    return {rule.get("Prefix", ""): rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}


def test_the_work_bucket_lets_go_of_everything_in_time(template: Template) -> None:
    assert expirations(template["StorageWorkBucket"]) == {
        "jobs/": 30,
        "manifests/": 30,
        "failures/": 30,
        "telemetry/": 30,
        "dead-letters/": 30,
        "datasets/": 30,
        "runs/": 30,
        "isotopes/": 180,
        "claims/": 120,
        "ended/": 120,
    }


def test_attempts_are_remembered_longer_than_execution_names_are_taken(template: Template) -> None:
    days = expirations(template["StorageWorkBucket"])
    assert min(days["claims/"], days["ended/"]) > 90


def test_uploads_and_results_never_expire(template: Template) -> None:
    assert expirations(template["StorageInputBucket"]) == {}
    assert expirations(template["StorageResultsBucket"]) == {}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_unfinished_uploads_are_dropped_after_a_day(template: Template, bucket: str) -> None:
    rules = template[bucket]["LifecycleConfiguration"]["Rules"]
    assert [rule["AbortIncompleteMultipartUpload"] for rule in rules if "AbortIncompleteMultipartUpload" in rule] == [
        {"DaysAfterInitiation": 1}
    ]


def test_only_the_input_bucket_is_versioned(template: Template) -> None:
    versioned = {bucket: template[bucket].get("VersioningConfiguration") for bucket in BUCKETS}
    assert versioned == dict.fromkeys(BUCKETS) | {"StorageInputBucket": {"Status": "Enabled"}}


@pytest.mark.parametrize("bucket", ["StorageInputBucket", "StorageWorkBucket"])
def test_buckets_send_their_events_to_eventbridge(template: Template, bucket: str) -> None:
    configuration = template[bucket]["NotificationConfiguration"]
    assert configuration == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}


@pytest.mark.parametrize("bucket", BUCKETS)
def test_buckets_are_private_encrypted_and_their_owners(template: Template, bucket: str) -> None:
    properties = template[bucket]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["BucketEncryption"]["ServerSideEncryptionConfiguration"] == [
        {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    ]
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert "BucketName" not in properties


@pytest.mark.parametrize(
    ("bucket", "replaced"),
    [("StorageWorkBucket", "failures/*"), ("StorageResultsBucket", "*/status.json")],
)
def test_nobody_writes_over_an_object_but_over_status_documents(template: Template, bucket: str, replaced: str) -> None:
    statements = template[f"{bucket}Policy"]["PolicyDocument"]["Statement"]
    (deny,) = (each for each in statements if each.get("Sid") == "WriteOnce")
    assert template.spell(deny.pop("NotResource")) == f"<{bucket}.Arn>/{replaced}"
    assert deny == {
        "Sid": "WriteOnce",
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "s3:PutObject",
        "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
    }


def test_the_outputs_name_what_a_user_needs(template: Template) -> None:
    outputs = {key: template.spell(output["Value"]) for key, output in template.body["Outputs"].items()}
    assert outputs == {
        "InputBucket": "<StorageInputBucket>",
        "WorkBucket": "<StorageWorkBucket>",
        "ResultsBucket": "<StorageResultsBucket>",
        "StateMachineArn": "<WorkflowStateMachine>",
        "CompletionTopicArn": "<CompletionTopic>",
        "AlarmsTopicArn": "<AlarmsTopic>",
        "DashboardName": "<DashboardDashboard>",
        "UploadsDeadLetterQueueUrl": "<UploadsDeadLetterQueue>",
        "ManifestsDeadLetterQueueUrl": "<ManifestsDeadLetterQueue>",
    }
