"""A job in one process, as far as the reference tests need it: the stages, one after the other, over memory."""

from __future__ import annotations

import io
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ionfleet.chunks import IonTable, compute_chunk
from ionfleet.configuration import JobConfiguration, resolve
from ionfleet.databases import Database, read_database
from ionfleet.estimate import Deployment
from ionfleet.identity import dataset_id
from ionfleet.imzml import index_imzml
from ionfleet.models import import_model, model_key
from ionfleet.plan import IsotopeTask, Plan, RenderTask, SegmentTask, SortTask, StageTasks, Stores
from ionfleet.stages.annotate import annotate
from ionfleet.stages.common import instrument
from ionfleet.stages.merge import merge
from ionfleet.stages.partition import partition
from ionfleet.stages.plan import DatasetFiles, PlanRequest, write_plan
from ionfleet.stages.render import render
from ionfleet.stages.sort import sort_spectra
from ionfleet.store import MemoryStore

FUNCTION_MB = 1769
DATABASE_KEY = "databases/hmdb.parquet"


@dataclass(frozen=True)
class Job:
    """A job that has been run: its plan and the three buckets."""

    plan: Plan
    stores: Stores

    def table(self, name: str) -> pa.Table:
        """Read one of its tables, wherever it is kept."""
        return pq.read_table(io.BytesIO(self.stores.work.get(f"jobs/{self.plan.execution}/tables/{name}")))

    def save(self, name: str, folder: Path) -> Path:
        """Write one of its tables to a file."""
        path = folder / name
        path.write_bytes(self.stores.work.get(f"jobs/{self.plan.execution}/tables/{name}"))
        return path


def run_job(
    folder: Path, database: bytes, model: bytes | None = None, before: Job | None = None, **changes: Any
) -> Job:
    """Annotate the dataset of a folder as its job.json says, with `changes` to that, and with a scoring model.

    Isotope patterns that a job `before` has are not computed again.
    """
    stores = Stores(MemoryStore(), MemoryStore(), MemoryStore())
    (imzml,) = folder.glob("*.imzML")
    stores.input.create("x.imzML", imzml.read_bytes())
    stores.input.create("x.ibd", imzml.with_suffix(".ibd").read_bytes())
    if model is not None:
        stores.input.create(model_key("model"), model)
        changes = {**changes, "scoring_model": "model"}
    plan = _plan(stores, imzml, read_database(database, "hmdb"), (folder / "job.json").read_bytes(), changes)
    for line in _tasks(stores, plan.sort):
        sort_spectra(stores, SortTask.model_validate_json(line))
    _isotopes(stores, plan, before)
    for line in _tasks(stores, partition(stores, plan.key)):
        annotate(stores, SegmentTask.model_validate_json(line))
    for line in _tasks(stores, merge(stores, plan.key)):
        render(stores, RenderTask.model_validate_json(line))
    return Job(plan, stores)


FUNCTIONS = ("planner", "launcher", "sort", "isotopes", "partition", "annotate", "merge", "render", "status")


def _plan(stores: Stores, imzml: Path, database: Database, configuration: bytes, changes: dict[str, Any]) -> Plan:
    files = stores.input.head("x.imzML"), stores.input.head("x.ibd")
    assert files[0] is not None
    assert files[1] is not None
    ibd = stores.input.get("x.ibd")
    index = index_imzml(io.BytesIO(stores.input.get("x.imzML")), files[0].size, files[1].size, ibd[:16])
    dataset = dataset_id(*files)
    stores.work.create(f"datasets/{dataset}/index.parquet", index.to_parquet())
    stores.work.create(DATABASE_KEY, database.to_parquet())
    resolved = resolve(JobConfiguration.from_json(configuration, "job.json").override(**changes))
    request = PlanRequest(
        execution="job-0",
        job="job-0",
        attempt=1,
        trigger="test",
        claimed_at="2026-01-02T03:04:05+00:00",
        dataset_id=dataset,
        files=DatasetFiles(imzml.stem, *files),
        index=index,
        configuration=resolved,
        databases=[(DATABASE_KEY, database)],
        findings=[],
        deployment=Deployment(memory_mb=dict.fromkeys(FUNCTIONS, FUNCTION_MB), retention_days=30),
        scoring_model=import_model(stores, resolved.scoring_model) if resolved.scoring_model else None,
    )
    return write_plan(stores, request)


def _tasks(stores: Stores, stage: StageTasks) -> list[bytes]:
    return stores.work.get(stage.manifest).splitlines()


def _isotopes(stores: Stores, plan: Plan, before: Job | None) -> None:
    """Compute the centroids on every core; what is measured here is not the time of one function."""
    database = Database.from_parquet(stores.work.get(DATABASE_KEY))
    configuration = plan.configuration
    chunks = [plan.chunks[IsotopeTask.model_validate_json(line).chunk] for line in _tasks(stores, plan.isotopes)]
    if before is not None:
        for chunk in chunks:
            if before.stores.work.head(chunk.key):
                stores.work.create(chunk.key, before.stores.work.get(chunk.key))
    missing = [chunk for chunk in chunks if stores.work.head(chunk.key) is None]
    if not missing:
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        arguments = (database.formulas, configuration.ions, instrument(configuration))
        futures = {chunk.key: pool.submit(_chunk, chunk.first, chunk.stop, *arguments) for chunk in missing}
        for key, future in futures.items():
            stores.work.create(key, future.result())


def _chunk(first: int, stop: int, formulas: list[str], ions: Any, model: Any) -> bytes:
    table: IonTable = compute_chunk(formulas, first, stop, ions, model)
    return table.to_parquet()
