"""Event source mappings: queues polled through their API, functions called with batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from botocore.exceptions import ClientError

from ionfleet_replay import moto_patches
from ionfleet_replay.account import ADMINISTRATOR, Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.background import Background
from ionfleet_replay.clock import Clock
from ionfleet_replay.events import queue_url
from ionfleet_replay.faults import Faults, Kind
from ionfleet_replay.functions import Answer, Functions, InvokeRefusedError
from ionfleet_replay.paths import Json

FALLBACK_POLL = 5.0
"""Seconds between polls when nothing was heard of; a message sent is heard of at once."""

DEFAULT_CONCURRENCY = 5
"""Batches that Lambda processes at one time when it starts on a queue."""

API_BATCH = 10
"""Messages that one call of SQS receives or deletes at most."""

EXPIRY_GRACE = 0.02
"""Seconds after which a message whose visibility has expired can surely be received."""

LONGEST_THROTTLE = 60.0
"""Seconds between attempts while the function has no concurrency left: doubling from 1 up to this."""

Message: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Queue:
    """A queue as the template declares it; `visibility` in seconds, `dead_letters` the ARN of its redrive target."""

    arn: str
    visibility: float
    dead_letters: str | None = None
    max_receives: int | None = None

    @property
    def name(self) -> str:
        """The queue's name."""
        return self.arn.rpartition(":")[2]


@dataclass(frozen=True)
class EventSource:
    """A mapping from a queue to a function; `window` in seconds, `concurrency` in batches."""

    queue: Queue
    function: str
    batch: int = API_BATCH
    window: float = 0.0
    concurrency: int = DEFAULT_CONCURRENCY
    partial_failures: bool = False


