"""`ionfleet run`: a dataset through the whole chain, on a cloud that lives as long as the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from ionfleet.configuration import JobConfiguration
from ionfleet.errors import InvalidConfigurationError
from ionfleet.report.page import NAME as PAGE
from ionfleet_cli import report, terminal
from ionfleet_cli.buckets import Buckets
from ionfleet_cli.chaos import Injected
from ionfleet_cli.display import Display, display_on
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.isotope_cache import IsotopeCache
from ionfleet_cli.job import Job
from ionfleet_cli.local_cloud import running_cloud, synthesized
from ionfleet_cli.local_files import (
    BUNDLED,
    LocalDatabase,
    LocalDataset,
    database_name,
    find_databases,
    find_dataset,
    read_configuration_bytes,
)
from ionfleet_cli.progress import Progress
from ionfleet_cli.results import ResultsFolder, download
from ionfleet_cli.scoring_models import LocalModel, find_model, read_model
from ionfleet_cli.sorted_datasets import SortedCache
from ionfleet_cli.submission import check_keys, dataset_name, import_databases, upload_dataset, upload_model
from ionfleet_cli.watch import Watch
from ionfleet_replay import ReplayError


@dataclass(frozen=True)
class Request:
    """What to annotate with what, all of it found and checked as far as that can be done here."""

    dataset: LocalDataset
    databases: tuple[LocalDatabase, ...]
    configuration: JobConfiguration
    model: LocalModel | None = None
    picture: Path | None = None


@dataclass(frozen=True)
class Extras:
    """Files that a job may have beside dataset and databases; None leaves the choice to the configuration."""

    scoring_model: Path | None = None
    optical_image: Path | None = None

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the configuration that name them."""
        named = {"scoring_model": self.scoring_model, "optical_image": self.optical_image}
        return {field: path.name for field, path in named.items() if path is not None}


@dataclass(frozen=True)
class Places:
    """Where the results go, None for the default; an assembly that need not be synthesized; what may be left behind.

    `cache` is where isotope patterns outlive the run, `runs` where the sorted runs of its dataset do, None for nowhere;
    with `resume` what is sorted already is not sorted again.
    """

    out: Path | None = None
    assembly: Path | None = None
    cache: Path | None = None
    runs: Path | None = None
    resume: bool = False
    force: bool = False
    keep: bool = False

    def into(self, out: Path) -> Places:
        """Return the same places, but for where the results go."""
        return replace(self, out=out)


NONE = Extras()


def prepare(
    imzml: Path,
    databases: Sequence[Path],
    configuration: Path | None,
    overrides: Mapping[str, Any],
    extras: Extras = NONE,
    *,
    known: bool = False,
) -> Request:
    """Return what a command line asks for.

    Parameters
    ----------
    imzml
        The dataset.
    databases
        Files, or `ionfleet-core`; none leaves the choice to the configuration.
    configuration
        A `job.json`, None for the one beside the dataset.
    overrides
        Fields of the configuration to set.
    extras
        A scoring model, an optical image.
    known
        Whether databases and models that are only named may be there, as in a cloud that others have used before.

    Raises
    ------
    InvalidInputError
        A file is missing or evidently wrong.
    UsageError
        The options make no configuration.

    """
    dataset = find_dataset(imzml)
    path = configuration or dataset.configuration
    job = JobConfiguration() if path is None else JobConfiguration.from_json(read_configuration_bytes(path), str(path))
    files = find_databases(databases)
    check_keys(dataset, files)
    named = {"databases": [database_name(path) for path in databases]} if databases else {}
    try:
        job = job.override(**{**overrides, **named, **extras.fields})
    except InvalidConfigurationError as error:
        raise UsageError(str(error)) from None
    if not known:
        _refuse_unknown_databases(job, files, path)
    model = _model(job, (path or dataset.imzml).parent, extras.scoring_model, known=known)
    return Request(dataset, tuple(files), job, model, _picture(job, dataset, extras.optical_image))


