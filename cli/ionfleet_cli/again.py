"""`ionfleet annotate-again`: what a job did, with another database."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from ionfleet.client import Results
from ionfleet.configuration import JobConfiguration
from ionfleet.errors import InvalidDatasetError
from ionfleet.uploads import CONFIGURATION, DatasetName, understand
from ionfleet_cli.databases import add_database
from ionfleet_cli.deployment import Address, Deployment, find_deployment
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.local_files import LocalDatabase, find_databases, find_dataset
from ionfleet_cli.named import dataset_beside, find_deployed, is_here
from ionfleet_cli.run import Extras, Places, annotate, prepare
from ionfleet_cli.s3 import SCHEME, split
from ionfleet_cli.submit import Planned, await_plan, last_told


@dataclass(frozen=True)
class Again:
    """Results of a job, as they are called on the command line, and the database to annotate with instead."""

    place: str
    database: LocalDatabase

    @classmethod
    def of(cls, place: str, database: Path) -> Again:
        """Return what is asked for; raises `UsageError` for the bundled database, which has no file."""
        files = find_databases([database])
        if not files:
            raise UsageError(f"{database} comes with Ionfleet; give the file of another database.")
        return cls(place, files[0])

    @property
    def is_here(self) -> bool:
        """Whether the results are in a folder of this machine."""
        return is_here(self.place)


def annotate_here(again: Again, dataset: Path | None, extras: Extras, places: Places, console: Console) -> None:
    """Annotate the dataset of results in a folder with another database, all else as it was, on this machine.

    `dataset` and `extras` are files that are not where the configuration says.

    Raises
    ------
    UsageError
        The dataset is not where it was.
    CommandError
        It did not succeed.

    """
    results = Results(again.place)
    imzml = dataset or dataset_beside(Path(again.place), results)
    request = prepare(imzml, [again.database.path], None, requested(results.config, again.database.name), extras)
    out = places.out or Path(f"{find_dataset(imzml).stem}-{again.database.name}-results")
    annotate(request, places.into(out), None, console)


def annotate_deployed(again: Again, address: Address, console: Console) -> tuple[Deployment, Planned]:
    """Annotate the dataset of a job of a deployment with another database, all else as it was.

    The job that this becomes begins at the isotope patterns: the sorted runs of the dataset are there.

    Raises
    ------
    UsageError
        There is no such job, or the results are of another deployment.
    CommandError
        The database or the job is refused, with the reason.

    """
    deployment, results = _deployed(again.place, address)
    imzml = results.summary["dataset"]["imzml"]["key"]
    name = understand(imzml)
    if not isinstance(name, DatasetName):
        raise InvalidDatasetError(f"The summary names {imzml!r} as its imzML, which is none; give other results.")
    buckets, since = deployment.buckets, last_told(deployment, name)
    if buckets.input.etag(imzml) is None:
        raise CommandError(f"{imzml!r} is not in the input bucket any more; submit the dataset again.")
    fields = requested(results.config, again.database.name)
    skip_invalid = bool(fields.get("skip_invalid"))
    console.print(add_database(buckets, again.database, console, skip_invalid=skip_invalid), markup=False)
    buckets.input.put(f"{name.folder}{name.stem}.{CONFIGURATION}", json.dumps(fields).encode())
    return deployment, await_plan(deployment, name, since)


def requested(configuration: Mapping[str, Any], database: str) -> dict[str, Any]:
    """Return the fields of a `job.json` that lead to a resolved configuration, with another database."""
    known = JobConfiguration.model_fields.keys() - {"planning"}
    fields = {name: value for name, value in configuration.items() if name in known and value is not None}
    return fields | {"databases": [database]}


def _deployed(place: str, address: Address) -> tuple[Deployment, Results]:
    if not place.startswith(SCHEME):
        job = find_deployed(place, address)
        return job.deployment, job.results()
    deployment = find_deployment(address)
    bucket, _ = split(place)
    if bucket != deployment.buckets.results.name:
        raise UsageError(
            f"{place} is not in the results bucket of {deployment.title}; give --stack the name of the stack it is of."
        )
    return deployment, Results(place, client=deployment.client("s3"))
