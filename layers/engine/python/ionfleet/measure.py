"""Metrics of ion images, for batches of ions at a time (docs/annotation.md, Ion images and Metrics).

Everything is sums over groups of entries, in the order of the points, so that an ion's numbers are the same to the last
bit in whatever batch or segment it is measured. Most decoys are never measured: where no other isotope shares a pixel
with the first image, no image is correlated with it, and the msm is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ionfleet.chaos import SparseImages, measure_of_chaos
from ionfleet.extraction import (
    MOST_IONS,
    Bool,
    Float32,
    Float64,
    Images,
    Int64,
    Windows,
    aggregate,
    cut_ions,
    find_windows,
    gather,
    may_share_pixels,
)
from ionfleet.index import Grid
from ionfleet.runs import SortedPeaks

Shape = tuple[int, ...]  # of arrays over ions and isotopes: (n, k)

BATCH_POINTS = 1 << 18
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


def measure(
    peaks: SortedPeaks, patterns: Patterns, grid: Grid, settings: Settings
) -> Iterator[tuple[Measured, Images]]:
    """Measure every ion that can matter, batch by batch.

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

    Yields
    ------
    (Measured, Images)
        Of every target with any signal and of every decoy whose msm is above 0; the images are those of the targets
        with msm above 0, and their `ion` is the ion's place in that `Measured`.

    """
    windows = find_windows(peaks.mz, patterns.mz, settings.ppm)
    rows = _worth_measuring(windows, patterns.target, peaks, grid, settings)
    for cut in cut_ions(windows.points[rows].sum(axis=1), BATCH_POINTS, MOST_IONS):
        batch = rows[cut]
        yield _measure_batch(peaks, patterns.take(batch), windows.take(batch), batch, grid, settings)


def _worth_measuring(windows: Windows, target: Bool, peaks: SortedPeaks, grid: Grid, settings: Settings) -> Int64:
    """Return the targets with any signal, and the decoys with another isotope's image that meets the first one."""
    points = windows.points
    there = (points > 0) & (points >= settings.min_pixels)
    decoys = np.flatnonzero(~target & there[:, 0] & there[:, 1:].any(axis=1))
    meeting = may_share_pixels(windows.take(decoys), peaks.pixel, len(grid.pixel_index))
    worth = target & (points > 0).any(axis=1)
    worth[decoys[meeting]] = True
    return np.flatnonzero(worth)


