"""Metrics of ion images, for many ions at a time (docs/annotation.md, Ion images and Metrics).

Compiled loops sum the points (`ionfleet.kernels`), always in the same order, so that an ion's numbers are the same to
the last bit in whatever segment it is measured; what the metrics make of the sums is here. Chaos is measured only where
the other scores are not 0, unless of targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionfleet import kernels
from ionfleet.chaos import SparseImages, measure_of_chaos
from ionfleet.extraction import Bool, Float32, Float64, Images, Int64, Windows, cut_ions, extract, find_windows
from ionfleet.index import Grid
from ionfleet.kernels import ImageSums, PeakArrays
from ionfleet.runs import SortedPeaks

BATCH_POINTS = 1 << 20
"""Points of the images whose chaos is measured at a time."""

_FLAT = 1e-10  # an image whose squared coefficient of variation is below has no variance but rounding


@dataclass(frozen=True)
class Settings:
    """What the measurement depends on beside peaks and patterns.

    `metaspace` takes METASPACE's ways where ours differ; `single_precision` correlates images as its v3 does.
    """

    ppm: float
    min_pixels: int = 1
    levels: int = 30
    metaspace: bool = False
    single_precision: bool = False


@dataclass(frozen=True)
class Patterns:
    """Theoretical patterns of n ions: m/z and intensity float64[n, k], zeros at the end; `target` bool[n]."""

    mz: Float64
    intensity: Float64
    target: Bool

    def take(self, rows: npt.NDArray[np.integer]) -> Patterns:
        """Return the patterns of some rows."""
        return Patterns(self.mz[rows], self.intensity[rows], self.target[rows])


@dataclass(frozen=True)
class Measured:
    """Metrics of m ions, one row each; arrays over isotopes have shape [m, k].

    `row` points into the patterns given. `chaos`, `spatial`, `spectral` are in [0, 1]. m/z errors are in Da, `mz_mean`
    and `mz_std` in m/z, `total`, `maximum` in the dataset's intensity units.
    """

    row: Int64
    chaos: Float64
    spatial: Float64
    spectral: Float64
    mz_err_abs: Float64
    mz_err_rel: Float64
    total: Float32
    maximum: Float32
    mz_mean: Float64
    mz_std: Float64
    points: Int64

    @property
    def msm(self) -> Float64:
        """Metabolite-signal match: the product of the three scores."""
        return self.chaos * self.spatial * self.spectral


def measure(peaks: SortedPeaks, patterns: Patterns, grid: Grid, settings: Settings) -> tuple[Measured, Images]:
    """Measure every ion that can matter.

    Parameters
    ----------
    peaks
        All peaks in the windows of the given ions.
    patterns
        Isotope patterns of the ions.
    grid
        The image grid that the peaks' pixel ranks belong to.
    settings
        Tolerance, smallest image, chaos thresholds, compatibility.

    Returns
    -------
    (Measured, Images)
        Every target with any signal and every decoy whose msm is above 0; the images are those of the targets with msm
        above 0, and their `ion` is the ion's place in that `Measured`.

    Raises
    ------
    ValueError
        A peak is in no pixel of the grid.

    """
    windows = find_windows(peaks.mz, patterns.mz, settings.ppm)
    present = (windows.points > 0) & (windows.points >= settings.min_pixels)
    rows = np.flatnonzero(
        np.where(patterns.target, (windows.points > 0).any(axis=1), present[:, 0] & present[:, 1:].any(axis=1))
    )
    patterns, present = patterns.take(rows), present[rows]
    windows = windows.take(rows).where(present)
    arrays = PeakArrays(peaks.mz, peaks.intensity, peaks.pixel, len(grid.pixel_index))
    sums = kernels.sum_images(arrays, windows.left, windows.right)
    spectral = _spectral(sums.observed, patterns.intensity)
    correlation = (_correlation_single if settings.single_precision else _correlation)(arrays, windows, sums)
    spatial = _spatial(correlation, sums.pixels[:, 0], patterns.intensity)
    chaos = np.zeros(len(rows))
    wanted = np.flatnonzero(patterns.target | ((spatial > 0) & (spectral > 0)))
    chaos[wanted] = _chaos(arrays, windows, wanted, grid, settings)
    kept = np.flatnonzero(patterns.target | (chaos * spatial * spectral > 0))
    windows, patterns = windows.take(kept), patterns.take(kept)
    mean, std = kernels.mz_statistics(arrays, windows.left, windows.right, patterns.mz)
    err_abs, err_rel = _mz_errors(mean, present[kept], patterns, settings.metaspace)
    with np.errstate(over="ignore"):  # what is beyond float32 is the largest
        total, maximum = (np.nan_to_num(each[kept].astype(np.float32)) for each in (sums.total, sums.maximum))
    measured = Measured(
        row=rows[kept],
        chaos=chaos[kept],
        spatial=spatial[kept],
        spectral=spectral[kept],
        mz_err_abs=err_abs,
        mz_err_rel=err_rel,
        total=total,
        maximum=maximum,
        mz_mean=mean,
        mz_std=std,
        points=windows.points,
    )
    shown = np.flatnonzero(patterns.target & (measured.msm > 0))
    return measured, extract(arrays, windows, shown)


def _spectral(observed: Float64, theoretical: Float64) -> Float64:
    """Isotope pattern match over the pixels of the first image; 0 without signal, and, as METASPACE has it, for 1.

    `observed` [n, k] sums the images over these pixels.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        expected = theoretical / np.linalg.norm(theoretical, axis=1, keepdims=True)
        found = observed / np.linalg.norm(observed, axis=1, keepdims=True)
        score = 1.0 - np.abs(expected - found).mean(axis=1)
    return np.where(np.isnan(score) | (score == 1.0), 0.0, score)


