"""Counts what is in flight, so that one can wait until nothing is."""

from __future__ import annotations

import threading
from collections import Counter


class Activity:
    """A thread-safe tally of named things in flight.

    Work that causes other work begins the other before it ends itself, so an empty tally means that nothing is left.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tally: Counter[str] = Counter()
        self._generation = 0

    def begin(self, what: str) -> None:
        """Count one more `what`."""
        with self._changed:
            self._tally[what] += 1
            self._generation += 1

    def end(self, what: str) -> None:
        """Count one less `what`."""
        with self._changed:
            self._tally[what] -= 1
            if not self._tally[what]:
                del self._tally[what]
            self._changed.notify_all()

    def snapshot(self) -> tuple[int, dict[str, int]]:
        """Return a number that grows with everything that begins, and what is in flight now."""
        with self._changed:
            return self._generation, dict(self._tally)

    def wait_change(self, timeout: float) -> None:
        """Wait until something ends, at most `timeout` seconds."""
        with self._changed:
            self._changed.wait(timeout)
