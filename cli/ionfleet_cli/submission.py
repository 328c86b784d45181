"""Puts what a run needs into the input bucket, in the order that the cloud expects; the rest is its events."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ionfleet.configuration import JobConfiguration
from ionfleet.status import DatabaseStatus
from ionfleet.uploads import CONFIGURATION, DATABASES, DATASETS, DatasetName, database_status_key, understand
from ionfleet_cli import terminal
from ionfleet_cli.buckets import Buckets
from ionfleet_cli.failures import CommandError, ExitCode
from ionfleet_cli.local_files import LocalDatabase, LocalDataset, composed
from ionfleet_cli.watch import Watch

FOLDER = f"{DATASETS}local/"
"""Where in the input bucket a run's dataset goes."""


def check_keys(dataset: LocalDataset, databases: Sequence[LocalDatabase]) -> None:
    """Refuse files whose names no key may have: the cloud would have no status document to say so in.

    Raises
    ------
    InvalidInputError
        With the name and what is wrong with it.

    """
    for key in (f"{FOLDER}{dataset.imzml.name}", *map(_database_key, databases)):
        understand(key)


def dataset_name(dataset: LocalDataset) -> DatasetName:
    """Return what the cloud calls a dataset."""
    return DatasetName(FOLDER, composed(dataset.stem))


def import_databases(
    buckets: Buckets, databases: Sequence[LocalDatabase], watch: Watch, *, skip_invalid: bool
) -> list[str]:
    """Upload databases, and wait until each is imported; return a line about each.

    With `skip_invalid`, one with bad rows is no reason to end: the job decides.

    Raises
    ------
    CommandError
        A database was rejected, with what is wrong with it.

    """
    for database in databases:
        buckets.input.upload(_database_key(database), database.path)
    return [_await_import(buckets, database, watch, skip_invalid=skip_invalid) for database in databases]


def upload_dataset(buckets: Buckets, dataset: LocalDataset, configuration: JobConfiguration) -> None:
    """Put a dataset in, its configuration first: it counts from the moment that the pair is complete."""
    fields = configuration.model_dump(mode="json", exclude_unset=True)
    buckets.input.put(f"{FOLDER}{dataset.stem}.{CONFIGURATION}", json.dumps(fields).encode())
    picture = dataset.imzml.with_name(configuration.optical_image) if configuration.optical_image else None
    # Where it is missing, the planner says so.
    pictures = [picture] if picture is not None and picture.is_file() else []
    for path in (*pictures, dataset.ibd, dataset.imzml):
        buckets.input.upload(f"{FOLDER}{path.name}", path)


def _database_key(database: LocalDatabase) -> str:
    """Return a database's key. What is in the file is told from its content, whatever its extension."""
    return f"{DATABASES}{database.name}.tsv"


def _await_import(buckets: Buckets, database: LocalDatabase, watch: Watch, *, skip_invalid: bool) -> str:
    key = database_status_key(database.name)
    status = watch.wait(lambda: buckets.results.read(key, DatabaseStatus))
    if status.state == "imported":
        rows, formulas = terminal.counted(status.rows or 0, "row"), terminal.counted(status.formulas or 0, "formula")
        return f"Database {database.name}: {rows}, {formulas}"
    if status.state == "rejected" and skip_invalid:
        return f"Database {database.name}: {status.message}"
    code = ExitCode.INVALID_INPUT if status.state == "rejected" else ExitCode.FAILURE
    raise CommandError(f"{status.error}: {database.path}: {status.message}", code)
