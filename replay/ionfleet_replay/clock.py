"""Time as the cloud's waiting parts see it: real, or advanced by hand in tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Awaitable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """A source of time and of waiting, used within one event loop; `virtual` when it is not the machine's."""

    virtual: bool

    def now(self) -> float:
        """Return seconds since the epoch."""

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` have passed on this clock."""


class RealClock:
    """The machine's clock."""

    virtual = False

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class ManualClock:
    """A clock that stands still until `advance` is called in the loop that sleeps on it."""

    virtual = True

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> float:
        """Return the time that `advance` has reached."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """Wait for `advance` to pass the moment."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    def waiting(self) -> list[float]:
        """Return the seconds that every live sleeper still has to wait, shortest first."""
        return sorted(moment - self._now for moment, _, future in self._sleepers if not future.done())

    def advance(self, seconds: float) -> None:
        """Move time forward and wake, in order, who waited for it."""
        self._now += seconds
        while self._sleepers and self._sleepers[0][0] <= self._now:
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)


async def within(clock: Clock, seconds: float | None, work: Awaitable[T]) -> T:
    """Await `work`, cancelling it and raising `TimeoutError` once `seconds` have passed on `clock`."""
    if seconds is None:
        return await work
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError(f"not done after {seconds:g} s")
    finally:
        await cancel(task, alarm)


async def cancel(*tasks: asyncio.Future[T] | asyncio.Future[None]) -> None:
    """Cancel what still runs of `tasks` and wait until it has ended, whichever way."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
