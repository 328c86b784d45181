"""Takes up what is put into the input bucket: plans a job for every dataset that is complete."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from aws_lambda_powertools.metrics import MetricUnit

from ionfleet.stages.planner import take_up
from ionfleet_aws.environment import PlannerEnvironment, read_environment
from ionfleet_aws.events import ObjectCreatedRecord
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import Account, bind, note
from ionfleet_aws.observability import logger, metrics
from ionfleet_aws.queues import last_words, queue_handler


@queue_handler(ObjectCreatedRecord)
def handler(record: ObjectCreatedRecord, account: Account) -> None:
    """Take up one object."""
    environment = read_environment(PlannerEnvironment)
    stores, now = open_stores(environment), datetime.now(UTC)
    with last_words(record):
        outcomes = take_up(stores, record.key, record.messageId, now, environment.deployment)
    for outcome in outcomes:
        if outcome.execution is not None:
            bind(outcome.execution)
        logger.info(f"Upload {outcome.state}", extra={"key": record.key, "outcome": asdict(outcome)})
        metrics.add_metric(f"Uploads{outcome.state.capitalize()}", MetricUnit.Count, 1)
    executions = {outcome.execution for outcome in outcomes if outcome.execution is not None}
    for execution in executions:
        note(execution, account.invocation("plan").shared(len(executions)))
