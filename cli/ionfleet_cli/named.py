"""What a command is about: a file or folder of this machine, an address in S3, or a job of a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from botocore.exceptions import NoCredentialsError, NoRegionError

from ionfleet.client import Results
from ionfleet.status import JobStatus
from ionfleet_cli.deployment import Address, Deployment, find_deployment
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.jobs import find_job
from ionfleet_cli.results import SUMMARY
from ionfleet_cli.s3 import SCHEME


@dataclass(frozen=True)
class DeployedJob:
    """A job, and the deployment that it is of."""

    deployment: Deployment
    status: JobStatus

    @property
    def bucket(self) -> str:
        """Name of the bucket with its results."""
        return self.deployment.buckets.results.name

    def results(self) -> Results:
        """Return its results.

        Raises
        ------
        CommandError
            It has none, as it has not succeeded.

        """
        status = self.status
        if status.state != "SUCCEEDED":
            raise CommandError(f"{status.job} is {status.state}, so there are no results of it.")
        return Results(f"{SCHEME}{self.bucket}/{status.results}", client=self.deployment.client("s3"))


def is_here(place: str) -> bool:
    """Tell whether something that a command is given is a file or folder of this machine."""
    return not place.startswith(SCHEME) and Path(place).exists()


def find_deployed(text: str, address: Address) -> DeployedJob:
    """Return the job of a deployment that is meant by an id, the beginning of one, or the name of a dataset.

    Raises
    ------
    UsageError
        There is no such job, or more than one.
    CommandError
        There is no deployment.

    """
    if "/" in text or text.lower().endswith((".imzml", ".ibd")):
        raise UsageError(f"There is no {text}; check the path, or give the id of a job.")
    try:
        deployment = find_deployment(address)
    except (CommandError, NoCredentialsError, NoRegionError) as error:
        raise CommandError(
            f"There is no {text} on this machine, and no deployment that may have a job of this name. {error}"
        ) from None
    return DeployedJob(deployment, find_job(deployment.buckets.results, text))


def find_results(place: str, address: Address) -> Results:
    """Return the results in a folder, at an address in S3, or of a job of a deployment.

    Raises
    ------
    ResultsError
        There are none.
    UsageError
        There is no such job.

    """
    if place.startswith(SCHEME) or is_here(place):
        return Results(place)
    return find_deployed(place, address).results()


def dataset_beside(folder: Path, results: Results) -> Path:
    """Return the imzML that results in a folder were made of, if it lies where they do, or here.

    Raises
    ------
    UsageError
        It does not.

    """
    name = Path(results.summary["dataset"]["imzml"]["key"]).name
    for place in (folder.absolute().parent, Path.cwd()):
        if (place / name).is_file():
            return place / name
    raise UsageError(f"The results in {folder} are of {name}, which is neither beside them nor here; say where it is.")


def is_results(folder: Path) -> bool:
    """Tell whether a folder holds results."""
    return (folder / SUMMARY).is_file()
