"""Merge: FDR, isomers and isobars over all segments, and the job's tables."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ionfleet.chunks import matrix_of, parquet_bytes
from ionfleet.damage import read_counts, read_intact
from ionfleet.diagnostics import Acquisition, pixel_table
from ionfleet.fdr import LEVELS
from ionfleet.index import spectra_key
from ionfleet.models import read_model
from ionfleet.parquet import read_table
from ionfleet.plan import Plan, RenderTask, StageTasks, Stores, read_plan
from ionfleet.planning import cut_range, render_task_ions
from ionfleet.stages.colocalize import colocalize
from ionfleet.stages.common import (
    PARTITION_COUNTS,
    job_database,
    manifest_lines,
    read_all,
    run_indexes,
    segment_key,
    table_key,
)
from ionfleet.stages.page import pack_size, write_page_data
from ionfleet.tables import CsvHead, DatabaseMetrics, annotation_table, annotations_csv, database_metrics, flat_metrics

LISTED_INVALID = 1000
"""Invalid ions that the job's facts spell out; the rest is counted."""


def merge(stores: Stores, plan_key: str) -> StageTasks:
    """Make the job's tables from the metrics of all segments, and the manifest of the images to render."""
    plan = read_plan(stores.work, plan_key)
    stage = StageTasks(tasks=0, manifest=f"manifests/{plan.execution}/render.jsonl")
    facts_key = table_key(plan.execution, "facts.json")
    if stores.work.head(facts_key) is not None:
        return stage.model_copy(update={"tasks": read_counts(stores.work, facts_key, "render_tasks")["render_tasks"]})
    partition = read_counts(stores.work, f"manifests/{plan.execution}/partition.json", *PARTITION_COUNTS)
    measured = _read_segments(stores, plan, partition["tasks"])
    settings, charge = plan.configuration.ions, plan.configuration.charge
    databases = [job_database(stores, plan, number) for number in range(len(plan.databases))]
    model = read_model(stores.work, plan.scoring_model)
    metrics = [database_metrics(measured, database, settings, charge, model) for database in databases]
    annotations = pa.concat_tables(
        annotation_table(part.table, database, settings, charge, plan.configuration.ppm)
        for part, database in zip(metrics, databases, strict=True)
    )
    images = _images_to_render(annotations, measured)
    pairs, compared = _write_pixels(stores, plan, annotations, images)
    _write_tables(stores, plan, pa.concat_tables(part.table for part in metrics), annotations, images)
    write_page_data(stores, plan, [part.table for part in metrics], annotations, images, pairs)
    tasks = [
        RenderTask(execution=plan.execution, plan=plan_key, stage="render", task=number, first=first, stop=stop)
        for number, (first, stop) in enumerate(cut_range(len(images), _render_size(plan)))
    ]
    stores.work.create(stage.manifest, manifest_lines(tasks))
    facts = _facts(plan, partition, metrics, annotations) | {
        "colocalized": compared,
        "images": pc.sum(images.column("images")).as_py() or 0,
        "render_tasks": len(tasks),
    }
    stores.work.create(facts_key, json.dumps(facts).encode())
    return stage.model_copy(update={"tasks": len(tasks)})


def _read_segments(stores: Stores, plan: Plan, segments: int) -> pa.Table:
    """Read the metrics of all segments, with the segment each ion came from."""
    keys = [segment_key(plan.execution, number, "metrics.parquet") for number in range(segments)]
    parts = [
        part.append_column("segment", pa.array(np.full(len(part), number, np.int32)))
        for number, part in enumerate(read_all(stores.work, keys, read_table))
    ]
    return pa.concat_tables(parts).combine_chunks()


