"""The image at any m/z, straight from a dataset's sorted runs (docs/annotation.md, Ion images)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionfleet.errors import InvalidInputError
from ionfleet.index import Grid
from ionfleet.isotopes import tolerance_windows
from ionfleet.runs import RunIndex, read_rows, rows_to_read
from ionfleet.store import ObjectStore


@dataclass(frozen=True)
class ImageAt:
    """What was measured in one m/z window.

    Attributes
    ----------
    intensity
        float32[height, width]: the summed intensities of the window's peaks; 0 where there are none.
    sampled
        bool of the same shape: where a spectrum was acquired.
    lower, upper
        The window's ends, both included.
    peaks
        How many peaks lie in it.
    mean_mz
        Their mean m/z, weighted by intensity; None without peaks.

    """

    intensity: npt.NDArray[np.float32]
    sampled: npt.NDArray[np.bool_]
    lower: float
    upper: float
    peaks: int
    mean_mz: float | None


def image_at(work: ObjectStore, runs: Sequence[tuple[str, RunIndex]], grid: Grid, mz: float, ppm: float) -> ImageAt:
    """Read the image of the peaks within ± ppm of an m/z.

    Parameters
    ----------
    work
        Where the runs are.
    runs
        Key and index of every run of the dataset, in the order of their spectra.
    grid
        Where the spectra lie.
    mz, ppm
        Centre and half width of the window.

    Raises
    ------
    InvalidInputError
        There is no such window.

    """
    if not (0 < mz < np.inf and 0 < ppm <= 1e5):
        raise InvalidInputError(f"m/z {mz} ± {ppm} ppm is no window; give an m/z above 0, and up to 100,000 ppm.")
    lower, upper = tolerance_windows(np.array([mz]), ppm)
    (rows,) = rows_to_read([index for _, index in runs], [(lower, upper)])
    peaks = read_rows(work, [key for key, _ in runs], rows)
    inside = slice(*np.searchsorted(peaks.mz, [lower[0], np.nextafter(upper[0], np.inf)]))
    weight = peaks.intensity[inside].astype(np.float64)
    image = np.zeros(grid.height * grid.width, np.float32)
    image[grid.pixel_index] = np.bincount(peaks.pixel[inside], weight, len(grid.pixel_index))
    return ImageAt(
        intensity=image.reshape(grid.height, grid.width),
        sampled=grid.mask,
        lower=float(lower[0]),
        upper=float(upper[0]),
        peaks=len(weight),
        mean_mz=float(np.average(peaks.mz[inside], weights=weight)) if len(weight) else None,
    )
