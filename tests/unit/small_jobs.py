"""Whole jobs on tiny datasets, in one process over memory, their tasks to be run in any order and number."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ionfleet.configuration import JobConfiguration, resolve
from ionfleet.databases import Database
from ionfleet.ions import IonSettings, ion_pairs
from ionfleet.isotopes import Instrument, centroids
from ionfleet.models import import_model
from ionfleet.plan import IsotopeTask, Plan, RenderTask, SegmentTask, SortTask, Stores, read_plan
from ionfleet.stages.annotate import annotate
from ionfleet.stages.isotopes import compute_isotopes
from ionfleet.stages.merge import merge
from ionfleet.stages.partition import partition
from ionfleet.stages.plan import DatasetFiles, PlanRequest, write_plan
from ionfleet.stages.render import render
from ionfleet.stages.sort import sort_spectra
from ionfleet.store import MemoryStore

from .imzml_files import Dataset, make
from .memory_cloud import DEPLOYMENT

FORMULAS = ("C6H12O6", "C3H7NO2", "C10H16N5O13P3", "C42H82NO8P", "C6H14O7", "C5H9NO4", "C12H22O11", "C4H10FO2P")
PUBLISHED = (
    "metrics.parquet",
    "annotations.parquet",
    "annotations.csv",
    "colocalization.parquet",
    "diagnostics.parquet",
    "report/annotations.js",
    "report/dataset.js",
    "report/colocalization.js",
)
STAGES = ("sort", "isotopes", "partition", "annotate", "merge", "render")


def database(formulas: Sequence[str], name: str = "db") -> Database:
    """Return a database with two molecules of each formula."""
    rows = [formula for formula in formulas for _ in range(2)]
    ids = [f"{name}-{number}" for number in range(len(rows))]
    return Database(name, pa.table({"id": ids, "name": [f"molecule {id_}" for id_ in ids], "formula": rows}))


def dataset(seed: int, width: int = 6, height: int = 5, ions: Sequence[str] = (), mz: str = "<f8") -> Dataset:
    """Return spectra with the isotope patterns of ions, each in an area of its own, and with noise.

    Some peaks stand at exactly the same m/z in many spectra; some pixels have no spectrum, some have two.
    """
    rng = np.random.default_rng(seed)
    pixels = [(x, y) for y in range(height) for x in range(width) if rng.random() < 0.9] or [(0, 0)]
    pixels += [pixel for pixel in pixels if rng.random() < 0.1]
    pattern = centroids(ions, Instrument("orbitrap", 0.000619, 1))
    peaks: list[tuple[list[float], list[float]]] = [([], []) for _ in pixels]
    for masses, abundances in zip(pattern.mz, pattern.intensity, strict=True):
        centre, spread = rng.uniform(0, [width, height]), rng.uniform(1, 3)
        wobble, exact = rng.choice([0.05, 0.5]), rng.random() < 0.3
        for (mzs, intensities), (x, y) in zip(peaks, pixels, strict=True):
            height_here = 1e4 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / spread**2)
            for mass, abundance in zip(masses[masses > 0], abundances[masses > 0], strict=True):
                if height_here * abundance > 300:
                    mzs.append(mass * (1 + (0 if exact else rng.normal(0, 1e-6))))
                    intensities.append(height_here * abundance * rng.lognormal(0, wobble))
    for mzs, intensities in peaks:
        mzs += rng.uniform(80, 900, 20).tolist()
        intensities += rng.lognormal(5, 2, 20).tolist()
        mzs += [100.25, 500.125]
        intensities += [0.0, 5.0]
    ordered = [tuple(np.array(part)[np.argsort(mzs)] for part in (mzs, intensities)) for mzs, intensities in peaks]
    return make(ordered, [(x + 3, y + 1) for x, y in pixels], mz=mz)


def planted(databases: Sequence[Database], settings: IonSettings, seed: int, share: float = 0.5) -> list[str]:
    """Choose ions to be in a dataset: a share of the targets, and fewer of the decoys."""
    rng = np.random.default_rng(seed)
    ions = []
    for each in databases:
        pairs = ion_pairs(each.formulas, 0, len(each.formulas), settings)
        for ion, is_target in zip(pairs.ion.to_pylist(), pairs.is_target, strict=True):
            if ion is not None and rng.random() < (share if is_target else share / 4):
                ions.append(ion)
    return sorted(set(ions))


@dataclass
class SmallJob:
    """A job and its buckets. `run` takes how to arrange the tasks of a stage: which of them, in which order."""

    dataset: Dataset
    databases: Sequence[Database]
    configuration: dict[str, Any] = field(default_factory=dict)
    stores: Stores = field(default_factory=lambda: Stores(MemoryStore(), MemoryStore(), MemoryStore()))
    execution: str = "job-0"
    sort_mb: int = 1769
    annotate_mb: int = 1769

    def plan(self) -> Plan:
        """Write the plan unless it is there, as the planner does once it has claimed the job; return it."""
        if self.stores.work.head(self.plan_key) is not None:
            return read_plan(self.stores.work, self.plan_key)
        given = {"polarity": "positive", "resolving_power": 280_000, "decoy_sample_size": 5} | self.configuration
        configuration = resolve(JobConfiguration().override(**given), "positive", "orbitrap")
        return write_plan(self.stores, self._request(configuration))

    def _request(self, configuration: Any) -> PlanRequest:
        files = {}
        for name, data in (("x.imzML", self.dataset.imzml.encode()), ("x.ibd", self.dataset.ibd)):
            self.stores.input.create(f"datasets/{name}", data)
            files[name] = self.stores.input.head(f"datasets/{name}")
        index = self.dataset.index()
        self.stores.work.create("datasets/ds-0/index.parquet", index.to_parquet())
        keys = [f"databases/{each.name}/{each.digest}.parquet" for each in self.databases]
        for key, each in zip(keys, self.databases, strict=True):
            self.stores.work.create(key, each.to_parquet())
        return PlanRequest(
            execution=self.execution,
            job=self.execution,
            attempt=1,
            trigger="test",
            claimed_at="2026-01-02T03:04:05+00:00",
            dataset_id="ds-0",
            files=DatasetFiles(configuration.name or "x", files["x.imzML"], files["x.ibd"]),
            index=index,
            configuration=configuration,
            databases=list(zip(keys, self.databases, strict=True)),
            findings=[],
            deployment=DEPLOYMENT.model_copy(
                update={"memory_mb": DEPLOYMENT.memory_mb | {"sort": self.sort_mb, "annotate": self.annotate_mb}}
            ),
            scoring_model=import_model(self.stores, name) if (name := configuration.scoring_model) else None,
        )

    @property
    def plan_key(self) -> str:
        """Key of the plan."""
        return f"manifests/{self.execution}/plan.json"

    def tasks(self, stage: str) -> list[Callable[[], object]]:
        """Return the tasks of a stage whose predecessors have run."""
        if stage == "partition":
            return [lambda: partition(self.stores, self.plan_key)]
        if stage == "merge":
            return [lambda: merge(self.stores, self.plan_key)]
        function, model = {
            "sort": (sort_spectra, SortTask),
            "isotopes": (compute_isotopes, IsotopeTask),
            "annotate": (annotate, SegmentTask),
            "render": (render, RenderTask),
        }[stage]
        lines = self.stores.work.get(f"manifests/{self.execution}/{stage}.jsonl").splitlines()
        tasks = [model.model_validate_json(line) for line in lines]
        return [lambda task=task: function(self.stores, task) for task in tasks]

    def run(self, arrange: Callable[[list], Sequence] = list, stages: Sequence[str] = STAGES) -> SmallJob:
        """Run stages, by default the whole job."""
        if STAGES[0] in stages:
            self.plan()
        for stage in stages:
            for task in arrange(self.tasks(stage)):
                task()
        return self

    def file(self, name: str) -> bytes:
        """Return a table's bytes."""
        return self.stores.work.get(f"jobs/{self.execution}/tables/{name}")

    def table(self, name: str) -> pa.Table:
        """Return a table."""
        return pq.read_table(io.BytesIO(self.file(name)))

    def published(self) -> dict[str, bytes]:
        """Return everything of the job that users see."""
        return {name: self.file(name) for name in PUBLISHED} | self.stores.results.objects

    def objects(self) -> dict[str, bytes]:
        """Return every object that the job has written."""
        return {**self.stores.work.objects, **self.stores.results.objects}
