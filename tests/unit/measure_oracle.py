"""Metrics of one ion in their textbook form: dense images, plain sums, `numpy.corrcoef`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ionfleet.index import Grid
from ionfleet.measure import Settings
from ionfleet.runs import SortedPeaks

from .chaos_oracle import naive_chaos

ISOTOPES = 4


@dataclass
class Case:
    """Peaks on a grid, and the isotope patterns of some ions."""

    peaks: SortedPeaks
    grid: Grid
    mz: np.ndarray
    intensity: np.ndarray


def make_grid(mask: np.ndarray) -> Grid:
    """Return the grid of a sampled area, one spectrum a pixel."""
    index = np.flatnonzero(mask)
    return Grid(mask.shape[1], mask.shape[0], 0, 0, np.arange(len(index), dtype=np.uint32), index)


def sort(mz: np.ndarray, intensity: np.ndarray, pixel: np.ndarray) -> SortedPeaks:
    """Order peaks by m/z."""
    order = np.argsort(mz, kind="stable")
    return SortedPeaks(mz[order], intensity.astype(np.float32)[order], pixel.astype(np.uint32)[order])


def random_case(seed: int, ions: int = 30) -> Case:
    """Return ions of all sorts: faithful, noisy, with isotopes that are absent, doubled or nothing but noise."""
    rng = np.random.default_rng(seed)
    mask = rng.random((7, 6)) < 0.8
    mask[0, 0] = mask[-1, -1] = True
    grid = make_grid(mask)
    pixels = len(grid.pixel_index)
    mz = rng.uniform(150, 900, (ions, 1)) + 1.0034 * np.arange(ISOTOPES)
    intensity = 100 * rng.uniform(0.05, 0.9, (ions, 1)) ** np.arange(ISOTOPES)
    parts = []
    for row in range(ions):
        image = rng.lognormal(5, 1, pixels) * (rng.random(pixels) < rng.uniform(0.1, 1))
        for isotope in range(ISOTOPES):
            values = image * intensity[row, isotope] * rng.lognormal(0, rng.choice([0.02, 0.7]), pixels)
            shown = np.flatnonzero((values > 0) & (rng.random(pixels) < rng.choice([0, 0.5, 1, 1])))
            shown = np.repeat(shown, rng.choice([1, 1, 1, 2, 9], len(shown)))
            centre = mz[row, isotope]
            parts.append((centre * (1 + rng.normal(0, 1.5e-6, len(shown))), values[shown], shown))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Case(sort(*columns), grid, mz, intensity)


def naive_images(case: Case, row: int, settings: Settings) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return of each isotope the points (places among the peaks) and the image over the sampled pixels."""
    points, images = [], []
    for centre in case.mz[row]:
        low, high = centre - centre * settings.ppm * 1e-6, centre + centre * settings.ppm * 1e-6
        inside = np.flatnonzero((case.peaks.mz >= low) & (case.peaks.mz <= high))
        inside = inside if centre > 0 and len(inside) >= settings.min_pixels else inside[:0]
        image = np.zeros(len(case.grid.pixel_index), np.float32)
        for point in inside:
            image[case.peaks.pixel[point]] += case.peaks.intensity[point]
        points.append(inside)
        images.append(image)
    return points, images


def naive_metrics(case: Case, row: int, settings: Settings) -> dict[str, object]:
    """Return every metric of one ion."""
    points, images = naive_images(case, row, settings)
    theory = case.intensity[row]
    mean, std = zip(*(_weighted(case, points[k], case.mz[row, k]) for k in range(ISOTOPES)), strict=True)
    error = np.array(mean) - case.mz[row]
    weights = theory[1:].copy()
    if not settings.metaspace:
        weights[[len(part) == 0 for part in points[1:]]] = 0
    box = np.zeros(case.grid.height * case.grid.width, np.float32)
    box[case.grid.pixel_index] = images[0]
    return {
        "chaos": naive_chaos(box.reshape(case.grid.height, -1), settings.levels, metaspace=settings.metaspace),
        "spatial": _spatial(images, theory),
        "spectral": _spectral(images, theory),
        "mz_err_abs": error[0],
        "mz_err_rel": float(np.average(error[1:] - error[0], weights=weights)) if weights.sum() > 0 else 0.0,
        "total": [image.sum(dtype=np.float64) for image in images],
        "maximum": [image.max() for image in images],
        "mz_mean": list(mean),
        "mz_std": list(std),
        "points": [len(part) for part in points],
    }


def _spectral(images: list[np.ndarray], theory: np.ndarray) -> float:
    first = images[0] > 0
    sums = np.array([image[first].sum(dtype=np.float64) for image in images])
    if sums[0] == 0:
        return 0.0
    score = 1 - np.mean(np.abs(theory / np.sqrt((theory**2).sum()) - sums / np.sqrt((sums**2).sum())))
    return 0.0 if score == 1.0 else float(score)


def _spatial(images: list[np.ndarray], theory: np.ndarray) -> float:
    if np.count_nonzero(images[0]) < 2 or theory[1:].sum() == 0:
        return 0.0
    correlations = [_correlation(images[0], image) for image in images[1:]]
    return float(np.clip(np.average(correlations, weights=theory[1:]), 0, 1))


def _correlation(first: np.ndarray, other: np.ndarray) -> float:
    if np.ptp(first) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(first.astype(np.float64), other.astype(np.float64))[0, 1])


def _weighted(case: Case, points: np.ndarray, centre: float) -> tuple[float, float]:
    if not len(points):
        return centre, 0.0
    mz = case.peaks.mz[points].astype(np.float32).astype(np.longdouble)
    weights = case.peaks.intensity[points].astype(np.longdouble)
    mean = np.average(mz, weights=weights)
    return float(mean), float(np.sqrt(np.average((mz - mean) ** 2, weights=weights)))
