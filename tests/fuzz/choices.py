"""Makes decisions out of bytes, so that a fuzzer that changes bytes changes decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


class Choices:
    """Reads decisions off some bytes from their beginning; past their end every decision is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes, zeros where there are no more."""
        found = self._data[self._position : self._position + count]
        self._position += count
        return found.ljust(count, b"\0")

    def integer(self, lowest: int, highest: int) -> int:
        """Return a whole number, both ends included."""
        span = highest - lowest + 1
        width = (span.bit_length() + 7) // 8
        return lowest + int.from_bytes(self.take(width), "little") % span

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one of some items."""
        return items[self.integer(0, len(items) - 1)]

    def rest(self) -> bytes:
        """Return all that has not been read."""
        return self._data[self._position :]
