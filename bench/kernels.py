"""How long the kernels take, each beside its floor measured in the same run: `make bench`.

CPU seconds of this process, the least of three repetitions. Input is simulated from a fixed seed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from ionfleet.chaos import SparseImages, measure_of_chaos
from ionfleet.chunks import compute_chunk
from ionfleet.databases import bundled_database, read_database
from ionfleet.index import Grid
from ionfleet.ions import IonSettings
from ionfleet.isotopes import Instrument, centroids
from ionfleet.measure import Patterns, Settings, measure
from ionfleet.runs import encode_run, sort_peaks

T = TypeVar("T")

PIXELS = 60
PEAKS = 3_000_000
FORMULAS = 300
INSTRUMENT = Instrument("orbitrap", sigma=0.000619, charge=1)


def cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    """Return the least CPU time of three runs, and what the work returned."""
    times = []
    for _ in range(3):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def line(name: str, value: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    print(f"{name:42s} {value:10.3g} {unit:12s} {note}")


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(1)
    formulas = read_database(bundled_database(), "core").formulas[::12][:FORMULAS]
    ions = compute_chunk(formulas, 0, len(formulas), IonSettings(adducts=("+H", "+Na", "+K")), INSTRUMENT)

    some = ions.ion.to_pylist()[:1000]
    seconds, _ = cpu_seconds(lambda: centroids(some, INSTRUMENT))
    line("isotope pattern", seconds / len(some) * 1e6, "µs/ion")

    mz = _peaks_near(ions.mz, rng)
    intensity = rng.gamma(2, 500, PEAKS).astype(np.float32)
    pixel = rng.integers(0, PIXELS * PIXELS, PEAKS).astype(np.uint32)
    floor, _ = cpu_seconds(lambda: _floor(mz, intensity, pixel))
    seconds, peaks = cpu_seconds(lambda: sort_peaks(mz, intensity, pixel))
    line("sort a run", seconds, "s", f"{seconds / floor:.2f} × argsort and gathers of {PEAKS:,} peaks")
    seconds, _ = cpu_seconds(lambda: encode_run(peaks))
    line("encode a run", seconds, "s", f"{seconds / floor:.2f} × the same")

    index = np.arange(PIXELS * PIXELS)
    grid = Grid(PIXELS, PIXELS, 0, 0, index.astype(np.uint32), index)
    patterns = Patterns(ions.mz, ions.intensity, ions.target)
    seconds, batches = cpu_seconds(lambda: list(measure(peaks, patterns, grid, Settings(ppm=3))))
    points = sum(int(measured.points.sum()) for measured, _ in batches)
    line(
        "measure",
        seconds / len(ions) * 1e6,
        "µs/ion",
        f"{len(ions):,} ions, {points:,} points in the windows of those kept",
    )

    for name, share in (("chaos of noise, half the pixels", 0.5), ("chaos of noise, a twentieth of the pixels", 0.05)):
        images = _noise(share, rng)
        seconds, _ = cpu_seconds(lambda images=images: measure_of_chaos(images, PIXELS, PIXELS))  # type: ignore[misc]
        line(name, seconds / images.count * 1e6, "µs/image", f"{PIXELS}×{PIXELS} pixels")


def _peaks_near(centres: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return m/z of which half lie at the ions' centroids, with 1 ppm of jitter, and half anywhere."""
    planted = rng.choice(centres[centres > 0][:400], PEAKS // 2)
    planted = planted * (1 + 1e-6 * rng.standard_normal(len(planted)))
    return rng.permutation(np.concatenate([planted, rng.uniform(100, 1200, PEAKS - len(planted))]))


def _floor(mz: np.ndarray, intensity: np.ndarray, pixel: np.ndarray) -> tuple[np.ndarray, ...]:
    order = np.argsort(mz, kind="stable")
    return mz[order], intensity[order], pixel[order]


def _noise(share: float, rng: np.random.Generator) -> SparseImages:
    """Return images of random values in a random share of the pixels."""
    stack = (rng.random((300, PIXELS, PIXELS)) * (rng.random((300, PIXELS, PIXELS)) < share)).astype(np.float32)
    image, y, x = np.nonzero(stack)
    return SparseImages(image, y, x, stack[image, y, x], len(stack))


if __name__ == "__main__":
    main()
