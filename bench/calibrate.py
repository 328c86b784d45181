"""What the stages of a job use, measured on simulated datasets, and the coefficients of the estimate that fit it.

Runs whole jobs in this process over memory, counts requests and bytes, and takes CPU seconds. A slow disk does not
lengthen them, other programs do, though less than the clock's: run it on an idle machine. Prints the table of
`ionfleet.coefficients`, and how well the present one fits.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from pprint import pformat

import numpy as np

from ionfleet.brief import PlanBrief, plan_key
from ionfleet.costs import STATES, count_transitions, price_stages
from ionfleet.databases import bundled_database
from ionfleet.estimate import Deployment, Drivers, PlanFacts, drivers, expected, use_of
from ionfleet.plan import IsotopeTask, Plan, RenderTask, SegmentTask, SortTask, Stores, read_plan
from ionfleet.stages.annotate import annotate
from ionfleet.stages.isotopes import compute_isotopes
from ionfleet.stages.merge import merge
from ionfleet.stages.partition import partition
from ionfleet.stages.plan import plan_facts
from ionfleet.stages.planner import take_up
from ionfleet.stages.render import render
from ionfleet.stages.sort import sort_spectra
from ionfleet.stages.status import Outcome, conclude
from ionfleet.store import MemoryStore, ObjectInfo
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import DEMO, Simulation

FUNCTION_MB = 1769
DEPLOYMENT = Deployment(
    memory_mb=dict.fromkeys(
        ("planner", "launcher", "sort", "isotopes", "partition", "annotate", "merge", "render", "status"), FUNCTION_MB
    ),
    retention_days=30,
)
QUANTITIES = ("cpu_seconds", "reads", "writes", "bytes_in", "bytes_out")
PART = 32 * 2**20
NOW = datetime(2026, 1, 1, tzinfo=UTC)

CASES: tuple[tuple[Simulation, int], ...] = (
    (DEMO, 1),
    (DEMO, 8),
    (Simulation(width=20, height=20, peaks_per_spectrum=100, matrix_peaks=20, ions=20), 30),
    (Simulation(width=60, height=60), 3),
    (Simulation(width=60, height=60, peaks_per_spectrum=300, ions=300, seed=2), 2),
    (Simulation(width=110, height=110, peaks_per_spectrum=700, ions=400, seed=4), 4),
    (Simulation(width=150, height=120, peaks_per_spectrum=400, ions=100, seed=5), 12),
)
"""Simulations, and which share of the bundled database is searched: every n-th molecule."""


@dataclass
class Counts:
    """Requests and bytes of all stores of a job."""

    reads: int = 0
    writes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


@dataclass
class CountingStore(MemoryStore):
    """A bucket in memory that counts as S3 charges."""

    counts: Counts
    objects: dict[str, bytes] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        data = super().get(key)
        self.counts.reads += 1
        self.counts.bytes_in += len(data)
        return data

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`."""
        data = bytes(memoryview(self.objects[key])[start : start + length])
        self.counts.reads += 1
        self.counts.bytes_in += len(data)
        return data

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, None where there is none."""
        self.counts.reads += 1
        return self._info(key) if key in self.objects else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix`, in order of their keys."""
        self.counts.writes += 1
        yield from (self._info(key) for key in sorted(self.objects) if key.startswith(prefix))

    def create(self, key: str, data: bytes | memoryview) -> bool:
        """Write an object that is not there yet; False (and nothing written) where it is."""
        if key in self.objects:
            self.counts.writes += 1
            return False
        self.replace(key, bytes(data))
        return True

    def replace(self, key: str, data: bytes, etag: str | None = None) -> bool:
        """Write over what is there, or only over the object that has `etag`."""
        if etag not in (None, self.etags.get(key)):
            return False
        self.counts.writes += 1 if len(data) <= 2 * PART else 2 + -(-len(data) // PART)
        self.counts.bytes_out += len(data)
        self.objects[key] = data
        self.etags[key] = f"{len(data)}-{hashlib.md5(data[:64]).hexdigest()}"
        return True

    def _info(self, key: str) -> ObjectInfo:
        return ObjectInfo(key, len(self.objects[key]), self.etags[key], "null")


@dataclass
class Job:
    """One job, measured stage by stage: `used` has the quantities of each, `estimated` is in US dollars."""

    counts: Counts = field(default_factory=Counts)
    used: dict[str, dict[str, float]] = field(default_factory=dict)
    drivers: Drivers = field(default_factory=dict)
    estimated: float = 0.0

    def __post_init__(self) -> None:
        """Make the buckets."""
        self.stores = Stores(*(CountingStore(self.counts) for _ in range(3)))

    def run(self, simulation: Simulation, every: int) -> None:
        """Run a simulated dataset through all stages."""
        _upload(self.stores, simulation, every)
        (outcome,) = self.measured(
            "plan", lambda: take_up(self.stores, "datasets/x.ibd", "m", NOW, DEPLOYMENT), extra_writes=1
        )
        plan = read_plan(self.stores.work, plan_key(str(outcome.execution)))
        self.estimated = plan.estimate.usd
        self.measured("launch", lambda: _launch(self.stores, plan), extra_writes=1)
        self._map(plan, "sort", lambda line: sort_spectra(self.stores, SortTask.model_validate_json(line)))
        self._map(plan, "isotopes", lambda line: compute_isotopes(self.stores, IsotopeTask.model_validate_json(line)))
        cut = self.measured("partition", lambda: partition(self.stores, plan.key, FUNCTION_MB), extra_writes=1)
        self._map(plan, "annotate", lambda line: annotate(self.stores, SegmentTask.model_validate_json(line)))
        images = self.measured("merge", lambda: merge(self.stores, plan.key), extra_writes=1)
        self._map(plan, "render", lambda line: render(self.stores, RenderTask.model_validate_json(line)))
        ending = Outcome("SUCCEEDED", by="state machine", at=NOW)
        self.measured("publish", lambda: conclude(self.stores.work, self.stores.results, plan.execution, ending))
        self.drivers = drivers(self._facts(plan, cut.tasks, images.manifest))

    def measured(self, stage: str, work: Callable[[], object], extra_writes: int = 0) -> object:
        """Do some work and add what it used to a stage's account."""
        before, begin = replace(self.counts), time.process_time()
        result = work()
        used = self.used.setdefault(stage, dict.fromkeys(QUANTITIES, 0.0))
        used["cpu_seconds"] += time.process_time() - begin
        used["writes"] += extra_writes  # the telemetry's
        for name in QUANTITIES[1:]:
            used[name] += getattr(self.counts, name) - getattr(before, name)
        return result

    def _map(self, plan: Plan, stage: str, work: Callable[[str], object]) -> None:
        lines = self.stores.work.get(f"manifests/{plan.execution}/{stage}.jsonl").decode().splitlines()
        for line in lines:
            self.measured(stage, lambda line=line: work(line), extra_writes=1)

    def _facts(self, plan: Plan, segments: int, render_manifest: str) -> PlanFacts:
        """Return the plan's facts, with what came true in place of what was expected."""
        lines = self.stores.work.get(render_manifest).decode().splitlines()
        shown = max((RenderTask.model_validate_json(line).stop for line in lines), default=0)
        tasks = plan.sort.tasks, plan.isotopes.tasks
        facts = plan_facts(plan.dataset, plan.configuration, plan.runs, plan.chunks, *tasks, FUNCTION_MB)
        return replace(facts, annotate_tasks=segments, shown=shown)


def _upload(stores: Stores, simulation: Simulation, every: int) -> None:
    header, *rows = bundled_database().decode().splitlines(keepends=True)
    stores.input.replace("databases/core.tsv", "".join([header, *rows[::every]]).encode())
    take_up(stores, "databases/core.tsv", "db", NOW, DEPLOYMENT)
    stores.input.replace("datasets/x.job.json", b'{"databases": ["core"]}')
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_dataset(simulation, Path(folder), "x")
        stores.input.replace("datasets/x.imzML", dataset.imzml.read_bytes())
        stores.input.replace("datasets/x.ibd", dataset.ibd.read_bytes())


def _launch(stores: Stores, plan: Plan) -> None:
    PlanBrief.model_validate_json(stores.work.get(plan.key)).launch_input()


def fit(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the coefficients, none negative, with the least relative errors: float64[drivers]."""
    if not values.any():
        return np.zeros(rows.shape[1])
    weights = 1 / np.maximum(values, values.max() * 1e-3)
    used = np.ones(rows.shape[1], bool)
    while True:
        found = np.zeros(rows.shape[1])
        scale = np.maximum(np.abs(rows[:, used]).max(axis=0), 1e-300)
        solution, *_ = np.linalg.lstsq(rows[:, used] * weights[:, None] / scale, values * weights, rcond=None)
        found[used] = solution / scale
        if (found >= 0).all():
            return found
        used[np.argmin(found * np.abs(rows).max(axis=0))] = False


def coefficients(jobs: list[Job]) -> dict[str, dict[str, dict[str, float]]]:
    """Fit every quantity of every stage."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for stage in jobs[0].used:
        there = [job for job in jobs if stage in job.used and stage in job.drivers]
        names = list(there[0].drivers[stage])
        rows = np.array([[job.drivers[stage][name] for name in names] for job in there], float)
        table[stage] = {}
        for quantity in QUANTITIES:
            found = fit(rows, np.array([job.used[stage][quantity] for job in there]))
            least = 1e-3 * max(job.used[stage][quantity] for job in there)
            table[stage][quantity] = {
                name: float(f"{value:.3g}")
                for name, value, largest in zip(names, found, rows.max(axis=0), strict=True)
                if value * largest > least
            }
    return table


def show_agreement(number: int, job: Job) -> None:
    """Print how what the present table expects compares with what was measured."""
    there = [stage for stage in job.used if stage in job.drivers]
    ratios = [
        f"{stage} {expected(stage, job.drivers[stage])['cpu_seconds'] / job.used[stage]['cpu_seconds']:.2f}"
        for stage in there
    ]
    uses = {stage: use_of(stage, int(job.drivers[stage]["tasks"]), job.used[stage], DEPLOYMENT) for stage in there}
    entered = STATES.keys() - {"report"} - ({"render"} - set(there))
    actual = price_stages(uses, count_transitions(entered, uses), DEPLOYMENT.retention_days).usd
    print(f"case {number}: estimated ${job.estimated:.4f}, by what was measured ${actual:.4f}: ", end="")
    print(f"{job.estimated / actual:.2f} times; CPU seconds expected / measured: {', '.join(ratios)}")


def main() -> None:
    """Measure, fit and print."""
    jobs = []
    for number, (simulation, every) in enumerate(CASES, 1):
        job = Job()
        job.run(simulation, every)
        jobs.append(job)
        print(f"case {number} done: {simulation.width}×{simulation.height}, {job.drivers['annotate']}", file=sys.stderr)
    print("COEFFICIENTS =", pformat(coefficients(jobs), width=118, sort_dicts=False))
    for number, job in enumerate(jobs, 1):
        show_agreement(number, job)


if __name__ == "__main__":
    main()
