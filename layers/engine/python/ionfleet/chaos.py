"""Measure of spatial chaos: how far an ion image is from noise (docs/annotation.md, Chaos).

Counting the connected parts of an image above each of n thresholds takes one labelling per threshold in the textbook
form. The level sets are nested, and so are the sets after dilation and erosion: one image of integers (how many
thresholds a pixel exceeds) holds them all, and adding its pixels from the highest level down, each joined to those
beside it, goes through all counts in one pass (`ionfleet.kernels`). The work follows the pixels that have signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionfleet import kernels

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class SparseImages:
    """Images as entries, one image after the other, each pixel of an image at most once.

    `ends` (int64[n]) tells where each image's entries end. `y`, `x` are int32, `value` is float32 and above 0.
    """

    ends: Int64
    y: Int32
    x: Int32
    value: npt.NDArray[np.float32]


def measure_of_chaos(
    images: SparseImages, width: int, height: int, *, levels: int = 30, metaspace: bool = False
) -> npt.NDArray[np.float64]:
    """Return the measure of chaos of each image, in [0, 1].

    Parameters
    ----------
    images
        The signal of ion images on a grid of `height` rows and `width` columns; pixels without entry are 0.
    width, height
        Size of the grid in pixels.
    levels
        Number of thresholds, at most 126.
    metaspace
        Whether to drop rows and columns as METASPACE does before, and to take almost 1 for 0 after.

    Returns
    -------
    float64[n]
        0 where an image is empty or no connected part is left after the morphology.

    Raises
    ------
    ValueError
        An entry lies outside the grid.

    """
    count = len(images.ends)
    signal = np.diff(images.ends, prepend=0)
    y, x = images.y, images.x
    heights, widths = np.full(count, height), np.full(count, width)
    if metaspace:
        image = np.repeat(np.arange(count), signal)
        y, heights = _compact_axis(image, y, count, height)
        x, widths = _compact_axis(image, x, count, width)
    level = kernels.exceeded_levels(images.ends, images.value, levels)
    parts = kernels.count_parts(images.ends, y, x, level, heights, widths)
    with np.errstate(invalid="ignore", divide="ignore"):
        chaos = 1.0 - parts / levels / signal
    lost = (signal == 0) | (parts == 0)
    if metaspace:
        lost |= np.isclose(chaos, 1.0)
    return np.where(lost, 0.0, chaos)


def _compact_axis(image: Int64, position: Int32, count: int, size: int) -> tuple[Int32, Int64]:
    """Drop the rows (or columns) that METASPACE takes for more than 2 away from an occupied one.

    Its reach backward is a shift by exactly 2, so that a row one before the last can be dropped although it is near.
    An axis of which 90 % or more would stay is left as it is. Returns the new positions and the new sizes per image.
    """
    occupied = np.zeros((count, size), bool)
    occupied[image, position] = True
    kept = occupied.copy()
    kept[:, 1:] |= occupied[:, :-1]
    kept[:, 2:] |= occupied[:, :-2]
    kept[:, :-2] |= kept[:, 2:].copy()
    sizes = kept.sum(axis=1)
    dropped = sizes < 0.9 * size
    new_position = np.cumsum(kept, axis=1) - 1
    positions = np.where(dropped[image], new_position[image, position], position)
    return positions.astype(np.int32), np.where(dropped, sizes, size)
