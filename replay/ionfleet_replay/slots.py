"""The places for handlers on this machine: they serve what came by events before the tasks of maps."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

Memory = Callable[[], float]
"""How much memory (MB) a handler is expected to take: asked when its turn comes."""


def _none() -> float:
    return 0.0


@dataclass(frozen=True)
class _Waiting:
    """Who waits for a place; the turn's result is the memory that was set aside."""

    turn: asyncio.Future[float]
    memory: Memory


class Slots:
    """So many places, and so much memory (MB) for all of them together.

    Who waits with `urgent` goes first, so that a long map starves no queue. Nobody overtakes who needs more memory, and
    who is alone always has a place, so that everyone's turn comes.
    """

    def __init__(self, count: int, memory_mb: float = math.inf) -> None:
        self._free = count
        self._held = 0
        self._free_mb = memory_mb
        self._urgent: deque[_Waiting] = deque()
        self._others: deque[_Waiting] = deque()

    @asynccontextmanager
    async def place(self, *, urgent: bool, memory: Memory = _none) -> AsyncIterator[None]:
        """Hold a place while the block runs."""
        memory_mb = await self._acquire(self._urgent if urgent else self._others, memory)
        try:
            yield
        finally:
            self._release(memory_mb)

    async def _acquire(self, queue: deque[_Waiting], memory: Memory) -> float:
        waiting = _Waiting(asyncio.get_running_loop().create_future(), memory)
        queue.append(waiting)
        self._serve()
        try:
            return await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self._release(waiting.turn.result())
            else:
                self._serve()
            raise

    def _release(self, memory_mb: float) -> None:
        self._free += 1
        self._held -= 1
        self._free_mb += memory_mb
        self._serve()

    def _serve(self) -> None:
        """Hand places to who waits, as far as there is room."""
        for queue in (self._urgent, self._others):
            while queue:
                if not queue[0].turn.done() and not self._hand(queue[0]):
                    return
                queue.popleft()

    def _hand(self, waiting: _Waiting) -> bool:
        memory_mb = waiting.memory()
        if not self._free or (self._held and memory_mb > self._free_mb):
            return False
        self._free -= 1
        self._held += 1
        self._free_mb -= memory_mb
        waiting.turn.set_result(memory_mb)
        return True
