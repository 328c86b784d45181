"""What several stages need: the report of a task, the settings of a job, the databases and runs of a plan."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ionfleet.configuration import ResolvedConfiguration
from ionfleet.damage import read_intact
from ionfleet.databases import Database
from ionfleet.index import Grid, SpectraIndex, spectra_key
from ionfleet.isotopes import Instrument
from ionfleet.measure import Settings
from ionfleet.plan import Plan, Stores, Task
from ionfleet.runs import RunIndex, index_key, run_key
from ionfleet.store import ObjectStore

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


def runs_of(stores: Stores, plan: Plan) -> list[tuple[str, RunIndex]]:
    """Return key and index of every run of a job's dataset, in the order of their spectra."""
    dataset = plan.dataset.id
    return [
        (
            run_key(dataset, run.first, run.stop),
            read_intact(stores.work, index_key(dataset, run.first, run.stop), RunIndex.from_bytes),
        )
        for run in plan.runs
    ]


def manifest_lines(tasks: Iterable[Task]) -> bytes:
    """Write tasks as JSON Lines."""
    return "".join(task.model_dump_json() + "\n" for task in tasks).encode()


def segment_key(execution: str, task: int, kind: str) -> str:
    """Return the key of an object of a segment: `ions.parquet`, `metrics.parquet` or `images.parquet`."""
    return f"jobs/{execution}/segments/{task:06d}.{kind}"


def table_key(execution: str, name: str) -> str:
    """Return the key of a result table that is not published yet."""
    return f"jobs/{execution}/tables/{name}"
