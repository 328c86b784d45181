"""Sort: a range of spectra becomes one sorted run and its sparse index."""

from __future__ import annotations

import numpy as np

from ionfleet.index import SpectraIndex
from ionfleet.plan import SortTask, Stores, read_plan
from ionfleet.runs import encode_run, index_key, index_run, run_key, sort_peaks
from ionfleet.spectra import Fetch, read_peaks
from ionfleet.stages.common import Report, dataset_index
from ionfleet.store import ObjectStore


def sort_spectra(stores: Stores, task: SortTask) -> Report:
    """Read, clean and sort the peaks of spectra first ≤ i < stop; write the run, then its index."""
    plan = read_plan(stores.work, task.plan)
    dataset = plan.dataset
    if stores.work.head(index_key(dataset.id, task.first, task.stop)) is not None:
        return Report(task.task, done_before=True)
    index = dataset_index(stores.work, dataset.id)

    def fetch(start: int, length: int) -> bytes:
        return stores.input.get_range(dataset.ibd.key, start, length)

    peaks = sort_range(stores.work, dataset.id, index, task.first, task.stop, fetch)
    return Report(task.task, {"spectra": task.stop - task.first, "peaks": peaks})


def sort_range(work: ObjectStore, dataset: str, index: SpectraIndex, first: int, stop: int, fetch: Fetch) -> int:
    """Write the run of spectra first ≤ i < stop, then its index; return the number of peaks.

    `fetch(start, length)` returns bytes of the ibd.
    """
    pixels = index.geometry().pixel
    rows = index.rows(first, stop)
    peaks = read_peaks(rows, first, stop, fetch)
    with np.errstate(over="ignore"):  # a sum beyond float32 is infinite
        tic = np.bincount(peaks.spectrum - first, peaks.intensity, stop - first).astype(np.float32)
    run = sort_peaks(peaks.mz, peaks.intensity, pixels[peaks.spectrum])
    dropped = int(rows.mz_length.sum()) - len(run)
    work.create(run_key(dataset, first, stop), encode_run(run))
    work.create(index_key(dataset, first, stop), index_run(run, dropped, tic).to_bytes())
    return len(run)
