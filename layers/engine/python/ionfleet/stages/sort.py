"""Sort: a range of spectra becomes one sorted run and its sparse index."""

from __future__ import annotations

import numpy as np

from ionfleet.plan import SortTask, Stores, read_plan
from ionfleet.runs import encode_run, index_key, index_run, run_key, sort_peaks
from ionfleet.spectra import read_peaks
from ionfleet.stages.common import Report, dataset_index


def sort_spectra(stores: Stores, task: SortTask) -> Report:
    """Read, clean and sort the peaks of spectra first ≤ i < stop; write the run, then its index."""
    plan = read_plan(stores.work, task.plan)
    dataset = plan.dataset
    key = index_key(dataset.id, task.first, task.stop)
    if stores.work.head(key) is not None:
        return Report(task.task, done_before=True)
    index = dataset_index(stores.work, dataset.id)
    pixels = index.geometry().pixel
    rows = index.rows(task.first, task.stop)
    peaks = read_peaks(
        rows, task.first, task.stop, lambda start, length: stores.input.get_range(dataset.ibd.key, start, length)
    )
    with np.errstate(over="ignore"):  # a sum beyond float32 is infinite
        tic = np.bincount(peaks.spectrum - task.first, peaks.intensity, task.stop - task.first).astype(np.float32)
    run = sort_peaks(peaks.mz, peaks.intensity, pixels[peaks.spectrum])
    dropped = int(rows.mz_length.sum()) - len(run)
    stores.work.create(run_key(dataset.id, task.first, task.stop), encode_run(run))
    stores.work.create(key, index_run(run, dropped, tic).to_bytes())
    return Report(task.task, {"spectra": task.stop - task.first, "peaks": len(run)})
