"""Isotopes: a range of formulas becomes the centroids of its targets and decoys."""

from __future__ import annotations

from ionfleet.chunks import compute_chunk
from ionfleet.plan import IsotopeTask, Stores, read_plan
from ionfleet.stages.common import Report, instrument, job_database


def compute_isotopes(stores: Stores, task: IsotopeTask) -> Report:
    """Compute one chunk of centroids, unless it is there."""
    plan = read_plan(stores.work, task.plan)
    chunk = plan.chunks[task.chunk]
    if stores.work.head(chunk.key) is not None:
        return Report(task.task, done_before=True)
    formulas = job_database(stores, plan, chunk.database).formulas
    settings, model = plan.configuration.ions, instrument(plan.configuration)
    table = compute_chunk(formulas, chunk.first, chunk.stop, settings, model)
    stores.work.create(chunk.key, table.to_parquet())
    return Report(task.task, {"formulas": chunk.stop - chunk.first, "ions": len(table)})
