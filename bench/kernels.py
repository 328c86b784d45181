"""How long the kernels take, each beside its floor measured in the same run: `make bench`.

CPU seconds of this process, the least of three repetitions. Input is simulated from a fixed seed.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from cpyMSpec.spectrum import ims as library

from ionfleet.centroiding import MIN_ABUNDANCE
from ionfleet.chaos import SparseImages, measure_of_chaos
from ionfleet.chunks import IonTable, compute_chunk
from ionfleet.databases import bundled_database, read_database
from ionfleet.extraction import find_windows
from ionfleet.imzml import index_imzml
from ionfleet.index import Grid, SpectraIndex
from ionfleet.ions import IonSettings
from ionfleet.isotopes import Instrument, centroids
from ionfleet.measure import Patterns, Settings, measure
from ionfleet.runs import SortedPeaks, encode_run, index_run, sort_peaks
from ionfleet.spectra import Peaks, read_peaks
from ionfleet.store import MemoryStore
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import Simulation

T = TypeVar("T")

SECTION = Simulation(width=60, height=60, seed=4, peaks_per_spectrum=1050, ions=160)
FORMULAS = 600
INSTRUMENT = Instrument("orbitrap", sigma=0.000619, charge=1)
SIDE = 60
IMAGES = 300


def main() -> None:
    """Measure and print."""
    formulas = read_database(bundled_database(), "core").formulas[:: 3774 // FORMULAS]
    ions = compute_chunk(formulas, 0, len(formulas), IonSettings(adducts=("+H", "+Na", "+K")), INSTRUMENT)
    show_patterns(ions)
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_dataset(SECTION, Path(folder), "section")
        imzml, ibd = dataset.imzml.read_bytes(), dataset.ibd.read_bytes()
    index = index_imzml(io.BytesIO(imzml), len(imzml), len(ibd))
    peaks = show_sort(index, ibd)
    show_annotation(peaks, ions, index.geometry())
    for name, share in (("half", 0.5), ("a twentieth", 0.05)):
        show_chaos(name, share)
    line("peak memory of this process", peak_mb(), "MB RSS")


def show_patterns(ions: IonTable) -> None:
    """Show isotope patterns beside the part of them that is the library's: to list isotopologues."""
    some = ions.ion.to_pylist()[:6000]

    def isotopologues() -> None:
        for ion in some:
            library.spectrum_free(library.spectrum_new_from_sf_thr(ion.encode(), MIN_ABUNDANCE, 1))

    floor, _ = cpu_seconds(isotopologues)
    seconds, _ = cpu_seconds(lambda: centroids(some, INSTRUMENT))
    note = f"goal 60; {seconds / floor:.2f} × the library's list of isotopologues"
    line("isotope pattern", seconds / len(some) * 1e6, "µs/ion", note)


def show_sort(index: SpectraIndex, ibd: bytes) -> SortedPeaks:
    """Show sorting, from the ibd's bytes to the object written, and return the sorted peaks."""
    pixels = index.geometry().pixel

    def read() -> Peaks:
        return read_peaks(index, 0, len(index), lambda start, length: ibd[start : start + length])

    def run() -> SortedPeaks:
        found = read()
        peaks, store = sort_peaks(found.mz, found.intensity, pixels[found.spectrum]), MemoryStore()
        store.create("run", encode_run(peaks))
        store.create("index", index_run(peaks, 0, np.empty(0, np.float32)).to_bytes())
        return peaks

    found = read()
    floor, _ = cpu_seconds(lambda: ordered(found))
    seconds, peaks = cpu_seconds(run)
    note = f"goal 2.5; {seconds / floor:.2f} × argsort and gathers of {len(peaks):,} peaks ({floor:.3g} s)"
    line("sort a run, from the ibd to the object", seconds, "s", note)
    line("floor: a copy of the ibd in memory", cpu_seconds(lambda: bytearray(ibd))[0], "s", f"{len(ibd):,} bytes")
    return peaks


def ordered(peaks: Peaks) -> tuple[np.ndarray, ...]:
    """Sort peaks in the plainest way."""
    order = np.argsort(peaks.mz, kind="stable")
    return peaks.mz[order], peaks.intensity[order], peaks.spectrum[order]


def show_annotation(peaks: SortedPeaks, ions: IonTable, grid: Grid) -> None:
    """Show measuring in both modes, beside finding the windows and gathering the intensities in them."""
    patterns = Patterns(ions.mz, ions.intensity, ions.target)

    def points() -> int:
        windows = find_windows(peaks.mz, ions.mz, 3)
        counts = windows.points.ravel()
        starts = np.cumsum(counts) - counts
        index = np.arange(counts.sum()) + np.repeat(windows.left.ravel() - starts, counts)
        return len(peaks.intensity[index])

    floor, count = cpu_seconds(points)
    for name, metaspace in (("annotation", False), ("annotation, METASPACE's way", True)):
        settings = Settings(ppm=3, metaspace=metaspace, single_precision=metaspace)
        seconds, _ = cpu_seconds(lambda settings=settings: measure(peaks, patterns, grid, settings))  # type: ignore[misc]
        note = f"goal 10; {seconds / floor:.1f} × a look-up of {len(ions):,} ions and {count:,} points"
        line(name, seconds / len(ions) * 1e6, "µs/ion", note)


def show_chaos(name: str, share: float) -> None:
    """Show the measure of chaos of noise in a share of the pixels, beside a copy of the dense images."""
    rng = np.random.default_rng(1)
    values = rng.random((IMAGES, SIDE, SIDE)) * (rng.random((IMAGES, SIDE, SIDE)) < share)
    stack = values.astype(np.float32)
    image, y, x = np.nonzero(stack)
    ends = np.searchsorted(image, np.arange(IMAGES), side="right")
    images = SparseImages(ends, y.astype(np.int32), x.astype(np.int32), stack[image, y, x])
    floor, _ = cpu_seconds(stack.copy)
    seconds, _ = cpu_seconds(lambda: measure_of_chaos(images, SIDE, SIDE))
    note = f"{seconds / floor:.0f} × a copy of the {SIDE}×{SIDE} pixels"
    line(f"chaos of noise, {name} of the pixels", seconds / IMAGES * 1e6, "µs/image", note)


def cpu_seconds(work: Callable[[], T]) -> tuple[float, T]:
    """Return the least CPU time of three runs, and what the work returned."""
    times = []
    for _ in range(3):
        start = time.process_time()
        result = work()
        times.append(time.process_time() - start)
    return min(times), result


def peak_mb() -> float:
    """Return the most memory that this process has held."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) / 1024


def line(name: str, value: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    print(f"{name:42s} {value:10.3g} {unit:12s} {note}", flush=True)


if __name__ == "__main__":
    main()
