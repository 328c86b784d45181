"""Queues, rules, topics and alarms."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Template


@pytest.mark.parametrize("name", ["Uploads", "Manifests"])
def test_what_a_reader_fails_on_goes_to_the_dead_letter_queue(template: Template, name: str) -> None:
    assert template[f"{name}Queue"]["RedrivePolicy"] == {
        "deadLetterTargetArn": {"Fn::GetAtt": [f"{name}DeadLetterQueue", "Arn"]},
        "maxReceiveCount": 6,
    }


def test_queues_are_encrypted_and_keep_messages_for_two_weeks(template: Template) -> None:
    for queue in template.of_type("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize(
    ("resource_type", "target"),
    [
        ("AWS::SQS::QueuePolicy", "Queues"),
        ("AWS::SNS::TopicPolicy", "Topics"),
        ("AWS::S3::BucketPolicy", "Bucket"),
    ],
)
def test_queues_topics_and_buckets_answer_to_tls_only(template: Template, resource_type: str, target: str) -> None:
    protected = set()
    for policy in template.of_type(resource_type).values():
        statements = policy["PolicyDocument"]["Statement"]
        assert any(
            statement["Effect"] == "Deny" and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in statements
        )
        targets = policy[target] if isinstance(policy[target], list) else [policy[target]]
        protected |= {each["Ref"] for each in targets}
    assert protected == template.of_type(resource_type.removesuffix("Policy")).keys()


def test_uploads_of_datasets_configurations_and_databases_reach_the_planners_queue(template: Template) -> None:
    rule = template["RulesUploads"]
    assert rule["EventPattern"] == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [{"Ref": "StorageInputBucket"}]},
            "object": {
                "key": [
                    {"suffix": {"equals-ignore-case": ".imzml"}},
                    {"suffix": {"equals-ignore-case": ".ibd"}},
                    {"suffix": "job.json"},
                    {"prefix": "databases/"},
                ]
            },
        },
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["UploadsQueue", "Arn"]}]


def test_finished_plans_reach_the_launchers_queue(template: Template) -> None:
    rule = template["RulesManifests"]
    assert rule["EventPattern"]["detail"] == {
        "bucket": {"name": [{"Ref": "StorageWorkBucket"}]},
        "object": {"key": [{"wildcard": "manifests/*/plan.json"}]},
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["ManifestsQueue", "Arn"]}]


def test_ends_that_no_catch_sees_reach_the_status_function(template: Template) -> None:
    rule = template["RulesEnds"]
    assert rule["EventPattern"] == {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "status": ["ABORTED", "TIMED_OUT", "FAILED"],
            "stateMachineArn": [{"Ref": "WorkflowStateMachine"}],
        },
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["StatusFunction", "Arn"]}]
    (permission,) = template.of_type("AWS::Lambda::Permission").values()
    assert permission["SourceArn"] == {"Fn::GetAtt": ["RulesEnds", "Arn"]}
    assert permission["Principal"] == "events.amazonaws.com"


@pytest.mark.parametrize(
    ("rule", "dead_letters"),
    [
        ("RulesUploads", "UploadsDeadLetterQueue"),
        ("RulesManifests", "ManifestsDeadLetterQueue"),
        ("RulesEnds", "EndsDeadLetterQueue"),
    ],
)
def test_an_event_that_cannot_be_delivered_is_retried_and_kept(
    template: Template, rule: str, dead_letters: str
) -> None:
    (target,) = template[rule]["Targets"]
    assert target["DeadLetterConfig"] == {"Arn": {"Fn::GetAtt": [dead_letters, "Arn"]}}
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}


@pytest.mark.parametrize(
    ("queue", "rule"),
    [
        ("UploadsQueue", "RulesUploads"),
        ("UploadsDeadLetterQueue", "RulesUploads"),
        ("ManifestsQueue", "RulesManifests"),
        ("ManifestsDeadLetterQueue", "RulesManifests"),
        ("EndsDeadLetterQueue", "RulesEnds"),
    ],
)
def test_a_queue_lets_its_rule_send(template: Template, queue: str, rule: str) -> None:
    (policy,) = (
        each for each in template.of_type("AWS::SQS::QueuePolicy").values() if {"Ref": queue} in each["Queues"]
    )
    assert any(
        statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": "events.amazonaws.com"}
        and "sqs:SendMessage" in statement["Action"]
        and statement["Condition"]["ArnEquals"] == {"aws:SourceArn": {"Fn::GetAtt": [rule, "Arn"]}}
        for statement in policy["PolicyDocument"]["Statement"]
    )


def test_a_status_event_that_the_status_function_fails_on_is_kept(template: Template) -> None:
    dead_letters = {"Fn::GetAtt": ["EndsDeadLetterQueue", "Arn"]}
    assert template["StatusFunction"]["DeadLetterConfig"] == {"TargetArn": dead_letters}
    assert template.allows("StatusRole", "sqs:SendMessage", "<EndsDeadLetterQueue.Arn>")


def test_failed_timed_out_and_aborted_executions_raise_an_alarm(template: Template) -> None:
    alarms = [alarm for alarm in template.of_type("AWS::CloudWatch::Alarm").values() if "MetricName" in alarm]
    assert {alarm["MetricName"] for alarm in alarms} == {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
    for alarm in alarms:
        assert (alarm["Namespace"], alarm["Statistic"]) == ("AWS/States", "Sum")
        assert alarm["Dimensions"] == [{"Name": "StateMachineArn", "Value": {"Ref": "WorkflowStateMachine"}}]


def test_a_letter_in_any_dead_letter_queue_raises_an_alarm_even_when_it_was_taken_out(template: Template) -> None:
    watched: dict[str, set[str]] = {}
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        for metric in alarm.get("Metrics", []):
            if "MetricStat" in metric:
                (dimension,) = metric["MetricStat"]["Metric"]["Dimensions"]
                queue = dimension["Value"]["Fn::GetAtt"][0]
                watched.setdefault(queue, set()).add(metric["MetricStat"]["Metric"]["MetricName"])
    both = {"NumberOfMessagesReceived", "ApproximateNumberOfMessagesVisible"}
    assert watched == {
        "UploadsDeadLetterQueue": both,
        "ManifestsDeadLetterQueue": both,
        "EndsDeadLetterQueue": both,
    }


def test_one_occurrence_is_enough_and_silence_is_not_an_alarm(template: Template) -> None:
    for alarm in template.of_type("AWS::CloudWatch::Alarm").values():
        assert (alarm["Threshold"], alarm["EvaluationPeriods"]) == (1, 1)
        assert alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmActions"] == [{"Ref": "AlarmsTopic"}]


def test_alarms_may_publish_to_their_topic(template: Template) -> None:
    statements: list[dict[str, Any]] = template["AlarmsTopicPolicy"]["PolicyDocument"]["Statement"]
    assert any(
        statement["Effect"] == "Allow" and statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
        for statement in statements
    )


def test_both_topics_are_encrypted_with_a_key_that_their_publishers_may_use(template: Template) -> None:
    key = {"Fn::GetAtt": ["TopicKey", "Arn"]}
    assert [topic["KmsMasterKeyId"] for topic in template.of_type("AWS::SNS::Topic").values()] == [key, key]
    assert template["TopicKey"]["EnableKeyRotation"] is True
    _, alarms = template["TopicKey"]["KeyPolicy"]["Statement"]
    assert alarms["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    for action in ("kms:Decrypt", "kms:GenerateDataKey"):
        assert action in alarms["Action"]
        assert template.allows("StatusRole", action, "<TopicKey.Arn>")
        assert not template.allows("PlannerRole", action, "<TopicKey.Arn>")


def test_nobody_is_subscribed_unless_a_deployment_says_so(
    template: Template, assembly_of: Callable[..., Path], read: Callable[[Path], Template]
) -> None:
    assert template.of_type("AWS::SNS::Subscription") == {}
    told = read(
        assembly_of(
            notifyEmail="lab@example.org", notifyWebhook="https://example.org/ended", alarmEmail="night@example.org"
        )
    )
    subscribed = {
        (each["TopicArn"]["Ref"], each["Protocol"], each["Endpoint"])
        for each in told.of_type("AWS::SNS::Subscription").values()
    }
    assert subscribed == {
        ("CompletionTopic", "email", "lab@example.org"),
        ("CompletionTopic", "https", "https://example.org/ended"),
        ("AlarmsTopic", "email", "night@example.org"),
    }


def test_the_dashboard_shows_every_alarm_function_and_end(template: Template) -> None:
    (dashboard,) = template.of_type("AWS::CloudWatch::Dashboard").values()
    assert "DashboardName" not in dashboard, "names of dashboards are one list for all regions"
    body = json.dumps(dashboard["DashboardBody"])
    shown = {*template.of_type("AWS::CloudWatch::Alarm"), *template.of_type("AWS::Lambda::Function")}
    emptier = {name for name in shown if name.startswith("Storage")}
    assert not {name for name in shown - emptier if f'"{name}"' not in body}
    for end in ("Succeeded", "Failed", "Aborted", "TimedOut"):
        assert f"Jobs{end}" in body
