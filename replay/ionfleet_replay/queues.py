"""Event source mappings: queues polled through their API, functions called with batches."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ionfleet_replay.account import Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.clock import Clock
from ionfleet_replay.events import queue_url
from ionfleet_replay.functions import Answer, Functions, InvokeRefused
from ionfleet_replay.observations import DeadLetter, Observer
from ionfleet_replay.paths import Json

FALLBACK_POLL = 5.0
"""Seconds between polls when nothing was heard of: a message sent is heard of at once."""

DEFAULT_CONCURRENCY = 5
"""Batches that Lambda processes at one time when it starts on a queue."""

RECEIVE_LIMIT = 10
"""Messages that one ReceiveMessage gives at most."""


@dataclass(frozen=True)
class Mapping_:
    """placeholder"""


Message = Mapping[str, Any]


@dataclass(frozen=True)
class Queue:
    """A queue as the template declares it; times in seconds."""

    arn: str
    visibility: float
    dead_letters: str | None
    max_receives: int | None


@dataclass(frozen=True)
class EventSource:
    """A mapping from a queue to a function; `window` in seconds."""

    queue: Queue
    function: str
    batch: int
    window: float
    concurrency: int
    partial_failures: bool


class Poller:
    """Drives one event source mapping."""

    def __init__(
        self,
        source: EventSource,
        account: Account,
        functions: Functions,
        clock: Clock,
        activity: Activity,
        observer: Observer,
    ) -> None:
        self.source = source
        self._account = account
        self._functions = functions
        self._clock = clock
        self._activity = activity
        self._observer = observer
        self._name = source.queue.arn.rpartition(":")[2]
        self._url = queue_url(account, source.queue.arn)
        self._client = account.client("sqs")
        self._wake = asyncio.Event()
        self._free = asyncio.Semaphore(source.concurrency)
        self._tasks: set[asyncio.Task[None]] = set()

    def wake(self) -> None:
        """Look for messages now; called in the loop."""
        self._wake.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        try:
            while True:
                self._wake.clear()
                while await self._poll():
                    pass
                await self._woken()
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _woken(self) -> None:
        try:
            async with asyncio.timeout(FALLBACK_POLL):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _poll(self) -> bool:
        """Receive one batch and begin to process it; False when there was none."""
        await self._free.acquire()
        with self._activity.during(f"poll of {self._name}"):
            messages = await self._receive()
            if not messages:
                self._free.release()
                return False
            self._activity.begin(f"batch of {self._name}")
        task = asyncio.create_task(self._process(messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True
