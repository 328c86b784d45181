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
"""Pictures times pixels that are compared; each takes nine bytes of memory."""


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


def picture(grey: npt.NDArray[np.uint16]) -> Uint8:
    """Return the 8-bit picture, uint8[height * width], of the 16-bit grey values of a PNG."""
    return (grey >> 8).astype(np.uint8).ravel()


def clipped(grey: Uint8) -> Float32:
    """Return a picture, uint8[pixels], as float32 in 0–1, hot spots clipped: 1 is the 99th percentile.

    Where that is 0, it is the highest value; a picture of nothing stays 0.
    """
    high = np.quantile(grey, CLIPPED_SHARE) or float(grey.max()) or 1.0
    shown: Float32 = (np.minimum(grey, high) / high).astype(np.float32)
    return shown


def smoothed(shown: Float32, shape: tuple[int, int]) -> Float32:
    """Return a picture, float32[height * width], without what is below its median, through a 3×3 median filter.

    `shape` is (height, width). Beyond the edge, the picture is mirrored.
    """
    height, width = shape
    kept = np.where(shown < np.median(shown), np.float32(0), shown).reshape(shape)
    padded = np.pad(kept, 1, mode="symmetric")
    around = np.stack([padded[y : y + height, x : x + width].ravel() for y in range(3) for x in range(3)])
    middle: Float32 = np.partition(around, 4, axis=0)[4]
    return middle


def similarities(pictures: Sequence[Uint8], shape: tuple[int, int]) -> dict[str, Float32]:
    """Return both measures between all of n pictures, float32[n, n] each by its name; 0 for a picture of nothing.

    `shape` is (height, width).
    """
    shown = [clipped(grey) for grey in pictures]
    return {
        "cosine": _cosines(shown, shape),
        "median_thresholded_cosine": _cosines([smoothed(each, shape) for each in shown], shape),
    }


def _cosines(pictures: Sequence[Float32], shape: tuple[int, int]) -> Float32:
    values = np.empty((len(pictures), shape[0] * shape[1]), np.float32)
    for row, each in enumerate(pictures):
        values[row] = each / (np.linalg.norm(each) or np.float32(1))
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
