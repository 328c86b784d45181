"""Partition: cut the m/z axis by what was measured, and give each segment its ions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from ionfleet.chunks import IonTable
from ionfleet.damage import read_counts
from ionfleet.errors import InvalidDatasetError
from ionfleet.isotopes import tolerance_windows
from ionfleet.plan import UNBOUNDED, Plan, SegmentTask, SizedTasks, Stores, read_plan
from ionfleet.planning import (
    SEGMENTS_AT_ONCE,
    Density,
    Segment,
    cut_range,
    cut_segments,
    fitting_mb,
    merge_windows,
)
from ionfleet.runs import RunIndex, rows_to_read
from ionfleet.stages.common import create_all, manifest_lines, read_all, run_indexes, segment_key


def partition(stores: Stores, plan_key: str) -> SizedTasks:
    """Cut the ions of a job into m/z segments; write each one's rows and ions, then the manifest, then the partition.

    Raises
    ------
    InvalidDatasetError
        No spectrum has a peak.
    OutOfBudgetError
        One ion alone is more than the largest annotate function can hold.

    """
    plan = read_plan(stores.work, plan_key)
    width, sizes = plan.deployment.concurrency.get("annotate", UNBOUNDED), plan.deployment.sizes_mb("annotate")
    stage = SizedTasks(tasks=0, manifest=f"manifests/{plan.execution}/annotate.jsonl", width=width)
    key = f"manifests/{plan.execution}/partition.json"
    done = stores.work.head(key)
    if done is not None:
        return stage.model_copy(update={"tasks": read_counts(stores.work, key, "tasks")["tasks"]})
    runs = run_indexes(stores.work, plan)
    density = Density.of(runs)
    if not density.peaks:
        raise InvalidDatasetError(
            f"No spectrum of {plan.dataset.imzml.key} has a peak with an intensity above 0. "
            "Check that the ibd belongs to the imzML, and how the dataset was exported."
        )
    keys = [chunk.key for chunk in plan.chunks]
    everything = IonTable.union(read_all(stores.work, keys, IonTable.from_parquet))
    ions = in_range(everything, float(density.mz[0]), float(density.mz[-1]))
    lower, upper = tolerance_windows(ions.mz, plan.configuration.ppm)
    wanted = plan.configuration.planning.segment_peaks
    spectra = plan.dataset.spectra
    segments = cut_segments(lower, upper, density, sizes[0], wanted, spectra, sizes[-1])
    create_all(stores.work, _segment_objects(plan.execution, segments, ions, (lower, upper), runs))
    tasks = [
        SegmentTask(
            execution=plan.execution,
            plan=plan_key,
            stage="annotate",
            task=number,
            ions=segment.stop - segment.first,
            peaks=segment.peaks,
            memory_mb=fitting_mb(segment.projected_mb, sizes),
        )
        for number, segment in enumerate(segments)
    ]
    stores.work.create(stage.manifest, manifest_lines(tasks))
    stores.work.create(key, json.dumps(_facts(plan, everything, ions, density, len(tasks))).encode())
    return stage.model_copy(update={"tasks": len(tasks)})


def _segment_objects(
    execution: str,
    segments: Sequence[Segment],
    ions: IonTable,
    windows: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    runs: Sequence[RunIndex],
) -> Iterator[tuple[str, bytes]]:
    """Yield key and bytes of what segments are annotated by: the rows to read of the runs, and the ions."""
    lower, upper = windows
    for first, stop in cut_range(len(segments), SEGMENTS_AT_ONCE):
        slices = [slice(segment.first, segment.stop) for segment in segments[first:stop]]
        found = rows_to_read(runs, [merge_windows(lower[part], upper[part]) for part in slices])
        for number, part, rows in zip(range(first, stop), slices, found, strict=True):
            table = ions.take(np.arange(part.start, part.stop))
            yield segment_key(execution, number, "rows"), rows.to_bytes()
            yield segment_key(execution, number, "ions.parquet"), table.to_parquet()


def in_range(ions: IonTable, lowest: float, highest: float) -> IonTable:
    """Keep ions with at least one centroid strictly between the dataset's lowest and highest m/z, ordered by the first.

    See docs/annotation.md, Clipping. Ions without a pattern have no centroid.
    """
    inside = ((ions.mz > lowest) & (ions.mz < highest)).any(axis=1)
    rows = np.flatnonzero(inside)
    return ions.take(rows[np.argsort(ions.mz[rows, 0], kind="stable")])


def _facts(plan: Plan, everything: IonTable, ions: IonTable, density: Density, tasks: int) -> dict[str, int | float]:
    return {
        "tasks": tasks,
        "peaks": density.peaks,
        "lowest_mz": float(density.mz[0]),
        "highest_mz": float(density.mz[-1]),
        "distinct_ions": len(everything),
        "without_pattern": int((everything.mz[:, 0] == 0).sum()),
        "ions": len(ions),
        "target_ions": int(ions.target.sum()),
        "runs": len(plan.runs),
    }
