"""Puts what a run needs into the input bucket, in the order that the cloud expects; the rest is its events."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from ionfleet.configuration import JobConfiguration
from ionfleet.models import model_key
from ionfleet.status import DatabaseStatus
from ionfleet.uploads import CONFIGURATION, DATABASES, DATASETS, DatasetName, database_status_key, understand
from ionfleet_cli import terminal
from ionfleet_cli.buckets import Buckets
from ionfleet_cli.failures import CommandError, ExitCode
from ionfleet_cli.local_files import LocalDatabase, LocalDataset, composed
from ionfleet_cli.scoring_models import LocalModel
from ionfleet_cli.watch import Waiting

FOLDER = f"{DATASETS}local/"
"""Where in the input bucket a run's dataset goes."""


def check_keys(dataset: LocalDataset, databases: Sequence[LocalDatabase], folder: str | None = None) -> None:
    """Refuse files whose names no key may have: the cloud would have no status document to say so in.

    Raises
    ------
    InvalidInputError
        With the name and what is wrong with it.

    """
    for key in (f"{folder or FOLDER}{dataset.imzml.name}", *map(database_key, databases)):
        understand(key)


def dataset_name(dataset: LocalDataset, folder: str | None = None) -> DatasetName:
    """Return what the cloud calls a dataset in a folder, by default that of a run."""
    return DatasetName(folder or FOLDER, composed(dataset.stem))


def import_databases(
    buckets: Buckets, databases: Sequence[LocalDatabase], watch: Waiting, *, skip_invalid: bool
) -> list[str]:
    """Upload databases, and wait until each is imported; return a line about each.

    With `skip_invalid`, one with bad rows is no reason to end: the job decides.

    Raises
    ------
    CommandError
        A database was rejected, with what is wrong with it.

    """
    for database in databases:
        buckets.input.upload(database_key(database), database.path)
    return [await_import(buckets, database, watch, skip_invalid=skip_invalid) for database in databases]


def upload_dataset(
    buckets: Buckets, dataset: LocalDataset, configuration: JobConfiguration, picture: Path | None
) -> None:
    """Put a dataset in, its configuration first: it counts from the moment that the pair is complete."""
    upload_configuration(buckets, dataset, configuration)
    for key, path in dataset_objects(dataset, picture).items():
        buckets.input.upload(key, path)


def upload_configuration(
    buckets: Buckets, dataset: LocalDataset, configuration: JobConfiguration, folder: str | None = None
) -> None:
    """Put the configuration of a dataset in, as far as it says anything."""
    buckets.input.put(*configuration_object(dataset, configuration, folder))


def configuration_object(
    dataset: LocalDataset, configuration: JobConfiguration, folder: str | None = None
) -> tuple[str, bytes]:
    """Return key and content of the configuration that goes with a dataset: of its fields, those that are set."""
    fields = configuration.model_dump(mode="json", exclude_unset=True)
    return f"{folder or FOLDER}{dataset.stem}.{CONFIGURATION}", json.dumps(fields).encode()


def upload_model(buckets: Buckets, model: LocalModel) -> None:
    """Put a scoring model in, where the job that names it finds it."""
    buckets.input.put(model_key(model.name), model.data)


def dataset_objects(dataset: LocalDataset, picture: Path | None, folder: str | None = None) -> dict[str, Path]:
    """Return the files of a dataset by their keys: its optical image first, if it has one, the imzML last."""
    pictures = [] if picture is None else [picture]
    return {f"{folder or FOLDER}{path.name}": path for path in (*pictures, dataset.ibd, dataset.imzml)}


def database_key(database: LocalDatabase) -> str:
    """Return a database's key. What is in the file is told from its content, whatever its extension."""
    return f"{DATABASES}{database.name}.tsv"


def await_import(
    buckets: Buckets,
    database: LocalDatabase,
    watch: Waiting,
    *,
    skip_invalid: bool,
    fresh: Callable[[DatabaseStatus], bool] = lambda _: True,
) -> str:
    """Wait until a database is imported, and return a line about it; `fresh` tells documents of this upload.

    Raises
    ------
    CommandError
        It was rejected, with what is wrong with it.

    """
    key = database_status_key(database.name)

    def look() -> DatabaseStatus | None:
        status = buckets.results.read(key, DatabaseStatus)
        return status if status is not None and fresh(status) else None

    status = watch.wait(look)
    if status.state == "imported":
        rows, formulas = terminal.counted(status.rows or 0, "row"), terminal.counted(status.formulas or 0, "formula")
        return f"Database {database.name}: {rows}, {formulas}"
    if status.state == "rejected" and skip_invalid:
        return f"Database {database.name}: {status.message}"
    code = ExitCode.INVALID_INPUT if status.state == "rejected" else ExitCode.FAILURE
    raise CommandError(f"{status.error}: {database.path}: {status.message}", code)
