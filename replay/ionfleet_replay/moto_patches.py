"""All that reaches into moto beyond its public API.

It holds for the version that pyproject.toml pins; each function has a test that fails when moto changes beneath it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.core.base_backend import BackendDict
from moto.sqs.models import sqs_backends
from moto.stepfunctions.models import stepfunctions_backends

from ionfleet_replay.events import ExecutionStatus


def finish_execution(account_id: str, region: str, ended: ExecutionStatus) -> None:
    """Record how an execution ended, which no public operation can."""
    backend: Any = stepfunctions_backends[account_id][region]
    execution = backend.describe_execution(ended.arn)
    execution.status = ended.status
    execution.stop_date = datetime.fromtimestamp(ended.stopped or 0, UTC).replace(tzinfo=None)
    execution.output = ended.output
    execution.error = ended.error
    execution.cause = ended.cause


def depth(account_id: str, region: str, queue: str) -> int:
    """Return how many messages are in a queue, received or not, without a call that would keep the cloud awake."""
    found: Any = sqs_backends[account_id][region].get_queue(queue)
    return int(found.approximate_number_of_messages + found.approximate_number_of_messages_not_visible)


def drop_account(account_id: str) -> None:
    """Forget everything of one account; moto's own reset forgets all accounts, and other clouds' state with them."""
    for backends in list(BackendDict._instances):
        backends.pop(account_id, None)
