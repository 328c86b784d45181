"""Starts a job's execution once its plan is complete."""

from __future__ import annotations

import json

from ionfleet.brief import PlanBrief, read_brief
from ionfleet.jobs import read_end
from ionfleet_aws import clients
from ionfleet_aws.environment import LauncherEnvironment, read_environment
from ionfleet_aws.events import ObjectCreatedRecord
from ionfleet_aws.handlers import Account, bind, note
from ionfleet_aws.observability import logger
from ionfleet_aws.queues import last_words, queue_handler


@queue_handler(ObjectCreatedRecord)
def handler(record: ObjectCreatedRecord, account: Account) -> None:
    """Start the execution of one plan; Step Functions takes each name once, so that duplicates start nothing."""
    environment = read_environment(LauncherEnvironment)
    with last_words(record):
        plan = read_brief(clients.bucket(environment.work_bucket), record.key)
        bind(plan.execution)
        if _start(environment, plan):
            note(plan.execution, account.invocation("launch"))


def _start(environment: LauncherEnvironment, plan: PlanBrief) -> bool:
    """Start an execution, unless its attempt has ended; return whether it was to be started."""
    if read_end(clients.bucket(environment.work_bucket), plan.execution) is not None:
        logger.warning("Attempt has ended: it is not started again")
        return False
    states = clients.states()
    try:
        states.start_execution(
            stateMachineArn=environment.state_machine_arn,
            name=plan.execution,
            input=json.dumps(plan.launch_input()),
        )
    except states.exceptions.ExecutionAlreadyExists:
        logger.info("Execution was started before")
    else:
        logger.info("Execution started")
    return True