def _measure_batch(
    peaks: SortedPeaks, patterns: Patterns, windows: Windows, rows: Int64, grid: Grid, settings: Settings
) -> tuple[Measured, Images]:
    shape = patterns.mz.shape
    pixels = len(grid.pixel_index)
    present = windows.points >= max(1, settings.min_pixels)
    windows = Windows(windows.left, np.where(present, windows.right, windows.left))
    slot, index = gather(windows)
    images = aggregate(slot, peaks.pixel[index], peaks.intensity[index], shape[1])
    first = _first_values(images)
    spectral = _spectral(_per_slot(images, np.where(first > 0, images.value, 0.0), shape), patterns.intensity)
    correlate = _correlation_single if settings.single_precision else _correlation
    meeting = np.zeros(len(rows), bool)
    meeting[images.ion[(images.isotope > 0) & (first > 0)]] = True
    entries = meeting[images.ion]
    correlation = correlate(images.take(entries), shape, pixels)
    spatial = _spatial(correlation, images, patterns.intensity)
    chaos = np.zeros(len(rows))
    wanted = np.flatnonzero(patterns.target | ((spatial > 0) & (spectral > 0)))
    chaos[wanted] = _chaos(images, wanted, len(rows), grid, settings)
    kept = patterns.target | (chaos * spatial * spectral > 0)
    points_kept = kept[slot // shape[1]]
    mean, std = _mz_statistics(peaks, slot[points_kept], index[points_kept], patterns.mz)
    err_abs, err_rel = _mz_errors(mean, present, patterns, settings.metaspace)
    total, maximum = _totals(images, shape)
    measured = Measured(
        row=rows[kept],
        chaos=chaos[kept],
        spatial=spatial[kept],
        spectral=spectral[kept],
        mz_err_abs=err_abs[kept],
        mz_err_rel=err_rel[kept],
        total=total[kept],
        maximum=maximum[kept],
        mz_mean=mean[kept],
        mz_std=std[kept],
        points=windows.points[kept],
    )
    return measured, _images_of(images, kept, np.flatnonzero(patterns.target[kept] & (measured.msm > 0)))


def _first_values(images: Images) -> Float64:
    """Return for each entry the value of the first isotope's image in the same pixel, float64; 0 where it has none."""
    head = np.flatnonzero(images.new_pixel)
    first = np.where(images.isotope[head] == 0, images.value[head], np.float32(0)).astype(np.float64)
    return np.repeat(first, np.diff(head, append=len(images.value)))


def _per_slot(images: Images, terms: npt.NDArray[np.floating], shape: Shape) -> Float64:
    """Sum terms, one an entry, per ion and isotope, float64[n, k]."""
    slot = images.ion * shape[1] + images.isotope
    return np.asarray(np.bincount(slot, terms, shape[0] * shape[1]), np.float64).reshape(shape)


def _spectral(observed: Float64, theoretical: Float64) -> Float64:
    """Isotope pattern match over the pixels of the first image; 0 without signal, and, as METASPACE has it, for 1.

    `observed` [n, k] sums the images over these pixels.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        expected = theoretical / np.linalg.norm(theoretical, axis=1, keepdims=True)
        found = observed / np.linalg.norm(observed, axis=1, keepdims=True)
        score = 1.0 - np.abs(expected - found).mean(axis=1)
    return np.where(np.isnan(score) | (score == 1.0), 0.0, score)


def _correlation(images: Images, shape: Shape, pixels: int) -> Float64:
    """Correlate the other isotopes' images with the first over all sampled pixels; 0 where that is undefined."""
    value = images.value.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        total, squares = _per_slot(images, value, shape), _per_slot(images, value * value, shape)
        with_first = _per_slot(images, value * _first_values(images), shape)
        spread = squares - total**2 / pixels
        spread = np.where(spread > _FLAT * squares, spread, np.nan)
        covariance = with_first[:, 1:] - total[:, :1] * total[:, 1:] / pixels
        correlation = covariance / np.sqrt(spread[:, :1] * spread[:, 1:])
    return np.where(np.isfinite(correlation), correlation, 0.0)


def _correlation_single(images: Images, shape: Shape, pixels: int) -> Float64:
    """Correlate as METASPACE does, in float32 from pixel to pixel: its rounding reaches the fifth decimal.

    Pixels where the ion has no signal in any isotope are not visited but corrected for.
    """
    ions, isotopes = shape
    new_pixel = images.new_pixel
    ion = images.ion[new_pixel]
    value = np.zeros((len(ion), isotopes), np.float32)
    value[np.cumsum(new_pixel) - 1, images.isotope] = images.value
    slot = (ion[:, None] * isotopes + np.arange(isotopes)).ravel()

    def per_slot(terms: Float32, slot: Int64) -> Float32:
        sums = np.zeros(ions * isotopes, np.float32)
        np.add.at(sums, slot, terms)
        return sums.reshape(shape)

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = per_slot(images.value, images.ion * isotopes + images.isotope) / np.float32(pixels)
        value -= mean[ion]
        unseen = (pixels - np.bincount(ion, minlength=ions)).astype(np.float32)[:, None]
        scale = np.float32(pixels - 1)
        variance = (per_slot((value * value).ravel(), slot) + mean * mean * unseen) / scale
        covariance = (per_slot((value[:, :1] * value).ravel(), slot) + mean[:, :1] * mean * unseen) / scale
        correlation = covariance[:, 1:] / np.sqrt(variance[:, :1] * variance[:, 1:])
    return np.where(np.isfinite(correlation), correlation, 0.0).astype(np.float64)


def _spatial(correlation: Float64, images: Images, theoretical: Float64) -> Float64:
    """Mean correlation of the other isotopes' images with the first, weighted by the pattern; 0 without weights."""
    first_pixels = np.bincount(images.ion[images.isotope == 0], minlength=len(correlation))
    weights = theoretical[:, 1:]
    with np.errstate(invalid="ignore", divide="ignore"):
        score = (correlation * weights).sum(axis=1) / weights.sum(axis=1)
    return np.clip(np.where((first_pixels < 2) | np.isnan(score), 0.0, score), 0.0, 1.0)


def _chaos(images: Images, wanted: Int64, ions: int, grid: Grid, settings: Settings) -> Float64:
    """Measure of chaos of the first isotope's images of the wanted ions, over the whole bounding box."""
    place = np.full(ions, -1)
    place[wanted] = np.arange(len(wanted))
    entry = np.flatnonzero((images.isotope == 0) & (place[images.ion] >= 0))
    y, x = np.divmod(grid.pixel_index[images.pixel[entry]], grid.width)
    sparse = SparseImages(place[images.ion[entry]], y, x, images.value[entry], len(wanted))
    return measure_of_chaos(sparse, grid.width, grid.height, levels=settings.levels, metaspace=settings.metaspace)


def _mz_statistics(peaks: SortedPeaks, slot: Int64, index: Int64, theoretical: Float64) -> tuple[Float64, Float64]:
    """Intensity-weighted mean and standard deviation of m/z over the points; of absent images the theory and 0.

    The points' m/z are rounded to float32 first: METASPACE keeps them so, and its figures are compared with ours.
    """
    size = theoretical.size
    centre = theoretical.ravel()
    weight = peaks.intensity[index].astype(np.float64)
    offset = peaks.mz[index].astype(np.float32).astype(np.float64) - centre[slot]
    total = np.bincount(slot, weight, size)
    with np.errstate(invalid="ignore", divide="ignore"):
        shift = np.nan_to_num(np.bincount(slot, weight * offset, size) / total)
        deviation = offset - shift[slot]
        variance = np.nan_to_num(np.bincount(slot, weight * deviation * deviation, size) / total)
    mean = centre + shift
    return mean.reshape(theoretical.shape), np.sqrt(variance).reshape(theoretical.shape)


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


def _totals(images: Images, shape: Shape) -> tuple[Float32, Float32]:
    """Return sum and maximum over the pixels of every image, float32[ions, isotopes]; infinite ones as the largest."""
    slot = images.ion * shape[1] + images.isotope
    total = np.bincount(slot, images.value, shape[0] * shape[1])
    maximum = np.zeros(shape[0] * shape[1], np.float32)
    np.maximum.at(maximum, slot, images.value)
    with np.errstate(over="ignore"):
        return np.nan_to_num(total.astype(np.float32)).reshape(shape), np.nan_to_num(maximum).reshape(shape)


def _images_of(images: Images, kept: Bool, chosen: Int64) -> Images:
    """Return the entries of chosen ions, which are counted among the kept ones."""
    place = np.full(len(kept), -1)
    place[np.flatnonzero(kept)[chosen]] = chosen
    entry = np.flatnonzero(place[images.ion] >= 0)
    return replace(images.take(entry), ion=place[images.ion[entry]])
