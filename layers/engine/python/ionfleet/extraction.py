"""Ion images out of sorted peaks: the windows of many centroids among them, and the images that their points make.

Nothing here knows what the images are for (`ionfleet.measure`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionfleet import kernels
from ionfleet.isotopes import tolerance_windows

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Uint32 = npt.NDArray[np.uint32]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Windows:
    """For n ions and k isotopes the points left ≤ i < right among the sorted peaks, int64[n, k]."""

    left: Int64
    right: Int64

    @property
    def points(self) -> Int64:
        """Number of points in each window, int64[n, k]: what METASPACE calls the nnz of an image."""
        return self.right - self.left

    def take(self, ions: Int64 | Bool) -> Windows:
        """Return the windows of some ions."""
        return Windows(self.left[ions], self.right[ions])

    def where(self, present: Bool) -> Windows:
        """Return the windows with those emptied that are not present, bool[n, k]."""
        return Windows(self.left, np.where(present, self.right, self.left))


@dataclass(frozen=True)
class Images:
    """Images one after the other, by ion and isotope.

    `ion` (which counts within the batch), `isotope` and `ends`, int64[m], are an image's own; `pixel` (uint32, ranks,
    ascending in an image) and `value` (float32 sums of the points there) are those of all images, of which each ends
    before `ends`.
    """

    ion: Int64
    isotope: Int64
    ends: Int64
    pixel: Uint32
    value: Float32

    @property
    def image(self) -> Int64:
        """Which of the images each entry belongs to, int64."""
        return np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))


def find_windows(mz: Float64, centroids: Float64, ppm: float) -> Windows:
    """Find the points within the tolerance windows, closed on both sides, around centroids [n, k]; 0 is none."""
    lower, upper = tolerance_windows(centroids, ppm)
    # Isotope by isotope, since centroids of one isotope are often ascending, and then near to those looked up before.
    left = np.column_stack([np.searchsorted(mz, column, side="left") for column in lower.T])
    right = np.column_stack([np.searchsorted(mz, column, side="right") for column in upper.T])
    empty = centroids == 0
    return Windows(np.where(empty, 0, left), np.where(empty, 0, right))


def extract(peaks: kernels.PeakArrays, windows: Windows, ions: Int64) -> Images:
    """Sum the points of some ions' images by pixel, in float32 and in the order of their m/z.

    Parameters
    ----------
    peaks
        The peaks.
    windows
        Windows of n ions and k isotopes; those without any point have no image.
    ions
        Which of the n ions, int64[m].

    """
    chosen = windows.take(ions)
    there = chosen.points > 0
    place, isotope = np.nonzero(there)
    ends, pixel, value = kernels.list_images(peaks, chosen.left[there], chosen.right[there])
    return Images(ions[place], isotope, ends, pixel, value)


def cut_ions(points: Int64, most_points: int) -> Iterator[slice]:
    """Cut ions, given by their numbers of points, into pieces of about `most_points`."""
    ends = np.cumsum(points)
    first = 0
    while first < len(points):
        done = ends[first - 1] if first else 0
        stop = max(int(np.searchsorted(ends, done + most_points, side="right")), first + 1)
        yield slice(first, stop)
        first = stop
