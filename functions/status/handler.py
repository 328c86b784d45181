"""Ends jobs: publishes results, names the reason of a failure, and answers for dead letters."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from ionfleet.announcement import letter, subject
from ionfleet.stages.status import (
    NOWHERE,
    Completion,
    Links,
    Reporter,
    abandon_message,
    abandon_plan,
    abandon_upload,
    advance,
    conclude,
    keep_letter,
)
from ionfleet.status import JobStatus
from ionfleet_aws import clients
from ionfleet_aws.console import Console
from ionfleet_aws.environment import StatusEnvironment, read_environment
from ionfleet_aws.events import DeadLetterRecord, StageEntered, read_end
from ionfleet_aws.handlers import Account, bind, instrumented, logged_errors, parse_event, public_errors
from ionfleet_aws.observability import logger, metrics
from ionfleet_aws.queues import queue_handler

if TYPE_CHECKING:
    from types_boto3_sns.type_defs import MessageAttributeValueTypeDef


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer the state machine, EventBridge, or a dead-letter queue."""
    if "Records" in event:
        return handle_letters(event, context)
    return handle_entry(event, context) if "entered" in event else handle_end(event, context)


@instrumented
def handle_entry(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001 - Lambda gives it
    """Say how far the attempt is that the state machine speaks of."""
    environment = read_environment(StatusEnvironment)
    with logged_errors(), public_errors():
        entry = parse_event(event, StageEntered)
        _advance(environment, entry)
    return {"execution": entry.execution, "stage": entry.stage}


@instrumented
def handle_end(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """End the attempt that the state machine or EventBridge speaks of."""
    account, environment = Account(context), read_environment(StatusEnvironment)
    with logged_errors(), public_errors():
        execution, outcome = read_end(event)
        logger.append_keys(execution=execution)
        reporter = _reporter(environment, Console(environment).job(execution), account)
        _tell(environment, conclude(reporter, execution, outcome))
    return {"execution": execution, "outcome": outcome.state}


@queue_handler(DeadLetterRecord)
def handle_letters(letter: DeadLetterRecord, account: Account) -> None:
    """Keep one dead letter, and let what it was about end with it."""
    environment = read_environment(StatusEnvironment)
    console, now = Console(environment), datetime.now(UTC)
    keep_letter(clients.bucket(environment.work_bucket), letter.queue, letter.messageId, letter.body)
    metrics.add_metric("DeadLetters", MetricUnit.Count, 1)
    if letter.end is not None:
        logger.error("Dead letter", extra={"queue": letter.queue})
        execution, outcome = letter.end
        _tell(environment, conclude(_reporter(environment, console.job(execution), account), execution, outcome))
        return
    if letter.entry is not None:
        logger.warning("News of a stage come late", extra={"queue": letter.queue})
        _advance(environment, letter.entry)
        return
    event = letter.event
    if event is None:
        logger.error("Dead letter is no event of S3", extra={"queue": letter.queue})
        abandon_message(_reporter(environment), letter.queue, letter.messageId, letter.body, now)
        return
    key = event.detail.object.key
    logger.error("Dead letter", extra={"queue": letter.queue, "key": key})
    if event.detail.bucket.name == environment.work_bucket:
        reporter = _reporter(environment, console.message("launcher", letter.messageId), account)
        _tell(environment, abandon_plan(reporter, key, letter.messageId, now))
    else:
        reporter = _reporter(environment, console.message("planner", letter.messageId))
        abandon_upload(reporter, key, letter.messageId, event.time)


def _reporter(environment: StatusEnvironment, links: Links = NOWHERE, account: Account | None = None) -> Reporter:
    """Return who reports; what this invocation costs is counted where `account` is given."""
    work, results = clients.bucket(environment.work_bucket), clients.bucket(environment.results_bucket)
    return Reporter(work, results, links, None if account is None else account.invocation)


def _advance(environment: StatusEnvironment, entry: StageEntered) -> None:
    bind(entry.execution)
    reporter = _reporter(environment, Console(environment).job(entry.execution))
    advance(reporter, entry.execution, entry.stage, entry.entered)
    metrics.add_metric("StagesEntered", MetricUnit.Count, 1)


def _tell(environment: StatusEnvironment, completion: Completion | None) -> None:
    if completion is None:
        metrics.add_metric("UnknownExecutions", MetricUnit.Count, 1)
        logger.warning("Execution has no plan: it was not started by Ionfleet")
        return
    status = completion.status
    bind(status.execution)
    logger.info(f"Job {status.state}", extra={"error": status.error, "reason": status.message})
    metrics.add_metric(f"Jobs{status.state.title().replace('_', '')}", MetricUnit.Count, 1)
    if completion.announce:
        clients.topics().publish(
            TopicArn=environment.topic_arn,
            Subject=subject(status),
            Message=_message(environment, completion),
            MessageStructure="json",
            MessageAttributes=_attributes(status),
        )


def _message(environment: StatusEnvironment, completion: Completion) -> str:
    """Return what subscribers are told: a text by mail, and JSON by whatever else."""
    stack = environment.state_machine_arn.rpartition(":")[2]
    mail = letter(completion.status, environment.results_bucket, stack)
    return json.dumps({"default": completion.to_json(), "email": mail})


def _attributes(status: JobStatus) -> dict[str, MessageAttributeValueTypeDef]:
    """Return what subscribers filter by: how the job ended, and what its configuration asks to be told with that."""
    notify = (status.configuration or {}).get("notify")
    told = {"state": status.state} | ({"notify": str(notify)} if notify else {})
    return {name: {"DataType": "String", "StringValue": value} for name, value in told.items()}
