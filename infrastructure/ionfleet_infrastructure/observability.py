"""Who is told: a topic for finished jobs, another for alarms."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Duration, RemovalPolicy, aws_cloudwatch, aws_iam, aws_kms, aws_sns, aws_sqs
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from ionfleet_infrastructure.settings import Settings

PERIOD = Duration.minutes(5)


PUBLISHERS_USE_OF_KEY = ("kms:Decrypt", "kms:GenerateDataKey")
"""What SNS does with a topic's key on behalf of whoever publishes."""


def topic_key(scope: Construct, settings: Settings) -> aws_kms.Key:
    """Make the key that both topics are encrypted with; CloudWatch may not use the account's own key for SNS.

    It guards what is on its way to subscribers, and nothing that is kept, so it goes with the stack in any case.
    """
    key = aws_kms.Key(
        scope,
        "TopicKey",
        description="Encrypts what the topics of Ionfleet carry",
        enable_key_rotation=True,
        removal_policy=RemovalPolicy.DESTROY,
        pending_window=Duration.days(7 if settings.destroys else 30),
    )
    key.add_to_resource_policy(_from_alarms("EncryptAlarms", PUBLISHERS_USE_OF_KEY, "*"))
    return key


def completion_topic(scope: Construct, key: aws_kms.IKey) -> aws_sns.Topic:
    """Make the topic that the status function writes to when a job has ended."""
    return aws_sns.Topic(scope, "CompletionTopic", master_key=key, enforce_ssl=True)


def subscribe(topic: aws_sns.ITopic, email: str | None = None, webhook: str | None = None) -> None:
    """Send what a topic carries to an address and to a server, once these have confirmed that they want it."""
    if email is not None:
        topic.add_subscription(subscriptions.EmailSubscription(email))
    if webhook is not None:
        topic.add_subscription(subscriptions.UrlSubscription(webhook, protocol=aws_sns.SubscriptionProtocol.HTTPS))


class Alarms(Construct):
    """Alarms on what nobody may miss, all to one topic."""

    def __init__(self, scope: Construct, id: str, key: aws_kms.IKey) -> None:
        super().__init__(scope, id)
        self.all: list[aws_cloudwatch.Alarm] = []
        self.topic = aws_sns.Topic(self, "Topic", master_key=key, enforce_ssl=True)
        self.topic.add_to_resource_policy(_from_alarms("AllowAlarms", ["sns:Publish"], self.topic.topic_arn))

    def watch_dead_letters(self, id: str, queue: aws_sqs.IQueue) -> None:
        """Alarm as soon as a dead letter lies in a queue, or was taken from it by the status function."""
        dead_letters = aws_cloudwatch.MathExpression(
            expression="FILL(received, 0) + FILL(visible, 0)",
            label="dead letters",
            period=PERIOD,
            using_metrics={
                "received": queue.metric_number_of_messages_received(statistic="Sum", period=PERIOD),
                "visible": queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=PERIOD),
            },
        )
        self._alarm(id, dead_letters, "Messages could not be handled and are in a dead-letter queue.")

    def watch_executions(self, state_machine: sfn.StateMachine) -> None:
        """Alarm when an execution failed, timed out or was aborted."""
        ends = {
            "Failed": state_machine.metric_failed(statistic="Sum", period=PERIOD),
            "TimedOut": state_machine.metric_timed_out(statistic="Sum", period=PERIOD),
            "Aborted": state_machine.metric_aborted(statistic="Sum", period=PERIOD),
        }
        for end, metric in ends.items():
            self._alarm(f"Executions{end}", metric, f"A job's execution ended as {end}.")

    def _alarm(self, id: str, metric: aws_cloudwatch.IMetric, description: str) -> None:
        alarm = aws_cloudwatch.Alarm(
            self,
            id,
            metric=metric,
            alarm_description=description,
            threshold=1,
            evaluation_periods=1,
            comparison_operator=aws_cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=aws_cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        self.all.append(alarm)


def _from_alarms(sid: str, actions: Sequence[str], resource: str) -> aws_iam.PolicyStatement:
    """Let CloudWatch do something on behalf of this account's alarms, and of nobody else's."""
    return aws_iam.PolicyStatement(
        sid=sid,
        actions=list(actions),
        principals=[aws_iam.ServicePrincipal("cloudwatch.amazonaws.com")],
        resources=[resource],
        conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
    )
