"""Tasks of the cloud's event loop that nobody awaits: kept, ended together, and loud when they break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from ionfleet_replay.errors import ReplayError


class Background:
    """A set of running tasks. An exception that leaves one is a defect of the runtime and goes to `broken`."""

    def __init__(self, broken: Callable[[BaseException], None]) -> None:
        self._broken = broken
        self._tasks: set[asyncio.Task[Any]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def open(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say which loop tasks run in; nothing can be started before."""
        self._loop = loop

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that tasks run in."""
        if self._loop is None:
            raise ReplayError("The cloud has not been started.")
        return self._loop

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine; to be called in the loop."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def start_soon(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Run a coroutine; may be called from any thread."""
        self.loop.call_soon_threadsafe(lambda: self.start(make()))

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            self._broken(problem)

    async def stop(self) -> None:
        """Cancel every task and wait until all have ended."""
        while self._tasks:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
