"""Random numbers that depend on nothing but a seed and the place they are drawn for.

A draw is a hash of (seed, stream, row, column): whatever order the simulation goes in, and however it is cut into
blocks, the same place gets the same number, on every machine and with every version of numpy. For the same reason
distributions are tables of quantiles, rounded so that differences between mathematical libraries vanish, and the
simulation computes with nothing but +, -, *, / and square roots, which IEEE 754 defines to the last bit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

_QUANTILES = 1 << 16
_COLUMN_BITS = 24
# The increment and the multipliers of SplitMix64 (Steele, Lea and Flood 2014, with Stafford's variant 13 of the mixer).
_INCREMENT = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_SHIFTS = (np.uint64(30), np.uint64(27), np.uint64(31))


class Draws:
    """The random numbers of one stream of a seed: a table without end, of which any part can be computed.

    Examples
    --------
    >>> draws = Draws(1, "noise")
    >>> bool((draws.bits([0, 1], 8)[1] == draws.bits([1], 8)[0]).all())
    True

    """

    def __init__(self, seed: int, stream: str) -> None:
        digest = hashlib.sha256(f"{seed} {stream}".encode()).digest()
        self._key = np.uint64(int.from_bytes(digest[:8], "little"))

    def bits(self, rows: ArrayLike, columns: int) -> NDArray[np.uint64]:
        """Return 64 random bits for each row and the columns 0 to `columns` (at most 2^24), uint64[rows, columns]."""
        first: NDArray[np.uint64] = np.asarray(rows, np.uint64)[:, np.newaxis] << np.uint64(_COLUMN_BITS)
        state: NDArray[np.uint64] = np.add(first, np.arange(columns, dtype=np.uint64))
        state *= _INCREMENT
        state += self._key
        for shift, multiplier in zip(_SHIFTS, _MULTIPLIERS, strict=False):
            state ^= state >> shift
            state *= multiplier
        state ^= state >> _SHIFTS[-1]
        return state

    def short_bits(self, rows: ArrayLike, columns: int) -> NDArray[np.uint16]:
        """Return 16 random bits for each row and column, uint16[rows, columns]: indices into a table of quantiles."""
        words = self.bits(rows, -(-columns // 4))
        return words.astype("<u8", copy=False).view("<u2")[:, :columns]

    def uniform(self, row: int, count: int) -> NDArray[np.float64]:
        """Return numbers in [0, 1) from the beginning of a row, float64[count]."""
        numbers: NDArray[np.float64] = (self.bits([row], count)[0] >> np.uint64(11)) * 2.0**-53
        return numbers

    def order(self, row: int, count: int) -> NDArray[np.intp]:
        """Return the numbers below `count` in random order, intp[count]."""
        return np.argsort(self.bits([row], count)[0], kind="stable")


def _quantiles(quantile: Callable[[float], float]) -> NDArray[np.float32]:
    """Return the 65,536 quantiles of a distribution given by its value for a standard normal one."""
    normal = NormalDist()
    points = (normal.inv_cdf((index + 0.5) / _QUANTILES) for index in range(_QUANTILES))
    return np.array([round(quantile(point), 6) for point in points], np.float32)


@cache
def normal_quantiles() -> NDArray[np.float32]:
    """Return the quantiles of the normal distribution with mean 0 and standard deviation 1, float32[65536]."""
    return _quantiles(lambda point: point)


@cache
def lognormal_quantiles(sigma: float) -> NDArray[np.float32]:
    """Return the quantiles of exp(sigma z) for a standard normal z: median 1, float32[65536]."""
    return _quantiles(lambda point: math.exp(sigma * point))
