"""Ion images and their metrics, for batches of ions at a time (docs/annotation.md, Ion images and Metrics).

One search finds the windows of all centroids among the sorted peaks, one gather collects their points, one sort groups
them by ion, pixel and isotope. Everything after is sums over groups, in the order of the points, so that an ion's
numbers are the same to the last bit in whatever batch or segment it is measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ionfleet.chaos import SparseImages, measure_of_chaos
from ionfleet.index import Grid
from ionfleet.isotopes import tolerance_windows
from ionfleet.runs import SortedPeaks

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]
Shape = tuple[int, ...]  # of arrays over ions and isotopes: (n, k)

BATCH_POINTS = 1 << 18
_POINT_BITS = 21
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
class Windows:
    """For n ions and k isotopes the points left ≤ i < right among the sorted peaks, int64[n, k]."""

    left: Int64
    right: Int64

    @property
    def points(self) -> Int64:
        """Number of points in each window, int64[n, k]: what METASPACE calls the nnz of an image."""
        return self.right - self.left


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


def find_windows(mz: Float64, patterns: Patterns, ppm: float) -> Windows:
    """Find the points within the tolerance windows, closed on both sides, around every centroid."""
    lower, upper = tolerance_windows(patterns.mz, ppm)
    left = np.searchsorted(mz, lower.ravel(), side="left").reshape(lower.shape)
    right = np.searchsorted(mz, upper.ravel(), side="right").reshape(upper.shape)
    empty = patterns.mz == 0
    return Windows(np.where(empty, 0, left), np.where(empty, 0, right))


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
    windows = find_windows(peaks.mz, patterns, settings.ppm)
    rows = np.flatnonzero(_worth_measuring(windows.points, patterns.target, settings.min_pixels))
    for batch in _batches(rows, windows.points[rows].sum(axis=1), len(grid.pixel_index) * patterns.mz.shape[1]):
        points = Windows(windows.left[batch], windows.right[batch])
        yield _measure_batch(peaks, patterns.take(batch), points, batch, grid, settings)


def _worth_measuring(points: Int64, target: Bool, min_pixels: int) -> Bool:
    """Targets need any signal; decoys a first image and another one, for else their msm is 0."""
    there = (points > 0) & (points >= min_pixels)
    complete = there[:, 0] & there[:, 1:].any(axis=1)
    return np.where(target, (points > 0).any(axis=1), complete)


def _batches(rows: Int64, points: Int64, pixels: int) -> Iterator[Int64]:
    """Cut rows so that a batch has about BATCH_POINTS points and its keys fit beside a point's number in 63 bits."""
    most_rows = max(1, (1 << (63 - _POINT_BITS)) // max(1, pixels))
    ends = np.cumsum(points)
    first = 0
    while first < len(rows):
        done = ends[first - 1] if first else 0
        stop = int(np.searchsorted(ends, done + BATCH_POINTS, side="right"))
        stop = min(max(stop, first + 1), first + most_rows)
        yield rows[first:stop]
        first = stop


def _measure_batch(
    peaks: SortedPeaks, patterns: Patterns, windows: Windows, rows: Int64, grid: Grid, settings: Settings
) -> tuple[Measured, Images]:
    shape = patterns.mz.shape
    pixels = len(grid.pixel_index)
    present = windows.points >= max(1, settings.min_pixels)
    windows = Windows(windows.left, np.where(present, windows.right, windows.left))
    slot, index = _gather(windows)
    images = _aggregate(slot, peaks.pixel[index], peaks.intensity[index], shape[1], pixels)
    sums = _sums(images, shape)
    spectral = _spectral(sums, patterns.intensity)
    correlation = (
        _correlation_single(images, shape, pixels) if settings.single_precision else _correlation(sums, pixels)
    )
    spatial = _spatial(correlation, sums.first_pixels, patterns.intensity)
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


def _gather(windows: Windows) -> tuple[Int64, Int64]:
    """Return for every point of every window its slot (ion * k + isotope) and its place among the peaks."""
    counts = windows.points.ravel()
    slot = np.repeat(np.arange(counts.size), counts)
    starts = np.cumsum(counts) - counts
    index = np.arange(len(slot)) - np.repeat(starts - windows.left.ravel(), counts)
    return slot, index


def _aggregate(slot: Int64, pixel: npt.NDArray[np.uint32], intensity: Float32, isotopes: int, pixels: int) -> Images:
    """Sum the points of each (ion, pixel, isotope) in float32, in the order of their m/z.

    The place of a point rides in the low bits of its sort key, which spares the indirection of an argsort. Windows of
    one ion with more points than those bits hold are sorted the plain way.
    """
    ion, isotope = np.divmod(slot, isotopes)
    key = np.add(ion * pixels, pixel, dtype=np.int64) * isotopes + isotope
    if len(key) < 1 << _POINT_BITS:
        packed = np.sort((key << _POINT_BITS) | np.arange(len(key)))
        order = packed & ((1 << _POINT_BITS) - 1)
        key = packed >> _POINT_BITS
    else:
        order = np.argsort(key, kind="stable")
        key = key[order]
    starts = np.flatnonzero(np.diff(key, prepend=-1))
    value = _sum_groups(intensity[order], starts)
    place, isotope = np.divmod(key[starts], isotopes)
    ion, rank = np.divmod(place, pixels)
    return Images(ion, rank, isotope, value)


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


@dataclass(frozen=True)
class _Sums:
    """Per ion and isotope over the image's pixels, float64[n, k]; `first_pixels` int64[n] is the first image's size."""

    total: Float64
    squares: Float64
    with_first: Float64
    where_first: Float64
    first_pixels: Int64


def _sums(images: Images, shape: Shape) -> _Sums:
    """Sum values, squares, and products with the first isotope's image in the same pixel."""
    value = images.value.astype(np.float64)
    new_pixel = images.new_pixel
    head = np.flatnonzero(new_pixel)
    first_value = np.where(images.isotope[head] == 0, value[head], 0.0)[np.cumsum(new_pixel) - 1]
    slot = images.ion * shape[1] + images.isotope

    def per_slot(weights: Float64) -> Float64:
        return np.asarray(np.bincount(slot, weights, shape[0] * shape[1]), np.float64).reshape(shape)

    with np.errstate(invalid="ignore", over="ignore"):
        return _Sums(
            total=per_slot(value),
            squares=per_slot(value * value),
            with_first=per_slot(value * first_value),
            where_first=per_slot(np.where(first_value > 0, value, 0.0)),
            first_pixels=np.bincount(images.ion[images.isotope == 0], minlength=shape[0]),
        )


def _spectral(sums: _Sums, theoretical: Float64) -> Float64:
    """Isotope pattern match over the pixels of the first image; 0 without signal, and, as METASPACE has it, for 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = theoretical / np.linalg.norm(theoretical, axis=1, keepdims=True)
        observed = sums.where_first / np.linalg.norm(sums.where_first, axis=1, keepdims=True)
        score = 1.0 - np.abs(expected - observed).mean(axis=1)
    return np.where(np.isnan(score) | (score == 1.0), 0.0, score)


def _correlation(sums: _Sums, pixels: int) -> Float64:
    """Correlate the other isotopes' images with the first over all sampled pixels; 0 where that is undefined."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        spread = sums.squares - sums.total**2 / pixels
        spread = np.where(spread > _FLAT * sums.squares, spread, np.nan)
        covariance = sums.with_first[:, 1:] - sums.total[:, :1] * sums.total[:, 1:] / pixels
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

    def per_slot(terms: Float32) -> Float32:
        sums = np.zeros(ions * isotopes, np.float32)
        np.add.at(sums, slot, terms.ravel())
        return sums.reshape(shape)

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = per_slot(value) / np.float32(pixels)
        value -= mean[ion]
        unseen = (pixels - np.bincount(ion, minlength=ions)).astype(np.float32)[:, None]
        scale = np.float32(pixels - 1)
        variance = (per_slot(value * value) + mean * mean * unseen) / scale
        covariance = (per_slot(value[:, :1] * value) + mean[:, :1] * mean * unseen) / scale
        correlation = covariance[:, 1:] / np.sqrt(variance[:, :1] * variance[:, 1:])
    return np.where(np.isfinite(correlation), correlation, 0.0).astype(np.float64)


def _spatial(correlation: Float64, first_pixels: Int64, theoretical: Float64) -> Float64:
    """Mean correlation of the other isotopes' images with the first, weighted by the pattern; 0 without weights."""
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
    return Images(place[images.ion[entry]], images.pixel[entry], images.isotope[entry], images.value[entry])