def annotate(request: Request, places: Places, workers: int | None, console: Console, chaos: int | None = None) -> None:
    """Run a request to its end: the results are in their folder afterwards, and what they are is on the console.

    `chaos` is the seed of what goes wrong in the cloud, None for nothing.

    Raises
    ------
    CommandError
        It did not succeed; no results are there.

    """
    folder = ResultsFolder(places.out or Path(f"{request.dataset.stem}-results"), force=places.force)
    folder.check()
    display = display_on(console)
    progress, watch = Progress(display.changed), Watch()
    injected = Injected(chaos, watch.observe)
    with folder.filling() as results:
        try:
            assembly = places.assembly.resolve() if places.assembly else synthesized(display)
            with (
                injected.told(display),
                running_cloud(
                    assembly, injected.observe, workers, display, keep=places.keep, faults=injected.faults
                ) as cloud,
            ):
                watch.attach(cloud)
                buckets = Buckets.of(cloud)
                with watch.naming_denials(), _cached(places, buckets, chaos, display):
                    _give_runs(request, places, buckets, display)
                    dataset = _run(request, buckets, watch, progress, results, display)
                    if chaos is None:
                        _keep_runs(request, places, buckets, dataset, display)
                for denial in watch.denials():
                    display.note(f"warning: {denial}")
        except ReplayError as error:
            raise CommandError(str(error)) from error
    report.show(folder.path, progress.seconds(), console, here=True)
    told = f"The results are in {folder.path}; look at them in {folder.path / PAGE}"
    console.print(terminal.styled(told, "bold"), soft_wrap=True)


def _refuse_unknown_databases(job: JobConfiguration, files: Sequence[LocalDatabase], path: Path | None) -> None:
    """Refuse databases that are only named: the cloud of a run begins empty."""
    unknown = [name for name in job.databases if name not in {BUNDLED, *(file.name for file in files)}]
    if unknown:
        raise InvalidConfigurationError(
            f"{path} names the database {unknown[0]!r}, which does not come with Ionfleet; "
            f"give its file as well: --database {unknown[0]}.tsv"
        )


def _cached(places: Places, buckets: Buckets, chaos: int | None, display: Display) -> AbstractContextManager[None]:
    """Use the cache of isotope patterns; not where things go wrong by a seed, which the calls of a job are to meet."""
    if places.cache is None or chaos is not None:
        return nullcontext()
    return IsotopeCache(places.cache, display.note).serving(buckets.work)


def _give_runs(request: Request, places: Places, buckets: Buckets, display: Display) -> None:
    """Give the cloud the sorted runs of a dataset, if that is asked for and they are kept."""
    if places.resume and places.runs is not None and SortedCache(places.runs).give(buckets.work, request.dataset):
        display.note(f"{request.dataset.imzml.name} is sorted already")


def _keep_runs(request: Request, places: Places, buckets: Buckets, dataset: str, display: Display) -> None:
    """Keep the sorted runs for later questions; what does not work is told, and hinders no run."""
    if places.runs is None:
        return
    try:
        SortedCache(places.runs).keep(buckets.work, dataset, request.dataset)
    except OSError as error:
        display.note(f"warning: the sorted runs could not be kept in {places.runs}: {error}")


def _model(job: JobConfiguration, folder: Path, given: Path | None, *, known: bool) -> LocalModel | None:
    """Return the model that a run needs: the one given, else the one in a folder that its configuration names."""
    if given is not None:
        return read_model(given)
    return None if job.scoring_model is None else find_model(job.scoring_model, folder, known=known)


def _picture(job: JobConfiguration, dataset: LocalDataset, given: Path | None) -> Path | None:
    """Return the optical image: the one given, else the one beside the dataset that its configuration names."""
    if given is not None and not given.is_file():
        raise InvalidConfigurationError(f"There is no optical image {given}; give the path of a PNG or JPEG file.")
    if given is not None or job.optical_image is None:
        return given
    beside = dataset.imzml.with_name(job.optical_image)
    # Where it is missing, the planner says so.
    return beside if beside.is_file() else None


def _run(request: Request, buckets: Buckets, watch: Watch, progress: Progress, results: Path, display: Display) -> str:
    """Run a request, fetch what comes out, and return the dataset's id."""
    skip_invalid = request.configuration.skip_invalid
    for line in import_databases(buckets, request.databases, watch, skip_invalid=skip_invalid):
        display.note(line)
    if request.model is not None:
        upload_model(buckets, request.model)
    job = Job(progress, buckets.work)
    watch.heard = job.heard
    with display.showing(progress.stages):
        progress.begin("plan")
        upload_dataset(buckets, request.dataset, request.configuration, request.picture)
        try:
            status = job.follow(buckets.results, dataset_name(request.dataset), watch)
        except CommandError:
            progress.fail()
            raise
    display.note(f"Fetching the results of {status.job}")
    download(buckets.results, status.results, results)
    return status.dataset
