"""Tasks of the cloud's event loop that nobody awaits: kept, ended together, and loud when they break."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Background:
    """A set of running tasks. An exception that leaves one is a defect of the runtime and goes to `broken`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, broken: Callable[[BaseException], None]) -> None:
        self._loop = loop
        self._broken = broken
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine; to be called in the loop."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def start_soon(self, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Run a coroutine; may be called from any thread."""
        self._loop.call_soon_threadsafe(lambda: self.start(make()))

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
