"""Watches a cloud from outside: its observations as they come, its documents as often as it makes sense."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from ionfleet_cli.failures import CommandError
from ionfleet_replay import Cloud, EventLost, ExecutionEnded, Observation

Found = TypeVar("Found")

POLL = 0.25
"""Seconds between two looks at what is waited for while nothing is observed."""

REST_CHECK = 2.0
"""Seconds between two looks at whether the cloud does anything at all."""


class Watch:
    """Waits for what a cloud is to bring about, and ends the wait where that cannot come any more.

    `observe` is for the cloud to call; what it is called with is handed to `heard` by the waiting thread.
    """

    def __init__(self) -> None:
        self.heard: Callable[[Observation], None] = _ignore
        self._observations: SimpleQueue[Observation] = SimpleQueue()
        self._cloud: Cloud | None = None
        self._trouble: str | None = None

    def observe(self, observation: Observation) -> None:
        """Take an observation, in whatever thread it is made."""
        self._observations.put(observation)

    def attach(self, cloud: Cloud) -> None:
        """Say which cloud it is."""
        self._cloud = cloud

    def wait(self, look: Callable[[], Found | None]) -> Found:
        """Return what `look` returns once that is not None.

        Raises
        ------
        CommandError
            The cloud came to rest before, or lost an event.
        ReplayError
            The local runtime broke.

        """
        checked = time.monotonic()
        while (found := look()) is None:
            self._listen(POLL)
            if time.monotonic() - checked > REST_CHECK:
                if self._at_rest() and look() is None:
                    raise CommandError(self._why())
                checked = time.monotonic()
        self._listen(0)
        return found

    def _listen(self, seconds: float) -> None:
        """Hand over the observations that are there, waiting for the first."""
        try:
            self._take(self._observations.get(timeout=seconds) if seconds else self._observations.get_nowait())
            while True:
                self._take(self._observations.get_nowait())
        except Empty:
            return

    def _take(self, observation: Observation) -> None:
        if isinstance(observation, EventLost):
            self._trouble = f"An event for {observation.target} was lost: {observation.reason}."
        elif isinstance(observation, ExecutionEnded) and observation.status != "SUCCEEDED":
            self._trouble = f"{observation.error}: {observation.cause}"
        self.heard(observation)

    def _at_rest(self) -> bool:
        if self._cloud is None:
            return False
        try:
            self._cloud.wait_idle(0)
        except TimeoutError:
            return False
        return True

    def _why(self) -> str:
        reason = self._trouble or "Nothing is left to be done."
        return f"The run came to rest without an end. {reason} Run it again with --keep and look at the logs."


def _ignore(_observation: Observation) -> None:
    """Hear nothing."""
