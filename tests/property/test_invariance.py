"""However a job is cut, and in whatever order and number its tasks run, its results are the same to the last bit."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ionfleet import measure, planning, runs
from ionfleet.configuration import JobConfiguration, resolve
from ionfleet.databases import Database
from ionfleet.stages import annotate

from ..unit.imzml_files import Dataset
from ..unit.small_jobs import FORMULAS, SmallJob, database, dataset, planted

WHOLE = {"sort_task_peaks": 10**9, "segment_peaks": 10**9, "isotope_task_formulas": 10**9}


@dataclass(frozen=True)
class Given:
    """A dataset, databases and a configuration."""

    dataset: Dataset
    databases: Sequence[Database]
    configuration: dict[str, Any]


@st.composite
def jobs(draw: st.DrawFn) -> Given:
    """Draw jobs of a few formulas on a few pixels."""
    some = st.lists(st.sampled_from(FORMULAS), min_size=1, max_size=4, unique=True)
    formulas = draw(st.lists(some, min_size=1, max_size=2))
    databases = [database(chosen, f"db-{number}") for number, chosen in enumerate(formulas)]
    configuration = {
        "adducts": draw(st.lists(st.sampled_from(["+H", "+Na", "+K", "[M]+"]), min_size=1, max_size=2, unique=True)),
        "neutral_losses": draw(st.sampled_from([[], ["-H2O"]])),
        "decoy_sample_size": draw(st.integers(1, 5)),
        "fdr_method": draw(st.sampled_from(["v1", "v3"])),
        "compatibility": draw(st.sampled_from(["ionfleet", "metaspace"])),
        "isotope_peaks": draw(st.sampled_from([2, 4, 4, 9])),
        "min_pixels": draw(st.integers(1, 3)),
        "ppm": draw(st.sampled_from([1.0, 3.0, 50.0])),
    }
    given_settings = {"polarity": "positive", "resolving_power": 280_000} | configuration
    ions = resolve(JobConfiguration().override(**given_settings), "positive", "orbitrap").ions
    seed = draw(st.integers(0, 2**32 - 1))
    width, height = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    mz = draw(st.sampled_from(["<f8", "<f4"]))
    return Given(dataset(seed, width, height, planted(databases, ions, seed, 0.6), mz), databases, configuration)


orders = st.integers(0, 2**32).map(random.Random)
cuts = st.fixed_dictionaries(
    {
        "sort_task_peaks": st.integers(1, 300),
        "segment_peaks": st.integers(1, 2000),
        "isotope_task_formulas": st.integers(1, 4),
    }
)


@contextmanager
def pieces(block: int, points: int, images: int) -> Iterator[None]:
    """Make the pieces that a task works in as small as the dataset is."""
    values = [
        (runs, "BLOCK", block),
        (runs, "_BLOCK_BYTES", block * runs.PEAK_BYTES),
        (planning, "BLOCK", block),
        (measure, "BATCH_POINTS", points),
        (annotate, "IMAGE_ROW_GROUP", images),
        (planning, "RENDER_TASK_IONS", images),
    ]
    with ExitStack() as stack:
        for module, name, value in values:
            stack.enter_context(patch.object(module, name, value))
        yield


def arranged(tasks: list, order: random.Random) -> list:
    """Return tasks in any order, some of them several times."""
    many = [*tasks, *order.choices(tasks, k=order.randrange(3))] if tasks else []
    order.shuffle(many)
    return many


def assert_same_bits(table: pa.Table, other: pa.Table) -> None:
    """Compare tables; NaN equals NaN of the same bits only."""
    assert table.schema == other.schema
    assert table.num_rows == other.num_rows
    for name in table.column_names:
        for ours, theirs in zip(_arrays(table.column(name)), _arrays(other.column(name)), strict=True):
            assert ours == theirs, name


def _arrays(column: pa.ChunkedArray) -> list[Any]:
    values = column.combine_chunks()
    if pa.types.is_floating(values.type):
        numbers = values.fill_null(0).to_numpy(zero_copy_only=False)
        return [values.is_null().to_pylist(), numbers.tobytes()]
    if pa.types.is_fixed_size_list(values.type):
        return [values.is_null().to_pylist(), np.ascontiguousarray(values.flatten().to_numpy()).tobytes()]
    return [values.to_pylist()]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    jobs(),
    cuts,
    st.sampled_from([1, 7, 64]),
    st.sampled_from([1, 50, 10**6]),
    st.integers(1, 5),
    st.integers(0, 2**32).map(random.Random),
)
def test_results_do_not_depend_on_how_the_work_was_cut(
    job: Given, planning: dict, block: int, points: int, images: int, order: random.Random
) -> None:
    whole = SmallJob(job.dataset, job.databases, job.configuration | {"planning": WHOLE}).run()
    with pieces(block, points, images):
        parts = SmallJob(job.dataset, job.databases, job.configuration | {"planning": planning})
        parts.run(lambda tasks: arranged(tasks, order))
    for name in ("metrics.parquet", "annotations.parquet"):
        assert_same_bits(parts.table(name), whole.table(name))
    assert parts.published().keys() == whole.published().keys()
    differing = [name for name, data in whole.published().items() if parts.published()[name] != data]
    assert not differing
    event(f"annotations: {min(4, whole.table('annotations.parquet').num_rows)}")
    event(f"segments: {min(5, len(parts.tasks('annotate')))}")


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(jobs(), cuts, cuts, orders)
def test_results_do_not_depend_on_what_earlier_jobs_left(
    job: Given, first: dict, second: dict, order: random.Random
) -> None:
    """Runs and centroids of an attempt that was cut otherwise, finished or not, are as good as new ones."""
    left = SmallJob(job.dataset, job.databases, job.configuration | {"planning": first})
    left.plan()
    for stage in ("sort", "isotopes"):
        tasks = left.tasks(stage)
        for task in order.sample(tasks, order.randint(0, len(tasks))):
            task()
    again = SmallJob(job.dataset, job.databases, job.configuration | {"planning": second}, left.stores, "job-0-2").run()
    alone = SmallJob(job.dataset, job.databases, job.configuration | {"planning": WHOLE}).run()
    for name in ("metrics.parquet", "annotations.parquet"):
        assert_same_bits(again.table(name), alone.table(name))
