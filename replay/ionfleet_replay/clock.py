"""Time as the cloud's waiting parts see it: real, or advanced by hand in tests."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """A source of time and of waiting, used within one event loop; `virtual` when it is not the machine's."""

    virtual: bool

    def now(self) -> float:
        """Return seconds since the epoch."""

    def stamp(self) -> float:
        """Return seconds since the epoch to write into documents: what functions see on the clock of their own."""

    async def sleep(self, seconds: float) -> None:
        """Wait until `seconds` have passed on this clock."""


class RealClock:
    """The machine's clock."""

    virtual = False

    def now(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def stamp(self) -> float:
        """Return seconds since the epoch."""
        return self.now()

    async def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        await asyncio.sleep(seconds)


class _VirtualClock(ABC):
    """Keeps who sleeps in the order of their moments."""

    virtual = True

    def __init__(self) -> None:
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    @abstractmethod
    def now(self) -> float:
        """Return seconds since the epoch."""

    def stamp(self) -> float:
        """Return seconds since the epoch, to be written down."""
        return self.now()

    async def sleep(self, seconds: float) -> None:
        """Wait until the moment has been reached."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self.now() + seconds, next(self._order), future))
        self._changed()
        await future

    def waiting(self) -> list[float]:
        """Return the seconds that every live sleeper still has to wait, shortest first."""
        now = self.now()
        return sorted(moment - now for moment, _, future in self._sleepers if not future.done())

    def _wake(self) -> None:
        """Wake, in order, those whose moment has been reached."""
        now = self.now()
        while self._sleepers and (self._sleepers[0][2].done() or self._sleepers[0][0] <= now):
            future = heapq.heappop(self._sleepers)[2]
            if not future.done():
                future.set_result(None)
        self._changed()

    @abstractmethod
    def _changed(self) -> None:
        """Hear that there are other sleepers than before."""


class ManualClock(_VirtualClock):
    """A clock that stands still until `advance` is called in the loop that sleeps on it."""

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        super().__init__()
        self._now = start

    def now(self) -> float:
        """Return the time that `advance` has reached."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move time forward and wake who waited for it."""
        self._now += seconds
        self._wake()

    def _changed(self) -> None:
        """Do nothing: who advances the clock wakes them."""


class SkippingClock(_VirtualClock):
    """The machine's clock, put forward by `skip` when there is nothing to do but to wait."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Return seconds since the epoch, and what has been skipped."""
        return time.time() + self._ahead

    def stamp(self) -> float:
        """Return the machine's seconds since the epoch: for others who write times down, nothing was skipped."""
        return time.time()

    def skip(self) -> None:
        """Put the clock forward to the next moment that someone waits for."""
        waiting = self.waiting()
        if waiting:
            self._ahead += max(0.0, waiting[0])
            self._wake()

    def _changed(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._sleepers:
            seconds = max(0.0, self._sleepers[0][0] - self.now())
            self._alarm = asyncio.get_running_loop().call_later(seconds, self._wake)


async def within(clock: Clock, seconds: float | None, work: Awaitable[T], *, since: asyncio.Event | None = None) -> T:
    """Await `work`, cancelling it and raising `TimeoutError` once `seconds` have passed on `clock`.

    They count from now, or from when `since` is set.
    """
    if seconds is None:
        return await work
    task = asyncio.ensure_future(work)
    alarm = asyncio.ensure_future(_alarm(clock, seconds, since))
    try:
        await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError(f"not done after {seconds:g} s")
    finally:
        await cancel(task, alarm)


async def _alarm(clock: Clock, seconds: float, since: asyncio.Event | None) -> None:
    if since is not None:
        await since.wait()
    await clock.sleep(seconds)


async def cancel(*tasks: asyncio.Future[T] | asyncio.Future[None]) -> None:
    """Cancel what still runs of `tasks` and wait until it has ended, whichever way."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
