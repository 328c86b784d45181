"""Ion images out of sorted peaks: the windows of many centroids, the points in them, the images that the points make.

One search finds all windows, one gather collects their points, and numpy's radix sort of short integers groups them.
Nothing here knows what the images are for (`ionfleet.measure`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ionfleet.isotopes import tolerance_windows

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Uint32 = npt.NDArray[np.uint32]
Bool = npt.NDArray[np.bool_]

MOST_IONS = 1 << 16
"""Ions whose images can be extracted at a time."""

_MARKS = 1 << 22
_MARKED_POINTS = 1 << 17
_MARKED_IONS = 256


@dataclass(frozen=True)
class Windows:
    """For n ions and k isotopes the points left ≤ i < right among the sorted peaks, int64[n, k]."""

    left: Int64
    right: Int64

    @property
    def points(self) -> Int64:
        """Number of points in each window, int64[n, k]: what METASPACE calls the nnz of an image."""
        return self.right - self.left

    def take(self, ions: Int64 | slice, isotopes: slice = slice(None)) -> Windows:
        """Return the windows of some ions, and of some of the isotopes."""
        return Windows(self.left[ions, isotopes], self.right[ions, isotopes])


@dataclass(frozen=True)
class Images:
    """Ion images as entries ordered by ion, pixel rank and isotope, each (ion, pixel, isotope) once.

    `ion` counts from 0 within the batch; `value` is the float32 sum of the points there.
    """

    ion: Int64
    pixel: Int64
    isotope: Int64
    value: Float32

    @cached_property
    def new_pixel(self) -> Bool:
        """Which entries are the first of their ion and pixel."""
        new = np.ones(len(self.value), bool)
        new[1:] = (self.ion[1:] != self.ion[:-1]) | (self.pixel[1:] != self.pixel[:-1])
        return new

    def take(self, entries: Int64 | Bool) -> Images:
        """Return some of the entries."""
        return Images(self.ion[entries], self.pixel[entries], self.isotope[entries], self.value[entries])


def find_windows(mz: Float64, centroids: Float64, ppm: float) -> Windows:
    """Find the points within the tolerance windows, closed on both sides, around centroids [n, k]; 0 is none."""
    lower, upper = tolerance_windows(centroids, ppm)
    # Isotope by isotope, since centroids of one isotope are often ascending, and then near to those looked up before.
    left = np.column_stack([np.searchsorted(mz, column, side="left") for column in lower.T])
    right = np.column_stack([np.searchsorted(mz, column, side="right") for column in upper.T])
    empty = centroids == 0
    return Windows(np.where(empty, 0, left), np.where(empty, 0, right))


def cut_ions(points: Int64, most_points: int, most_ions: int) -> Iterator[slice]:
    """Cut ions, given by their numbers of points, into pieces of about `most_points` and at most `most_ions`."""
    ends = np.cumsum(points)
    first = 0
    while first < len(points):
        done = ends[first - 1] if first else 0
        stop = int(np.searchsorted(ends, done + most_points, side="right"))
        stop = min(max(stop, first + 1), first + most_ions)
        yield slice(first, stop)
        first = stop


def gather(windows: Windows) -> tuple[Int64, Int64]:
    """Return for every point of every window its slot (ion * k + isotope) and its place among the peaks."""
    counts = windows.points.ravel()
    slot = np.repeat(np.arange(counts.size), counts)
    starts = np.cumsum(counts) - counts
    index = np.arange(len(slot)) - np.repeat(starts - windows.left.ravel(), counts)
    return slot, index


def may_share_pixels(windows: Windows, pixel: Uint32, pixels: int) -> Bool:
    """Tell which ions may have other isotopes' points in pixels of their first image: bool[n], False means surely not.

    Pixels are marked in a table whose places several ions share where they have too many pixels: no sort is needed.
    """
    result = np.zeros(len(windows.left), bool)
    marks = np.zeros(_MARKS, bool)
    for ions in cut_ions(windows.points.sum(axis=1), _MARKED_POINTS, max(_MARKED_IONS, _MARKS // pixels)):
        first, others = windows.take(ions, slice(0, 1)), windows.take(ions, slice(1, None))
        _, marked = _places(first, pixel, pixels)
        ion, places = _places(others, pixel, pixels)
        marks[marked] = True
        result[ions.start + ion[marks[places]]] = True
        marks[marked] = False
    return result


def _places(windows: Windows, pixel: Uint32, pixels: int) -> tuple[Int64, Int64]:
    """Return the ion of every point, and its pixel's place in the table of marks."""
    slot, index = gather(windows)
    ion = slot // windows.left.shape[1]
    return ion, (ion * pixels + pixel[index]) & (_MARKS - 1)


def aggregate(slot: Int64, pixel: Uint32, intensity: Float32, isotopes: int) -> Images:
    """Sum the points of each (ion, pixel, isotope) in float32, in the order of their m/z.

    The points of at most `MOST_IONS` ions, in ascending order of their slots, and within a slot of their m/z.
    """
    order = _order(slot // isotopes, pixel)
    slot, pixel = slot[order], pixel[order]
    new = np.ones(len(order), bool)
    new[1:] = (slot[1:] != slot[:-1]) | (pixel[1:] != pixel[:-1])
    starts = np.flatnonzero(new)
    ion, isotope = np.divmod(slot[starts], isotopes)
    return Images(ion, pixel[starts].astype(np.int64), isotope, _sum_groups(intensity[order], starts))


def _order(ion: Int64, pixel: Uint32) -> Int64:
    """Return the stable order by ion and pixel: of 16 bits, numpy's stable sort is a radix sort."""
    order = np.argsort(pixel.astype(np.uint16), kind="stable")
    for high in (pixel >> 16, ion):
        if high.any():
            order = order[np.argsort(high.astype(np.uint16)[order], kind="stable")]
    return order


def _sum_groups(values: Float32, starts: Int64) -> Float32:
    """Sum groups of adjacent values in float32 one after the other; `reduceat` would take another order."""
    sums = values[starts]
    sizes = np.diff(starts, append=len(values))
    groups = np.flatnonzero(sizes > 1)
    step = 1
    with np.errstate(over="ignore"):
        while len(groups):
            sums[groups] += values[starts[groups] + step]
            step += 1
            groups = groups[sizes[groups] > step]
    return sums
