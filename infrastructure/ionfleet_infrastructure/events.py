"""The rules that set things going: uploads, finished plans, and executions that ended without saying so."""

from __future__ import annotations

from aws_cdk import Duration, aws_events, aws_s3, aws_sqs
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from ionfleet_infrastructure.functions import FleetFunction
from ionfleet_infrastructure.queues import EventQueue

DATASET_SUFFIXES = (".imzml", ".ibd")
ENDS_WITHOUT_STATUS = ["ABORTED", "TIMED_OUT", "FAILED"]
DELIVERY_AGE = Duration.hours(24)
DELIVERY_ATTEMPTS = 185


class Rules(Construct):
    """Events of the buckets to their queues, ends of executions to the status function."""

    def uploads(self, bucket: aws_s3.IBucket, events: EventQueue) -> None:
        """Deliver what is put into the input bucket and may concern the planner.

        A dataset's file is recognised by its name alone, so that one in the wrong place can be answered too.
        """
        keys: list[object] = [{"suffix": {"equals-ignore-case": suffix}} for suffix in DATASET_SUFFIXES]
        keys += [{"suffix": "job.json"}, {"prefix": "databases/"}]
        self._created("Uploads", bucket, keys, events)

    def manifests(self, bucket: aws_s3.IBucket, events: EventQueue) -> None:
        """Deliver the plans that the planner finished."""
        self._created("Manifests", bucket, [{"wildcard": "manifests/*/plan.json"}], events)

    def ends(self, state_machine: sfn.IStateMachine, status: FleetFunction, undelivered: aws_sqs.IQueue) -> None:
        """Tell the status function about executions that were stopped, ran out of time, or failed in any way."""
        rule = aws_events.Rule(
            self,
            "Ends",
            event_pattern=aws_events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={"status": ENDS_WITHOUT_STATUS, "stateMachineArn": [state_machine.state_machine_arn]},
            ),
        )
        rule.add_target(
            targets.LambdaFunction(
                status.function,
                dead_letter_queue=undelivered,
                max_event_age=DELIVERY_AGE,
                retry_attempts=DELIVERY_ATTEMPTS,
            )
        )

    def _created(self, id: str, bucket: aws_s3.IBucket, keys: list[object], events: EventQueue) -> None:
        rule = aws_events.Rule(
            self,
            id,
            event_pattern=aws_events.EventPattern(
                source=["aws.s3"],
                detail_type=["Object Created"],
                detail={"bucket": {"name": [bucket.bucket_name]}, "object": {"key": keys}},
            ),
        )
        rule.add_target(
            targets.SqsQueue(
                events.queue,
                dead_letter_queue=events.dead_letters,
                max_event_age=DELIVERY_AGE,
                retry_attempts=DELIVERY_ATTEMPTS,
            )
        )