def _images_to_render(annotations: pa.Table, measured: pa.Table) -> pa.Table:
    """List one row an annotated (formula, modifier): its ion, its images, the segment that keeps them.

    Rows are in the order of their ions' first centroids, which is that of the segments, however these were cut: packs
    of the page are ranges of rows.
    """
    images = (matrix_of(annotations.column("nnz")) > 0).sum(axis=1)
    first_mz = matrix_of(annotations.column("theo_mz"))[:, 0]
    columns = [annotations.column(name).to_pylist() for name in ("ion_formula", "formula", "modifier")]
    # Databases may share formulas; an ion has one row then, and one set of files.
    rows = sorted(set(zip(first_mz.tolist(), *columns, images.tolist(), strict=True)))
    names = ("mz", "ion_formula", "formula", "modifier", "images")
    types = (pa.float64(), pa.string(), pa.string(), pa.string(), pa.int64())
    table = pa.table({name: pa.array([row[i] for row in rows], types[i]) for i, name in enumerate(names)})
    place = pc.index_in(table.column("ion_formula"), measured.column("ion").combine_chunks())
    return table.append_column("segment", measured.column("segment").take(place))


def _render_size(plan: Plan) -> int:
    """Return how many annotations one task renders: fewer where each image is large, and whole packs of the page."""
    pack = pack_size(plan)
    fitting = render_task_ions(plan.dataset.width * plan.dataset.height)
    return max(pack, fitting - fitting % pack)


def _write_tables(stores: Stores, plan: Plan, metrics: pa.Table, annotations: pa.Table, images: pa.Table) -> None:
    head = CsvHead(
        generated_at=datetime.fromisoformat(plan.claimed_at).strftime("%Y-%m-%d %H:%M:%S"),
        note=f"Ionfleet {plan.versions['ionfleet']}, job {plan.job}.",
        url=plan.results_prefix,
        dataset_name=plan.dataset.name,
        dataset_id=plan.dataset.id,
    )
    files = {
        "metrics.parquet": parquet_bytes(flat_metrics(metrics.drop_columns(["segment"]))),
        "annotations.parquet": parquet_bytes(annotations.drop_columns(["segment"])),
        "annotations.csv": annotations_csv(annotations, head).encode(),
        "images.parquet": parquet_bytes(images),
    }
    for name, data in files.items():
        stores.work.create(table_key(plan.execution, name), data)


def _write_pixels(
    stores: Stores, plan: Plan, annotations: pa.Table, images: pa.Table
) -> tuple[pa.Table, dict[str, int]]:
    """Write what is told of pixels, and which ions share them; return these, and how many were compared by database."""
    acquisition = read_intact(stores.work, spectra_key(plan.dataset.id), Acquisition.read)
    pixels = pixel_table(acquisition, run_indexes(stores.work, plan))
    stores.work.create(table_key(plan.execution, "diagnostics.parquet"), parquet_bytes(pixels))
    pairs, compared = colocalize(stores, plan, acquisition.grid, annotations, images)
    stores.work.create(table_key(plan.execution, "colocalization.parquet"), parquet_bytes(pairs))
    return pairs, compared


def _facts(
    plan: Plan, partition: dict[str, int], metrics: list[DatabaseMetrics], annotations: pa.Table
) -> dict[str, object]:
    """Return what the summary says about peaks, ions and annotations."""
    invalid = [entry for part in metrics for entry in part.invalid]
    return {
        "peaks": partition["peaks"],
        "segments": partition["tasks"],
        "ions": {
            "targets": sum(part.targets for part in metrics),
            "decoys": sum(part.decoys for part in metrics),
            "distinct": partition["distinct_ions"],
            "without_pattern": partition["without_pattern"],
            "in_range": partition["ions"],
            "scored": sum(len(part.table) for part in metrics),
            "invalid": len(invalid),
        },
        "invalid": invalid[:LISTED_INVALID],
        "annotations": {
            database.name: _levels(annotations.filter(pc.field("database") == database.name))
            for database in plan.databases
        },
    }


def _levels(annotations: pa.Table) -> dict[str, int]:
    fdr = annotations.column("fdr").to_numpy()
    return {f"{level:.0%}".rstrip("%"): int((fdr <= level).sum()) for level in LEVELS}
