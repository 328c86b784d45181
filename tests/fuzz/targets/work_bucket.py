"""Objects of the work bucket: what was written there, or a `DamagedObjectError`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

import numpy as np

from ionfleet.brief import read_brief
from ionfleet.chunks import IonTable
from ionfleet.damage import read_counts, read_intact
from ionfleet.databases import Database
from ionfleet.errors import DamagedObjectError
from ionfleet.index import Grid, SpectraIndex
from ionfleet.jobs import End, read_end
from ionfleet.parquet import read_table
from ionfleet.plan import Plan, Stores, read_plan
from ionfleet.runs import BLOCK, RunIndex, RunRows, read_rows, rows_to_read
from ionfleet.stages.render import read_images
from ionfleet.store import MemoryStore

from ...unit.imzml_files import make
from ...unit.small_jobs import SmallJob, database
from ..invariants import assert_named

JOB = "job-0123456789abcdef0123"
WORDS = (
    b"PAR1", b'"peaks":', b'"blocks":', b"-1", b"1e999", b"NaN", b"99999999999999999999", b"null", b"[]", b"{}", b"\n",
    b'"first":', b'"SUCCEEDED"', b'"tasks":', b"\0\0\0\0\0\0\xf8\x7f", b"\x15\x04", b"(\xb5/\xfd",
)  # fmt: skip


def check(data: bytes) -> None:
    """Read bytes as the kind of object that the first of them names."""
    kind = _KINDS[data[0] % len(_KINDS)] if data else _KINDS[0]
    work = MemoryStore()
    try:
        kind(work, data[1:])
    except DamagedObjectError as error:
        assert_named(error)


def _run(work: MemoryStore, data: bytes) -> None:
    """Read an index, and by it a run of zeros: what is promised and not there is noticed."""
    work.create("run.index", data)
    index = read_intact(work, "run.index", RunIndex.from_bytes)
    assert index.peaks >= 0
    assert len(index.first_mz) == -(-index.peaks // BLOCK)
    assert np.all(index.first_mz[1:] >= index.first_mz[:-1])
    assert RunIndex.from_bytes(index.to_bytes()).to_bytes() == index.to_bytes()
    work.create("a.run", bytes(16 * min(index.peaks, 3)))
    (rows,) = rows_to_read([index], [(np.array([-1e300, 200.0]), np.array([100.0, 1e300]))])
    peaks = read_rows(work, ["a.run"], rows)
    assert len(peaks) <= 3


def _index(work: MemoryStore, data: bytes) -> None:
    work.create("index.parquet", data)
    index = read_intact(work, "index.parquet", SpectraIndex.read)
    assert len(index) == index.header.n_spectra == len(index.mz_offset)
    if len(index):
        assert index.geometry().width > 0


def _grid(work: MemoryStore, data: bytes) -> None:
    work.create("index.parquet", data)
    grid = read_intact(work, "index.parquet", Grid.read)
    assert len(grid.pixel) > int(grid.pixel.max())
    assert 0 <= grid.pixel_index.min() <= grid.pixel_index.max() < grid.width * grid.height


def _ions(work: MemoryStore, data: bytes) -> None:
    work.create("ions.parquet", data)
    ions = read_intact(work, "ions.parquet", IonTable.from_parquet)
    assert ions.mz.shape == ions.intensity.shape
    assert len(ions.target) == len(ions) == len(ions.mz)
    assert all(isinstance(ion, str) for ion in ions.ion.to_pylist())


def _rows(work: MemoryStore, data: bytes) -> None:
    work.create("rows", data)
    numbers = [int.from_bytes(data[place : place + 8], "little", signed=True) for place in range(0, len(data), 8)]
    peaks = sum(numbers[2::3]) - sum(numbers[1::3])
    rows = read_intact(work, "rows", lambda data: RunRows.from_bytes(data, 2, peaks))
    assert rows.to_bytes() == data
    assert rows.peaks == peaks >= len(rows.run)


def _database(work: MemoryStore, data: bytes) -> None:
    work.create("database.parquet", data)
    found = read_intact(work, "database.parquet", Database.from_parquet)
    assert len(found.formulas) <= found.table.num_rows
    assert found.digest


def _table(work: MemoryStore, data: bytes) -> None:
    work.create("table.parquet", data)
    table = read_intact(work, "table.parquet", read_table)
    assert len(table.to_pylist()) == table.num_rows


def _images(work: MemoryStore, data: bytes) -> None:
    work.create(f"jobs/{JOB}/segments/000000.images.parquet", data)
    stores = Stores(input=MemoryStore(), work=work, results=MemoryStore())
    for image in read_images(stores, JOB, 0, {"C6H13O6", "C3H8NO2"}):
        assert len(image.pixel) == len(image.intensity)


def _plan(work: MemoryStore, data: bytes) -> None:
    work.create("plan.json", data)
    plan = read_plan(work, "plan.json")
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def _brief(work: MemoryStore, data: bytes) -> None:
    work.create("plan.json", data)
    brief = read_brief(work, "plan.json")
    assert brief.launch_input()["execution"] == brief.execution


def _end(work: MemoryStore, data: bytes) -> None:
    work.create(f"ended/{JOB}.json", data)
    end = read_end(work, JOB)
    assert end is not None
    assert End.model_validate_json(end.model_dump_json()) == end


def _counts(work: MemoryStore, data: bytes) -> None:
    work.create("partition.json", data)
    assert all(count >= 0 for count in read_counts(work, "partition.json", "tasks", "peaks").values())


_KINDS: tuple[Callable[[MemoryStore, bytes], None], ...] = (
    _run, _index, _ions, _database, _table, _images, _plan, _brief, _end, _counts, _grid, _rows,
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return objects of a small job, each behind the number of its kind."""
    written = _written()
    keys = {
        _run: _first(written, ".index"),
        _index: "datasets/ds-0/index.parquet",
        _ions: _first(written, ".ions.parquet"),
        _database: _first(written, "databases/"),
        _table: _first(written, ".metrics.parquet"),
        _images: _first(written, ".images.parquet"),
        _plan: "manifests/job-0/plan.json",
        _brief: "manifests/job-0/plan.json",
        _counts: "manifests/job-0/partition.json",
        _grid: "datasets/ds-0/index.parquet",
        _rows: _first(written, ".rows"),
    }
    objects = {kind: written[key] for kind, key in keys.items()}
    objects[_end] = End(state="SUCCEEDED", at="2026-05-04T12:00:00Z", by="test").model_dump_json().encode()
    return {kind.__name__.strip("_"): bytes([_KINDS.index(kind)]) + data for kind, data in objects.items()}


def _first(written: dict[str, bytes], part: str) -> str:
    return next(key for key in written if part in key)


@cache
def _written() -> dict[str, bytes]:
    """Return what a job on two pixels leaves in the work bucket."""
    spectra = [([74.0, 181.0707, 182.0741], [1.0, 50.0, 3.0]), ([181.0707, 300.0], [70.0, 2.0])]
    job = SmallJob(make(spectra), [database(["C6H12O6", "C3H7NO2"])], {"decoy_sample_size": 1})
    job.run()
    return cast(MemoryStore, job.stores.work).objects
