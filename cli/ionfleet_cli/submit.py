"""`ionfleet submit`: a dataset into a deployment's bucket, and the job that it becomes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ionfleet.status import UploadStatus
from ionfleet.uploads import DATASETS, DatasetName
from ionfleet_cli import transfer
from ionfleet_cli.databases import add_database
from ionfleet_cli.deployment import Deployment
from ionfleet_cli.display import display_on
from ionfleet_cli.job import planned_as, settled
from ionfleet_cli.local_files import LocalDataset, composed
from ionfleet_cli.multipart import etag_of
from ionfleet_cli.submission import check_keys, dataset_name, dataset_objects, upload_configuration, upload_model
from ionfleet_cli.watch import Polling

if TYPE_CHECKING:
    from ionfleet_cli.run import Request

DIGITS = 12
"""Hexadecimal digits of a dataset's content in the name of its folder."""


@dataclass(frozen=True)
class Planned:
    """What an upload became."""

    dataset: str
    job: str
    execution: str


def submit(request: Request, deployment: Deployment, console: Console) -> DatasetName:
    """Put a request's databases and dataset into a deployment's bucket, and return what the dataset is called there.

    Databases come first, since jobs name them; then the configuration, the ibd and the imzML, which makes the pair
    complete. What is there already is not sent again, and what arrived in part is gone on with.

    Raises
    ------
    CommandError
        A database was rejected, or a file changed meanwhile.
    InvalidInputError
        A file has a name that no key may have.

    """
    display, dataset = display_on(console), request.dataset
    name = place_of(dataset)
    folder = name.folder
    check_keys(dataset, request.databases, folder)
    display.note(f"Submitting to {deployment.title}")
    for database in request.databases:
        skip_invalid = request.configuration.skip_invalid
        display.note(add_database(deployment.buckets, database, console, skip_invalid=skip_invalid))
    upload_configuration(deployment.buckets, dataset, request.configuration, folder)
    if request.model is not None:
        upload_model(deployment.buckets, request.model)
    for key, path in dataset_objects(dataset, request.picture, folder).items():
        _upload(deployment, key, path, console)
    return name


def await_plan(deployment: Deployment, name: DatasetName, since: str | None) -> Planned:
    """Wait until a dataset has become a job, by a document later than the one of the time `since`.

    Raises
    ------
    CommandError
        It was rejected, or could not be planned.

    """
    results = deployment.buckets.results

    def look() -> UploadStatus | None:
        status = settled(results.read(name.status_key, UploadStatus))
        return None if status is None or status.at == since else status

    return Planned(*planned_as(Polling().wait(look), name))


def last_told(deployment: Deployment, name: DatasetName) -> str | None:
    """Return the time that the document of a dataset's upload speaks of, None where there is none."""
    status = deployment.buckets.results.read(name.status_key, UploadStatus)
    return None if status is None else status.at


def place_of(dataset: LocalDataset) -> DatasetName:
    """Return what a dataset is called in the input bucket, where its folder is named after its content.

    Two datasets of one name never meet there, and the same one submitted again finds its files.
    """
    with dataset.imzml.open("rb") as file:
        content = hashlib.file_digest(file, "sha256")
    content.update(str(dataset.ibd.stat().st_size).encode())
    return dataset_name(dataset, f"{DATASETS}{composed(dataset.stem)}/{content.hexdigest()[:DIGITS]}/")


def _upload(deployment: Deployment, key: str, path: Path, console: Console) -> None:
    bucket = deployment.buckets.input
    there = bucket.etag(key)
    if there is not None and there == etag_of(path):
        display_on(console).note(f"{path.name}: is there already")
        return
    with transfer.shown(console, path.name, path.stat().st_size) as sent:
        bucket.upload(key, path, sent)
