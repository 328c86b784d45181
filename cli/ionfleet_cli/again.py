"""`ionfleet annotate-again`: what a job did, with another database."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel
from rich.console import Console

from ionfleet.client import Results
from ionfleet.configuration import JobConfiguration
from ionfleet.errors import InvalidDatasetError
from ionfleet.status import DatabaseStatus, UploadStatus, job_status_key, read_status
from ionfleet.store import ObjectStore
from ionfleet.uploads import CONFIGURATION, DATABASES, DatasetName, database_status_key, understand
from ionfleet_cli import terminal
from ionfleet_cli.failures import CommandError, ExitCode, UsageError
from ionfleet_cli.local_files import LocalDatabase, find_databases, find_dataset
from ionfleet_cli.s3 import SCHEME, open_bucket, split

PATIENCE = 600
"""Seconds for which the cloud may take up a file."""

PAUSE = 2.0
"""Seconds between two looks."""

Document = TypeVar("Document", bound=BaseModel)


def annotate_again(
    address: str, database: Path, dataset: Path | None, input_bucket: str | None, out: Path | None, console: Console
) -> None:
    """Annotate the dataset of some results with another database, everything else being as it was.

    In the cloud the job begins at the isotope patterns: the sorted runs of the dataset are there.

    Raises
    ------
    UsageError
        Something that the place of the results asks for is missing.
    CommandError
        The cloud refuses the database, or the job.

    """
    files = find_databases([database])
    if not files:
        raise UsageError(f"{database} comes with Ionfleet; give the file of another database.")
    results = Results(address)
    if not address.startswith(SCHEME):
        _annotate_here(results, files[0], dataset, out, console)
        return
    if input_bucket is None:
        raise UsageError("The results are in the cloud; give --input-bucket, which the stack names in its outputs.")
    bucket, _ = split(address)
    told = annotate_deployed(results.summary, open_bucket(input_bucket), open_bucket(bucket), files[0])
    status = f"{SCHEME}{bucket}/{job_status_key(told.dataset or '', told.job or '')}"
    console.print(terminal.styled(f"{told.job} is planned; {status} says how far it is."))


def requested(configuration: Mapping[str, Any], database: str) -> dict[str, Any]:
    """Return the fields of a `job.json` that lead to a resolved configuration, with another database."""
    known = JobConfiguration.model_fields.keys() - {"planning"}
    fields = {name: value for name, value in configuration.items() if name in known and value is not None}
    return fields | {"databases": [database]}


def annotate_deployed(
    summary: Mapping[str, Any], inputs: ObjectStore, results: ObjectStore, database: LocalDatabase, pause: float = PAUSE
) -> UploadStatus:
    """Import a database into a deployment, give a dataset there another configuration, and return what it became.

    Parameters
    ----------
    summary
        Of the job that was.
    inputs, results
        The deployment's buckets.
    database
        The file.
    pause
        Seconds between two looks at a status document.

    Raises
    ------
    CommandError
        The database or the job is refused, with the reason, or nobody takes them up.

    """
    imzml = summary["dataset"]["imzml"]["key"]
    name = understand(imzml)
    if not isinstance(name, DatasetName):
        raise InvalidDatasetError(f"The summary names {imzml!r} as its imzML, which is none; give other results.")
    key = f"{DATABASES}{database.name}.tsv"
    inputs.replace(key, database.path.read_bytes())
    info = inputs.head(key)
    etag = info.etag if info is not None else None
    status_key = database_status_key(database.name)
    _await(lambda: _imported(read_status(results, status_key, DatabaseStatus), etag), database.path.name, pause)
    before = read_status(results, name.status_key, UploadStatus)
    fields = requested(summary["configuration"], database.name)
    inputs.replace(f"{name.folder}{name.stem}.{CONFIGURATION}", json.dumps(fields).encode())
    return _await(lambda: _planned(read_status(results, name.status_key, UploadStatus), before), name.stem, pause)


def _imported(status: DatabaseStatus | None, etag: str | None) -> DatabaseStatus | None:
    if status is None or status.etag != etag:
        return None
    if status.state != "imported":
        raise CommandError(f"{status.error}: {status.message}", ExitCode.INVALID_INPUT)
    return status


def _planned(status: UploadStatus | None, before: UploadStatus | None) -> UploadStatus | None:
    if status is None or status == before or status.state == "waiting":
        return None
    if status.state != "planned":
        raise CommandError(f"{status.error}: {status.message}", ExitCode.INVALID_INPUT)
    return status


def _await(look: Callable[[], Document | None], what: str, pause: float) -> Document:
    end = time.monotonic() + PATIENCE
    while (found := look()) is None:
        if time.monotonic() > end:
            minutes = f"{PATIENCE / 60:.0f} minutes"
            raise CommandError(f"Nobody has taken up {what} for {minutes}; look into the planner's log.")
        time.sleep(pause)
    return found


def _annotate_here(
    results: Results, database: LocalDatabase, dataset: Path | None, out: Path | None, console: Console
) -> None:
    from ionfleet_cli.run import Places, annotate, prepare

    imzml = dataset or _beside(Path(results.address), Path(results.summary["dataset"]["imzml"]["key"]).name)
    fields = requested(results.config, database.name)
    request = prepare(imzml, [database.path], None, fields)
    places = Places(out or Path(f"{find_dataset(imzml).stem}-{database.name}-results"))
    annotate(request, places, None, console)


def _beside(folder: Path, name: str) -> Path:
    """Return the dataset that results were made of, if it lies where they do."""
    for place in (folder.absolute().parent, Path.cwd()):
        if (place / name).is_file():
            return place / name
    raise UsageError(f"There is no {name} beside {folder} nor here; give --dataset.")
