"""Sort: a range of spectra becomes one sorted run and its sparse index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ionfleet.damage import read_intact
from ionfleet.index import Grid, SpectraIndex, spectra_key
from ionfleet.plan import SortTask, Stores, read_plan
from ionfleet.runs import RunIndex, SortedPeaks, encode_run, index_key, index_run, run_key, sort_peaks
from ionfleet.spectra import Fetch, read_peaks
from ionfleet.stages.common import Report
from ionfleet.store import ObjectStore


def sort_spectra(stores: Stores, task: SortTask) -> Report:
    """Read, clean and sort the peaks of spectra first ≤ i < stop; write the run, then its index."""
    plan = read_plan(stores.work, task.plan)
    dataset = plan.dataset
    if stores.work.head(index_key(dataset.id, task.first, task.stop)) is not None:
        return Report(task.task, done_before=True)

    def own_rows(data: bytes) -> tuple[SpectraIndex, npt.NDArray[np.uint32]]:
        rows = SpectraIndex.read(data, (task.first, task.stop))
        return rows, Grid.read(data).pixel[task.first : task.stop].copy()

    def fetch(start: int, length: int) -> bytes:
        return stores.input.get_range(dataset.ibd.key, start, length)

    peaks = sort_range(stores.work, dataset.id, *read_intact(stores.work, spectra_key(dataset.id), own_rows), fetch)
    return Report(task.task, {"spectra": task.stop - task.first, "peaks": peaks})


def sort_range(work: ObjectStore, dataset: str, rows: SpectraIndex, pixel: npt.NDArray[np.uint32], fetch: Fetch) -> int:
    """Write the run of some spectra, then its index; return the number of peaks.

    `rows` are the spectra, `pixel` has the pixel of each; `fetch(start, length)` returns bytes of the ibd.
    """
    first, stop = rows.first, rows.first + len(rows)
    run, index = _sorted(rows, pixel, fetch)
    work.create(run_key(dataset, first, stop), encode_run(run))
    work.create(index_key(dataset, first, stop), index.to_bytes())
    return len(run)


def _sorted(rows: SpectraIndex, pixel: npt.NDArray[np.uint32], fetch: Fetch) -> tuple[SortedPeaks, RunIndex]:
    """Return a run and its index; the peaks as they were read are forgotten by then."""
    peaks = read_peaks(rows, rows.first, rows.first + len(rows), fetch)
    spectrum = peaks.spectrum - rows.first
    with np.errstate(over="ignore"):  # a sum beyond float32 is infinite
        tic = np.bincount(spectrum, peaks.intensity, len(rows)).astype(np.float32)
    run = sort_peaks(peaks.mz, peaks.intensity, pixel[spectrum], overwrite=True)
    return run, index_run(run, int(rows.mz_length.sum()) - len(run), tic)
