"""Annotate: the ions of one m/z segment become metrics, and sparse images of the targets worth showing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from ionfleet.chunks import IonTable, matrix_column, parquet_bytes
from ionfleet.damage import read_intact
from ionfleet.extraction import Images
from ionfleet.isotopes import tolerance_windows
from ionfleet.measure import Measured, Patterns, measure
from ionfleet.plan import Plan, SegmentTask, Stores, read_plan
from ionfleet.planning import merge_windows
from ionfleet.runs import RunRows, read_rows
from ionfleet.stages.common import Report, dataset_grid, measurement, run_keys, segment_key

IMAGE_ROW_GROUP = 256

ISOTOPE_COLUMNS = {
    "total_iso_ints": "total",
    "max_iso_ints": "maximum",
    "mz_mean": "mz_mean",
    "mz_stddev": "mz_std",
    "nnz": "points",
}
"""Columns with a value an isotope peak, by METASPACE's names, and the fields of `Measured` they come from."""

_IMAGE_COLUMNS: dict[str, pa.DataType] = {
    "ion": pa.string(),
    "isotope": pa.int8(),
    "pixel": pa.list_(pa.uint32()),
    "intensity": pa.list_(pa.float32()),
}


def annotate(stores: Stores, task: SegmentTask) -> Report:
    """Measure the ions of a segment; write the images of targets with msm above 0, then the metrics."""
    metrics_key = segment_key(task.execution, task.task, "metrics.parquet")
    if stores.work.head(metrics_key) is not None:
        return Report(task.task, done_before=True)
    plan = read_plan(stores.work, task.plan)
    ions = read_intact(stores.work, segment_key(task.execution, task.task, "ions.parquet"), IonTable.from_parquet)
    grid = dataset_grid(stores.work, plan.dataset.id)
    windows = merge_windows(*tolerance_windows(ions.mz, plan.configuration.ppm), gap=0.0)
    peaks = read_rows(stores.work, run_keys(plan), _rows(stores, plan, task), windows)
    patterns = Patterns(ions.mz, ions.intensity, ions.target)
    measured, found = measure(peaks, patterns, grid, measurement(plan.configuration))
    images, metrics = _image_table(ions, measured, found), _metrics_table(ions, measured)
    stores.work.create(segment_key(task.execution, task.task, "images.parquet"), parquet_bytes(images, IMAGE_ROW_GROUP))
    stores.work.create(metrics_key, parquet_bytes(metrics))
    return Report(task.task, {"ions": len(ions), "peaks": len(peaks), "kept": len(metrics), "images": len(images)})


def _rows(stores: Stores, plan: Plan, task: SegmentTask) -> RunRows:
    """Read which rows of which runs are the segment's."""
    key = segment_key(task.execution, task.task, "rows")
    return read_intact(stores.work, key, lambda data: RunRows.from_bytes(data, len(plan.runs), task.peaks))


def _metrics_table(ions: IonTable, measured: Measured) -> pa.Table:
    """One row a kept ion."""
    columns: dict[str, pa.Array[Any]] = {
        "ion": ions.ion.take(measured.row),
        "target": pa.array(ions.target[measured.row]),
    }
    for name in ("chaos", "spatial", "spectral", "msm", "mz_err_abs", "mz_err_rel"):
        columns[name] = pa.array(getattr(measured, name))
    for name, field in ISOTOPE_COLUMNS.items():
        columns[name] = matrix_column(getattr(measured, field))
    columns["theo_mz"] = matrix_column(ions.mz[measured.row])
    columns["theo_ints"] = matrix_column(ions.intensity[measured.row])
    return pa.table(columns)


def _image_table(ions: IonTable, measured: Measured, images: Images) -> pa.Table:
    """One row an isotope image: its ion, which isotope, and its entries ordered by pixel rank."""
    offsets = pa.array(np.append(0, images.ends), pa.int32())
    columns = [
        ions.ion.take(measured.row[images.ion]),
        pa.array(images.isotope, pa.int8()),
        pa.ListArray.from_arrays(offsets, pa.array(images.pixel)),
        pa.ListArray.from_arrays(offsets, pa.array(images.value)),
    ]
    return pa.table(columns, schema=pa.schema(_IMAGE_COLUMNS))