def _correlation(peaks: PeakArrays, windows: Windows, sums: ImageSums) -> Float64:  # noqa: ARG001 - as the other one
    """Correlate the other isotopes' images with the first over all sampled pixels; 0 where that is undefined."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        spread = sums.squares - sums.total**2 / peaks.pixels
        spread = np.where(spread > _FLAT * sums.squares, spread, np.nan)
        covariance = sums.with_first[:, 1:] - sums.total[:, :1] * sums.total[:, 1:] / peaks.pixels
        correlation = covariance / np.sqrt(spread[:, :1] * spread[:, 1:])
    return np.where(np.isfinite(correlation) & sums.meets[:, None], correlation, 0.0)


def _correlation_single(peaks: PeakArrays, windows: Windows, sums: ImageSums) -> Float64:
    """Correlate as METASPACE does, in float32 from pixel to pixel: its rounding reaches the fifth decimal."""
    meeting = windows.take(sums.meets)
    variance, covariance = kernels.correlate_single(peaks, meeting.left, meeting.right)
    scale = np.float32(peaks.pixels - 1)
    correlation = np.zeros((len(sums.meets), windows.left.shape[1] - 1))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        variance, covariance = variance / scale, covariance[:, 1:] / scale
        found = covariance / np.sqrt(variance[:, :1] * variance[:, 1:])
    correlation[sums.meets] = np.where(np.isfinite(found), found, 0.0)
    return correlation


def _spatial(correlation: Float64, first_pixels: Int64, theoretical: Float64) -> Float64:
    """Mean correlation of the other isotopes' images with the first, weighted by the pattern; 0 without weights."""
    weights = theoretical[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        score = (correlation * weights).sum(axis=1) / weights.sum(axis=1)
    return np.clip(np.where((first_pixels < 2) | np.isnan(score), 0.0, score), 0.0, 1.0)


def _chaos(peaks: PeakArrays, windows: Windows, wanted: Int64, grid: Grid, settings: Settings) -> Float64:
    """Measure of chaos of the first isotope's images of the wanted ions, over the whole bounding box."""
    left, right = windows.left[wanted, 0], windows.right[wanted, 0]
    chaos = np.zeros(len(wanted))
    for part in cut_ions(right - left, BATCH_POINTS):
        ends, pixel, value = kernels.list_images(peaks, left[part], right[part])
        y, x = np.divmod(grid.pixel_index[pixel], grid.width)
        images = SparseImages(ends, y.astype(np.int32), x.astype(np.int32), value)
        chaos[part] = measure_of_chaos(
            images, grid.width, grid.height, levels=settings.levels, metaspace=settings.metaspace
        )
    return chaos


def _mz_errors(mean: Float64, present: Bool, patterns: Patterns, metaspace: bool) -> tuple[Float64, Float64]:
    """Return the m/z error of the first peak, and the mean of the others' relative to it, both in Da.

    METASPACE lets an absent isotope contribute minus the first peak's error; without compatibility it is left out.
    """
    error = mean - patterns.mz
    absolute = error[:, 0]
    weights = patterns.intensity[:, 1:]
    if not metaspace:
        weights = np.where(present[:, 1:], weights, 0.0)
    with np.errstate(invalid="ignore"):
        relative = (weights * (error[:, 1:] - absolute[:, None])).sum(axis=1) / weights.sum(axis=1)
    return absolute, np.nan_to_num(relative)