class Poller:
    """Drives one event source mapping. `moved` hears of messages that went to the dead-letter queue."""

    def __init__(
        self,
        source: EventSource,
        account: Account,
        functions: Functions,
        background: Background,
        clock: Clock,
        activity: Activity,
        moved: Callable[[str, str], None],
        faults: Faults,
    ) -> None:
        self.source = source
        self._account = account
        self._functions = functions
        self._background = background
        self._clock = clock
        self._activity = activity
        self._moved = moved
        self._faults = faults
        self._subject = source.queue.name.rpartition("-")[0] or source.queue.name
        self._moving = f"dead letter of {source.queue.name}"
        self._url = queue_url(account, source.queue.arn)
        self._wake = asyncio.Event()
        self._free = asyncio.Semaphore(source.concurrency)
        self._doomed: list[str] = []
        self._hidden: dict[str, float] = {}
        self._role = functions.resolve(source.function)[0].role

    async def _call(self, operation: str, principal: str = ADMINISTRATOR, /, **parameters: Any) -> Any:
        return await self._account.call("sqs", principal, operation, QueueUrl=self._url, **parameters)

    def wake(self) -> None:
        """Look for messages now; to be called in the loop."""
        self._wake.set()

    def hide(self, receipt: str, seconds: float) -> None:
        """Hear that a message is to be visible again so long from now; safe in any thread."""
        self._hidden[receipt] = self._clock.now() + seconds

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            self._wake.clear()
            while await self._poll():
                pass
            try:
                async with asyncio.timeout(FALLBACK_POLL):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _poll(self) -> bool:
        """Receive one batch and begin to process it; False when there was none."""
        await self._free.acquire()
        doomed, self._doomed = self._doomed, []
        messages = await self._receive()
        for body in doomed:
            self._moved(self.source.queue.dead_letters or "", body)
            self._activity.end(self._moving)
        if not messages:
            self._free.release()
            return False
        self._activity.begin(f"batch of {self.source.queue.name}")
        self._background.start(self._process(messages))
        return True

    async def _receive(self) -> list[Message]:
        messages = await self._receive_upto(self.source.batch)
        if messages and self.source.window and len(messages) < self.source.batch:
            await self._clock.sleep(self.source.window)
            messages += await self._receive_upto(self.source.batch - len(messages))
        return messages

    async def _receive_upto(self, count: int) -> list[Message]:
        messages: list[Message] = []
        while len(messages) < count:
            answer = await self._call(
                "receive_message",
                self._role,
                MaxNumberOfMessages=min(API_BATCH, count - len(messages)),
                WaitTimeSeconds=0,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            received = answer.get("Messages", [])
            messages += received
            if not received:
                break
        return messages

    async def _process(self, messages: list[Message]) -> None:
        received = self._clock.now()
        try:
            failed = await self._handle(messages, received)
            await self._delete([message for message in messages if message["MessageId"] not in failed])
            for message in messages:
                until = self._hidden.pop(message["ReceiptHandle"], received + self.source.queue.visibility)
                if message["MessageId"] in failed:
                    self._background.start(self._reappear(message, until))
        finally:
            self._free.release()
            self._activity.end(f"batch of {self.source.queue.name}")

    async def _handle(self, messages: list[Message], received: float) -> set[str]:
        """Have the messages handled, twice at once or not to the end where a fault strikes; return who is to come back.

        A queue may deliver a message twice, and keep one that was to be deleted.
        """
        twice = self._faults.strike(Kind.MESSAGE_DUPLICATED, self._subject) is not None
        deliveries = [self._invoke(messages, received) for _ in range(2 if twice else 1)]
        failed = set.intersection(*await asyncio.gather(*deliveries))
        if self._faults.strike(Kind.MESSAGE_KEPT, self._subject) is not None:
            return {message["MessageId"] for message in messages}
        return failed

    async def _invoke(self, messages: list[Message], received: float) -> set[str]:
        """Call the function and return the ids of the messages that are to come back."""
        event = {"Records": [self._record(message) for message in messages]}
        wait = 1.0
        while True:
            try:
                answer = await self._functions.invoke(self.source.function, event)
            except InvokeRefusedError:
                if self._clock.now() + wait - received > self.source.queue.visibility:
                    return {message["MessageId"] for message in messages}
                await self._clock.sleep(wait)
                wait = min(2 * wait, LONGEST_THROTTLE)
            else:
                return failed_messages(answer, messages, partial=self.source.partial_failures)

    def _record(self, message: Message) -> Json:
        attributes = {
            name: {
                "stringValue": value.get("StringValue"),
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": value["DataType"],
            }
            for name, value in message.get("MessageAttributes", {}).items()
        }
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": attributes,
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": self.source.queue.arn,
            "awsRegion": self._account.region,
        }

    async def _delete(self, messages: Sequence[Message]) -> None:
        for first in range(0, len(messages), API_BATCH):
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(messages[first : first + API_BATCH])
            ]
            await self._call("delete_message_batch", self._role, Entries=entries)

    async def _reappear(self, message: Message, until: float) -> None:
        """Make a message visible again when its time has come on the cloud's clock, and poll then."""
        queue = self.source.queue
        await self._clock.sleep(max(0.0, until - self._clock.now()))
        receives = int(message["Attributes"]["ApproximateReceiveCount"])
        doomed = queue.max_receives is not None and receives >= queue.max_receives
        if doomed:
            # The next look at the queue moves it; the cloud is not idle before that has been told.
            self._activity.begin(self._moving)
        if self._clock.virtual:
            await self._show(message)
        await asyncio.sleep(EXPIRY_GRACE)
        if doomed:
            self._doomed.append(message["Body"])
        self._wake.set()

    async def _show(self, message: Message) -> None:
        try:
            await self._call("change_message_visibility", ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0)
        except ClientError as problem:
            # Someone else deleted it meanwhile: then there is nothing to show.
            if problem.response["Error"]["Code"] != "ReceiptHandleIsInvalid":
                raise
        self._hidden.pop(message["ReceiptHandle"], None)

    def depth(self) -> int:
        """Return how many messages are in the queue, received or not."""
        return moto_patches.depth(self._account.id, self._account.region, self.source.queue.name)


def failed_messages(answer: Answer, messages: Sequence[Message], *, partial: bool) -> set[str]:
    """Return the ids of the messages that a function did not process.

    As on AWS, an error fails the whole batch, and so does a report of failures that is not in order.
    """
    identifiers = {str(message["MessageId"]) for message in messages}
    if answer.error is not None:
        return identifiers
    if not partial or not answer.payload:
        return set()
    try:
        failures = {entry["itemIdentifier"] for entry in answer.payload["batchItemFailures"] or []}
    except (KeyError, TypeError):
        return identifiers
    return failures if failures <= identifiers else identifiers
