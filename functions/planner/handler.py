"""Takes up what is put into the input bucket: plans a job for every dataset that is complete."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime

from aws_lambda_powertools.metrics import MetricUnit

from ionfleet.planning import Budgets
from ionfleet.stages.planner import take_up
from ionfleet_aws.environment import PlannerEnvironment, read_environment
from ionfleet_aws.events import ObjectCreatedRecord
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import bind
from ionfleet_aws.observability import logger, metrics
from ionfleet_aws.queues import queue_handler


@queue_handler(ObjectCreatedRecord)
def handler(record: ObjectCreatedRecord) -> None:
    """Take up one object."""
    environment = read_environment(PlannerEnvironment)
    budgets = Budgets(
        sort_mb=environment.sort_memory_mb,
        isotopes_mb=environment.isotopes_memory_mb,
        annotate_mb=environment.annotate_memory_mb,
        render_mb=environment.render_memory_mb,
    )
    outcomes = take_up(open_stores(environment), record.key, record.messageId, datetime.now(UTC), budgets)
    for outcome in outcomes:
        if outcome.execution is not None:
            bind(outcome.execution)
        logger.info(f"Upload {outcome.state}", extra={"key": record.key, "outcome": asdict(outcome)})
        metrics.add_metric(f"Uploads{outcome.state.capitalize()}", MetricUnit.Count, 1)
