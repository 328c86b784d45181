"""Which ions are found in the same places (docs/annotation.md, Colocalization).

Ions are compared by pictures of their first images in 256 steps, hot spots clipped: as METASPACE does, whose users see
these pictures. Two measures: the cosine of two pictures, and that of what is left of them when everything below each
one's median is taken away and single pixels are smoothed out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionfleet.fdr import LEVELS

Float32 = npt.NDArray[np.float32]
Uint8 = npt.NDArray[np.uint8]

CLIPPED_SHARE = 0.99
"""Quantile of a picture above which its values are clipped."""

LOWEST_SCORE = 0.3
MOST_PARTNERS = 100
"""Partners of an ion that are listed."""

LEVEL_MARGIN = 0.001
"""How far above a level an FDR may be and still count."""

FEWEST_ANNOTATIONS = 3
FEWEST_PIXELS = 3

MOST_VALUES = 1 << 27
"""Pictures times pixels that are compared; each takes six bytes of memory."""


@dataclass(frozen=True)
class Partners:
    """The listed partners of the ions of one level: equally long arrays, by ion and then by rank.

    `ion` and `partner` (int64) are rows of the pictures, `rank` (int64) counts from 0, `score` is float32.
    """

    level: float
    algorithm: str
    ion: npt.NDArray[np.int64]
    partner: npt.NDArray[np.int64]
    rank: npt.NDArray[np.int64]
    score: Float32


def most_compared(pixels: int) -> int:
    """Return how many annotations of a database are compared at most, each by a picture of so many pixels."""
    return MOST_VALUES // pixels


def picture(grey: npt.NDArray[np.uint16]) -> Uint8:
    """Return the 8-bit picture, uint8[height * width], of the 16-bit grey values of a PNG."""
    return (grey >> 8).astype(np.uint8).ravel()


def shades(grey: Uint8) -> Float32:
    """Return what each step of a picture, uint8[pixels], is shown as: float32[256] in 0–1, hot spots clipped.

    1 is the 99th percentile, or, where that is 0, the highest value; a picture of nothing stays 0.
    """
    high = np.quantile(grey, CLIPPED_SHARE) or float(grey.max()) or 1.0
    shown: Float32 = (np.minimum(np.arange(256), high) / high).astype(np.float32)
    return shown


def smoothed(grey: Uint8, shades: Float32, shape: tuple[int, int]) -> Uint8:
    """Return a picture, uint8[height * width], without what is below its median, through a 3×3 median filter.

    `shades` is what its steps are shown as: they ascend, so that a median of steps is one of what is shown. `shape` is
    (height, width). Beyond the edge, the picture is mirrored.
    """
    low = shades < np.median(shades[grey])
    padded = np.pad(np.where(low, 0, np.arange(256)).astype(np.uint8)[grey].reshape(shape), 1, mode="symmetric")
    # Each column of three in order; of nine so arranged, the median is that of the highest of the lowest, the middle
    # one of the middle ones, and the lowest of the highest.
    low_three, middle_three, high_three = _ordered(padded[:-2], padded[1:-1], padded[2:])
    highest = np.maximum(np.maximum(low_three[:, :-2], low_three[:, 1:-1]), low_three[:, 2:])
    middle = _ordered(middle_three[:, :-2], middle_three[:, 1:-1], middle_three[:, 2:])[1]
    lowest = np.minimum(np.minimum(high_three[:, :-2], high_three[:, 1:-1]), high_three[:, 2:])
    return _ordered(highest, middle, lowest)[1].ravel()


def _ordered(a: Uint8, b: Uint8, c: Uint8) -> tuple[Uint8, Uint8, Uint8]:
    """Return the lowest, the middle and the highest of three pictures, pixel by pixel."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    return np.minimum(low, c), np.maximum(low, np.minimum(high, c)), np.maximum(high, c)


def similarities(pictures: Sequence[Uint8], shape: tuple[int, int]) -> dict[str, Float32]:
    """Return both measures between all of n pictures, float32[n, n] each by its name; 0 for a picture of nothing.

    `shape` is (height, width).
    """
    shown = [shades(grey) for grey in pictures]
    smooth = [smoothed(grey, each, shape) for grey, each in zip(pictures, shown, strict=True)]
    return {
        "cosine": _cosines(pictures, shown),
        "median_thresholded_cosine": _cosines(smooth, shown),
    }


def _cosines(pictures: Sequence[Uint8], shades: Sequence[Float32]) -> Float32:
    values = np.empty((len(pictures), len(pictures[0])), np.float32)
    for row, (grey, shown) in enumerate(zip(pictures, shades, strict=True)):
        np.take(shown, grey, out=values[row])
        values[row] /= np.linalg.norm(values[row]) or np.float32(1)
    return values @ values.T


def partners(similarity: Mapping[str, Float32], fdr: npt.NDArray[np.float64]) -> Iterator[Partners]:
    """Yield for every level and measure the partners of each ion among those of the level.

    Parameters
    ----------
    similarity
        As `similarities` returns it.
    fdr
        float64[n] of the ions, in the same order, the best first.

    """
    for level in LEVELS:
        chosen = np.flatnonzero(fdr <= level + LEVEL_MARGIN)
        if len(chosen) < 2:
            continue
        for algorithm, matrix in similarity.items():
            scores = matrix[np.ix_(chosen, chosen)]
            np.fill_diagonal(scores, -1)
            order = np.argsort(-scores, axis=1, kind="stable")[:, :MOST_PARTNERS]
            best = np.take_along_axis(scores, order, axis=1)
            ion, rank = np.nonzero(best >= LOWEST_SCORE)
            yield Partners(level, algorithm, chosen[ion], chosen[order[ion, rank]], rank, best[ion, rank])
