"""Queues with dead-letter queues."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy, aws_sqs
from constructs import Construct

RETENTION = Duration.days(14)


def dead_letter_queue(
    scope: Construct, id: str, *, visibility: Duration, removal_policy: RemovalPolicy
) -> aws_sqs.Queue:
    """Make a queue for what could not be delivered or handled; `visibility` suits whoever reads it."""
    return aws_sqs.Queue(
        scope,
        id,
        encryption=aws_sqs.QueueEncryption.SQS_MANAGED,
        enforce_ssl=True,
        retention_period=RETENTION,
        visibility_timeout=visibility,
        removal_policy=removal_policy,
    )


class EventQueue(Construct):
    """A queue for events, and the one that takes what its reader failed on.

    Attributes
    ----------
    queue
        Where a rule delivers.
    dead_letters
        What was received `max_receive_count` times without success, or could not be delivered.

    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        reader_timeout: Duration,
        dead_letters_reader_timeout: Duration,
        max_receive_count: int,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        self.dead_letters = dead_letter_queue(
            self,
            "DeadLetterQueue",
            visibility=visibility_for(dead_letters_reader_timeout),
            removal_policy=removal_policy,
        )
        self.queue = aws_sqs.Queue(
            self,
            "Queue",
            encryption=aws_sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=RETENTION,
            visibility_timeout=visibility_for(reader_timeout),
            dead_letter_queue=aws_sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=max_receive_count),
            removal_policy=removal_policy,
        )


def visibility_for(reader_timeout: Duration) -> Duration:
    """Hide a message for six times its reader's timeout, as Lambda's documentation of SQS event sources advises."""
    return Duration.seconds(6 * int(reader_timeout.to_seconds()))
