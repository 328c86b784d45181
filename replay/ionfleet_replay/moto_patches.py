"""All that reaches into moto beyond its public API.

It holds for the version that pyproject.toml pins; each function has a test that fails when moto changes beneath it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from moto.core.base_backend import BackendDict
from moto.s3.models import FakeKey, FakeMultipart, s3_backends
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


def drop_account(account_id: str) -> None:
    """Forget everything of one account; moto's own reset forgets all accounts, and other clouds' objects with them."""
    for partition in s3_backends[account_id].values():
        for bucket in partition.buckets.values():
            s3_backends.bucket_accounts.pop(bucket.name, None)
    for kind in (FakeKey, FakeMultipart):
        ours = [each for each in kind.instances_tracked if each.account_id == account_id]
        for each in ours:
            each.dispose()
        gone = set(map(id, ours))
        kind.instances_tracked[:] = [each for each in kind.instances_tracked if id(each) not in gone]
    for backends in list(BackendDict._instances):
        backends.pop(account_id, None)
