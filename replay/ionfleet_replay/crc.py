"""Cyclic redundancy checks that S3 knows and the standard library does not."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TypeAlias

import numpy as np

States: TypeAlias = "np.ndarray[tuple[int, ...], np.dtype[np.uint64]]"

LANE = 1024
"""Bytes of a block that one lane works through; all lanes go on together."""

FEWEST_LANES = 64
"""Lanes from which on going on together is faster than one byte after the other."""


class Polynomial:
    """A reflected polynomial of `width` bits, and what can be prepared for it.

    A state is a polynomial's remainder, so it is linear: what a byte or many zero bytes make of it is found by looking
    each of its bytes up in a table.
    """

    def __init__(self, width: int, reflected: int) -> None:
        self.width = width
        self.ones = (1 << width) - 1
        self._reflected = reflected

    @cached_property
    def table(self) -> States:
        """What becomes of a state whose lowest byte is b, shape (256,)."""
        states = np.arange(256, dtype=np.uint64)
        for _ in range(8):
            states = np.where(
                states & np.uint64(1), states >> np.uint64(1) ^ np.uint64(self._reflected), states >> np.uint64(1)
            )
        return states

    @cached_property
    def numbers(self) -> list[int]:
        """The table as Python's integers."""
        return [int(each) for each in self.table]

    @cached_property
    def lane_of_zeros(self) -> list[list[int]]:
        """What a lane of zero bytes makes of a state whose k-th byte is b and whose others are 0."""
        shifts = np.arange(0, self.width, 8, dtype=np.uint64)[:, None]
        states = np.arange(256, dtype=np.uint64) << shifts
        for _ in range(LANE):
            states = self.after(states)
        return [[int(each) for each in row] for row in states]

    def after(self, states: States) -> States:
        """Return states after one more byte, which has been combined with their lowest."""
        looked_up: States = self.table[states & np.uint64(255)]
        return looked_up ^ (states >> np.uint64(8))


@cache
def crc32c() -> Polynomial:
    """Return Castagnoli's polynomial."""
    return Polynomial(32, 0x82F63B78)


@cache
def crc64nvme() -> Polynomial:
    """Return the polynomial of the NVM Express specification."""
    return Polynomial(64, 0x9A6C9329AC4BC9B5)


class Crc:
    """A check that takes bytes block by block, as hashlib's digests do."""

    def __init__(self, polynomial: Polynomial) -> None:
        self._polynomial = polynomial
        self._state = polynomial.ones

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""
        lanes = len(data) // LANE
        if lanes < FEWEST_LANES:
            self._one_by_one(data)
        else:
            self._in_lanes(np.frombuffer(data, np.uint8, lanes * LANE).reshape(lanes, LANE))
            self._one_by_one(data[lanes * LANE :])

    def digest(self) -> bytes:
        """Return the check, its highest byte first."""
        polynomial = self._polynomial
        return (self._state ^ polynomial.ones).to_bytes(polynomial.width // 8, "big")

    def _one_by_one(self, data: bytes) -> None:
        state, table = self._state, self._polynomial.numbers
        for byte in data:
            state = table[(state ^ byte) & 255] ^ (state >> 8)
        self._state = state

    def _in_lanes(self, block: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
        """Take a block, each row of it from the state 0, and join the rows' states."""
        states: States = np.zeros(len(block), np.uint64)
        states[0] = self._state
        for column in np.ascontiguousarray(block.T).astype(np.uint64):
            states = self._polynomial.after(states ^ column)
        joined = 0
        for state in states.tolist():
            joined = self._after_zeros(joined) ^ state
        self._state = joined

    def _after_zeros(self, state: int) -> int:
        result = 0
        for table in self._polynomial.lane_of_zeros:
            result ^= table[state & 255]
            state >>= 8
        return result
