"""Measure of spatial chaos: how far an ion image is from noise (docs/annotation.md, Chaos).

Counting the connected parts of an image above each of n thresholds takes one labelling per threshold in the textbook
form. The level sets are nested, and so are the sets after dilation and erosion, so that all counts follow from one
image of integers (how many thresholds a pixel exceeds): over all levels, the parts number

    sum of the pixels' levels  -  total weight of a maximum spanning forest,

where an edge between neighbours weighs the lower of their levels: a forest edge of weight w joins two parts in each of
the w lowest level sets. Whole batches of images share one forest.

The work follows the pixels that have signal. Images lie on a canvas one below the other, of which only these pixels and
their neighbours are ever touched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Levels = npt.NDArray[np.int8]

_CANVAS_PIXELS = 1 << 21
_OUTSIDE = np.iinfo(np.int8).max


@dataclass(frozen=True)
class SparseImages:
    """Images as entries: `image`, `y`, `x` (int64) and `value` (float32, > 0), each pixel of an image at most once.

    Entries are ordered by image. `count` is the number of images, of which some may have no entry.
    """

    image: Int64
    y: Int64
    x: Int64
    value: npt.NDArray[np.float32]
    count: int


@dataclass(frozen=True)
class _Canvas:
    """Where the pixels of images are in one array: row by row, with a column and a row of margin behind each image.

    Before the first image there is a row of margin, too, so that every pixel has margin or pixels on all sides.
    """

    count: int
    height: int
    width: int

    @property
    def stride(self) -> int:
        """How far apart pixels are that lie one below the other."""
        return self.width + 1

    @property
    def size(self) -> int:
        return self.stride * (1 + self.count * (self.height + 1))

    def places(self, image: Int64, y: Int64, x: Int64) -> Int64:
        return (1 + image * (self.height + 1) + y) * self.stride + x

    def images(self, place: Int64) -> Int64:
        """Return the images that places belong to."""
        return (place - self.stride) // (self.stride * (self.height + 1))

    def empty(self) -> Levels:
        """Return an array without signal, whose margins are outside."""
        levels = np.zeros(self.size, np.int8)
        rows = levels.reshape(-1, self.stride)
        rows[:, self.width] = _OUTSIDE
        rows[:: self.height + 1] = _OUTSIDE
        return levels

    def shrink(self, levels: Levels, heights: Int64, widths: Int64) -> None:
        """Put the margins of smaller images where these end: [count] each."""
        stack = levels[self.stride :].reshape(self.count, self.height + 1, self.stride)
        for sizes, whole, lines in ((heights, self.height, stack), (widths, self.width, stack.swapaxes(1, 2))):
            smaller = np.flatnonzero(sizes < whole)
            lines[smaller, sizes[smaller]] = _OUTSIDE


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
        Number of thresholds, at most 127.
    metaspace
        Whether to drop rows and columns as METASPACE does before, and to take almost 1 for 0 after.

    Returns
    -------
    float64[images.count]
        0 where an image is empty or no connected part is left after the morphology.

    """
    result = np.zeros(images.count)
    size = max(1, _CANVAS_PIXELS // ((width + 1) * (height + 1)))
    for first in range(0, images.count, size):
        batch = _slice(images, first, min(first + size, images.count))
        result[first : first + size] = _batch_chaos(batch, width, height, levels, metaspace)
    return result


def _slice(images: SparseImages, first: int, stop: int) -> SparseImages:
    a, b = np.searchsorted(images.image, [first, stop])
    return SparseImages(images.image[a:b] - first, images.y[a:b], images.x[a:b], images.value[a:b], stop - first)


def _batch_chaos(
    images: SparseImages, width: int, height: int, levels: int, metaspace: bool
) -> npt.NDArray[np.float64]:
    y, x, canvas = images.y, images.x, _Canvas(images.count, height, width)
    outside = canvas.empty()
    if metaspace:
        y, heights = _compact_axis(images.image, y, images.count, height)
        x, widths = _compact_axis(images.image, x, images.count, width)
        canvas.shrink(outside, heights, widths)
    level = exceeded_levels(images, levels)
    seen = level > 0
    parts = _count_parts(canvas, *_close(canvas, outside, canvas.places(images.image, y, x)[seen], level[seen]))
    signal = np.bincount(images.image, minlength=images.count)
    with np.errstate(invalid="ignore", divide="ignore"):
        chaos = 1.0 - parts / levels / signal
    lost = (signal == 0) | (parts == 0)
    if metaspace:
        lost |= np.isclose(chaos, 1.0)
    return np.where(lost, 0.0, chaos)


def exceeded_levels(images: SparseImages, levels: int) -> npt.NDArray[np.int8]:
    """Return for each entry how many of the thresholds max * i / levels, i = 0 … levels - 1, lie below its value.

    Thresholds are float32 and rounded in two steps, as in the C++ whose numbers these are. An infinite maximum makes
    the lowest threshold NaN, and no pixel exceeds any.
    """
    starts = np.flatnonzero(np.diff(images.image, prepend=-1))
    sizes = np.diff(starts, append=len(images.image))
    highest = np.repeat(np.maximum.reduceat(images.value, starts) if len(starts) else images.value, sizes)
    finite = np.isfinite(highest)
    with np.errstate(invalid="ignore", over="ignore"):
        guess = np.floor(images.value / highest * np.float32(levels))
        level = np.clip(np.where(finite, guess, 0), 0, levels).astype(np.int64)
        while True:  # thresholds ascend; the guess is off by one at most where they are not tiny or huge
            above = finite & (level < levels) & (images.value > _threshold(highest, level, levels))
            below = finite & (level > 0) & ~(images.value > _threshold(highest, level - 1, levels))
            if not (above.any() or below.any()):
                return level.astype(np.int8)
            level += above
            level -= below


def _threshold(highest: npt.NDArray[np.float32], step: Int64, levels: int) -> npt.NDArray[np.float32]:
    return (highest * step.astype(np.float32)) / np.float32(levels)


def _close(canvas: _Canvas, image: Levels, place: Int64, level: Levels) -> tuple[Int64, Levels]:
    """Dilate with the 4-neighbour cross, then erode with the 3x3 square; what is outside an image takes no part.

    Returns places and levels of what is left. `image` is an empty canvas, which is drawn on.
    """
    image[place] = level
    support = [place]
    for step in (-canvas.stride, -1, 1, canvas.stride):
        neighbour = place + step
        before = image[neighbour]
        image[neighbour] = np.maximum(before, level)
        support.append(neighbour[before == 0])
    place = np.concatenate(support)
    level = image[place]
    corners = (-canvas.stride - 1, -canvas.stride + 1, canvas.stride - 1, canvas.stride + 1)
    for step in (*corners, -canvas.stride, -1, 1, canvas.stride):
        level = np.minimum(level, image[place + step])
        if 2 * np.count_nonzero(level) < len(level):  # where signal is scarce, few places have corners
            place, level = place[level > 0], level[level > 0]
    place, level = place[level > 0], level[level > 0]
    order = np.argsort(place, kind="stable")  # neighbours side by side in memory, for what follows
    return place[order], level[order]


def _count_parts(canvas: _Canvas, place: Int64, level: Levels) -> Int64:
    """Return per image the number of 4-connected parts, summed over all level sets {level > i}, i ≥ 0."""
    number = np.zeros(canvas.size, np.int32)
    number[place] = np.arange(1, len(place) + 1)
    right, down = number[place + 1], number[place + canvas.stride]
    a = np.concatenate([np.flatnonzero(right), np.flatnonzero(down)])
    b = np.concatenate([right[right > 0], down[down > 0]]).astype(np.int64) - 1
    weight = level.astype(np.int64)
    alone = weight - _forest_weight(weight, a, b)
    return np.bincount(canvas.images(place), weights=alone, minlength=canvas.count).astype(np.int64)


def _forest_weight(level: Int64, a: Int64, b: Int64) -> Int64:
    """Return, at one vertex of each tree's edges, the weights of a maximum spanning forest.

    The sum over the vertices of an image is the weight of its forest. Borůvka's algorithm; its first round is made
    cheap by the weights: a neighbour of at least a vertex's own level is always a best neighbour.
    """
    weight_at = np.zeros(len(level), np.int64)
    root = _climb(level, a, b)
    hooked = root != np.arange(len(level))
    weight_at[hooked] = level[hooked]
    root = _jump(root)
    weight = np.minimum(level[a], level[b])
    while True:
        u, v = root[a], root[b]
        crossing = u != v
        a, b, weight, u, v = a[crossing], b[crossing], weight[crossing], u[crossing], v[crossing]
        if not len(a):
            return weight_at
        # One order of all edges, the same seen from both ends, so that the chosen edges close no circle.
        rank = weight * len(a) + np.arange(len(a))
        best = np.full(len(level), -1, np.int64)
        np.maximum.at(best, u, rank)
        np.maximum.at(best, v, rank)
        trees = np.flatnonzero(best >= 0)
        edge = best[trees] % len(a)
        other = np.where(u[edge] == trees, v[edge], u[edge])
        mutual = (best[other] == best[trees]) & (trees < other)
        parent = np.arange(len(level))
        parent[trees[~mutual]] = other[~mutual]
        weight_at[trees[~mutual]] += weight[edge[~mutual]]
        root = _jump(parent)[root]


def _climb(level: Int64, a: Int64, b: Int64) -> Int64:
    """Point each vertex at its highest neighbour if that stands above it (ties by number), else at itself."""
    order = level * len(level) + np.arange(len(level))
    best = order.copy()
    np.maximum.at(best, a, order[b])
    np.maximum.at(best, b, order[a])
    return best % max(1, len(level))


def _jump(parent: Int64) -> Int64:
    """Follow parents to the roots."""
    while True:
        further = parent[parent]
        if np.array_equal(further, parent):
            return parent
        parent = further


def _compact_axis(image: Int64, position: Int64, count: int, size: int) -> tuple[Int64, Int64]:
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
    return positions, np.where(dropped, sizes, size)
