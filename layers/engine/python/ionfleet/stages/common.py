"""What several stages need: the report of a task, the settings of a job, the databases and runs of a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ionfleet.concurrently import in_order
from ionfleet.configuration import ResolvedConfiguration
from ionfleet.damage import read_intact
from ionfleet.databases import Database
from ionfleet.index import Grid, SpectraIndex, spectra_key
from ionfleet.isotopes import Instrument
from ionfleet.measure import Settings
from ionfleet.plan import Plan, Stores, Task
from ionfleet.runs import RunIndex, index_key, run_key
from ionfleet.store import ObjectStore

Parsed = TypeVar("Parsed")

PARTITION_COUNTS = ("tasks", "peaks", "distinct_ions", "without_pattern", "ions")
"""What merge needs to know of what partition found."""


@dataclass(frozen=True)
class Report:
    """What a task has done: figures by name, for the log and the progress; `done_before` if another did it already."""

    task: int
    done: dict[str, int] = field(default_factory=dict)
    done_before: bool = False


def instrument(configuration: ResolvedConfiguration) -> Instrument:
    """Return what shapes a job's isotope patterns."""
    return Instrument(
        analyzer=configuration.analyzer,
        sigma=configuration.isotope_sigma,
        charge=configuration.charge,
        peaks=configuration.isotope_peaks,
    )


def measurement(configuration: ResolvedConfiguration) -> Settings:
    """Return what the measurement of images depends on.

    A scoring model has learned from METASPACE's figures, so these are what it gets.
    """
    metaspace = configuration.compatibility == "metaspace" or configuration.scoring_model is not None
    return Settings(
        ppm=configuration.ppm,
        min_pixels=configuration.min_pixels,
        levels=configuration.n_levels,
        metaspace=metaspace,
        single_precision=metaspace and configuration.fdr_method == "v3",
    )


def job_database(stores: Stores, plan: Plan, number: int) -> Database:
    """Read one of a job's databases, reduced to the molecule classes that the job asks for."""
    reference = plan.databases[number]
    database = read_intact(stores.work, reference.key, Database.from_parquet)
    return database.select_classes(plan.configuration.molecule_classes)


def dataset_index(work: ObjectStore, dataset: str) -> SpectraIndex:
    """Read the index of a dataset's spectra."""
    return read_intact(work, spectra_key(dataset), SpectraIndex.read)


def dataset_grid(work: ObjectStore, dataset: str) -> Grid:
    """Read the grid of a dataset's spectra."""
    return read_intact(work, spectra_key(dataset), Grid.read)


def run_keys(plan: Plan) -> list[str]:
    """Return the key of every run of a job's dataset, in the order of their spectra."""
    return [run_key(plan.dataset.id, run.first, run.stop) for run in plan.runs]


def run_indexes(work: ObjectStore, plan: Plan) -> list[RunIndex]:
    """Read the index of every run of a job's dataset, in the order of their spectra."""
    return read_all(work, [index_key(plan.dataset.id, run.first, run.stop) for run in plan.runs], RunIndex.from_bytes)


def read_all(work: ObjectStore, keys: Iterable[str], parse: Callable[[bytes], Parsed]) -> list[Parsed]:
    """Return what `parse` makes of objects of the work bucket, in their order, several of them read at a time.

    Raises
    ------
    DamagedObjectError
        It makes nothing of one of them; the message names the key.

    """
    return list(in_order(lambda key: read_intact(work, key, parse), keys))


def create_all(store: ObjectStore, objects: Iterable[tuple[str, bytes]]) -> int:
    """Write objects, given by key and bytes, several at a time; return how many.

    The next ones are made in the caller's thread meanwhile.
    """
    created = in_order(lambda each: store.create(*each), objects, lambda each: len(each[1]))
    return sum(1 for _ in created)


def manifest_lines(tasks: Iterable[Task]) -> bytes:
    """Write tasks as JSON Lines."""
    return "".join(task.model_dump_json() + "\n" for task in tasks).encode()


def segment_key(execution: str, task: int, kind: str) -> str:
    """Return the key of an object of a segment: `ions.parquet`, `rows`, `metrics.parquet` or `images.parquet`."""
    return f"jobs/{execution}/segments/{task:06d}.{kind}"


def table_key(execution: str, name: str) -> str:
    """Return the key of a result table that is not published yet."""
    return f"jobs/{execution}/tables/{name}"
