"""When a message that was not handled comes again.

A queue hides what was received for six times its reader's timeout, which would be the time to wait after every passing
trouble. So a message is hidden for as long as it may be worked on, and after a failure for a while that grows.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ionfleet_aws import clients
from ionfleet_aws.observability import logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    Records = Sequence[Mapping[str, Any]]

FIRST_DELAY_S = 30
GROWTH = 4
LONGEST_DELAY_S = 3600
GRACE_S = 30
"""Seconds after a function's last moment at which nobody can be working on its messages any more."""


def hold(records: Records, context: LambdaContext) -> None:
    """Hide the messages of a batch until the function can have no more time for them: if it dies, they come then."""
    seconds = context.get_remaining_time_in_millis() // 1000 + GRACE_S
    _hide(records, [seconds] * len(records))


def put_back(records: Records) -> None:
    """Let messages that were not handled come again soon, and later each time."""
    _hide(records, [delay(int(record["attributes"]["ApproximateReceiveCount"])) for record in records])


def delay(receives: int) -> int:
    """Return after how many seconds a message comes again that was received so many times.

    Half of it is random, so that what failed together does not meet again.
    """
    longest = min(FIRST_DELAY_S * GROWTH ** min(receives - 1, 10), LONGEST_DELAY_S)
    return round(random.uniform(longest / 2, longest))  # noqa: S311 - spreads retries, guards nothing


def _hide(records: Records, seconds: Sequence[int]) -> None:
    """Change when messages of one queue come again; where that fails, they come when the queue says."""
    if not records:
        return
    entries: Any = [
        {"Id": str(number), "ReceiptHandle": record["receiptHandle"], "VisibilityTimeout": time}
        for number, (record, time) in enumerate(zip(records, seconds, strict=True))
    ]
    try:
        url = _url(records[0]["eventSourceARN"])
        answer = clients.queues().change_message_visibility_batch(QueueUrl=url, Entries=entries)
    except (BotoCoreError, ClientError):
        # Nothing is lost over it but time, and the batch has its own failures to tell of.
        logger.exception("Messages could not be hidden")
        return
    for failure in answer.get("Failed", ()):
        logger.error("Message could not be hidden", extra={"failure": failure})


@cache
def _url(queue: str) -> str:
    *_, account, name = queue.split(":")
    return clients.queues().get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
