"""The page of results that lie in a private bucket: one file, with addresses in it that are good for some hours."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import botocore.session
from botocore.config import Config
from rich.console import Console

from ionfleet.report.page import NAME, page_of
from ionfleet.report.scripts import DATASET, FOLDER
from ionfleet_cli import terminal
from ionfleet_cli.deployment import Address
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.named import find_deployed, is_here
from ionfleet_cli.s3 import SCHEME

_ADDRESS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<prefix>(?:.+/)?results/ds-[0-9a-f]+/job-[0-9a-f]+)/?")


def make_report(place: str, out: Path | None, hours: float, address: Address, console: Console) -> None:
    """Make the page of a job's results, and print where it is; results in a folder have theirs already.

    Parameters
    ----------
    place
        A job, `s3://<results bucket>/results/<dataset id>/<job id>/`, or a folder of results.
    out
        The file to write, by default named after the job.
    hours
        How long the page can be opened; credentials of a role may end earlier.
    address
        Which deployment a job is of.
    console
        Where it is said.

    Raises
    ------
    UsageError
        There is no such job, or the address is no job's.
    CommandError
        The bucket cannot be read, or has no page of this job.

    """
    if is_here(place):
        console.print(
            terminal.styled(f"The page of these results is {_page_of_folder(Path(place))}", "bold"), soft_wrap=True
        )
        return
    client, bucket, prefix = _place(place, address)
    target = out or Path(f"{PurePosixPath(prefix).name}.html")
    count = write_report(client, bucket, prefix, target, hours)
    told = f"{target} shows these results for {hours:g} hours ({count:,} scripts)"
    console.print(terminal.styled(told, "bold"), soft_wrap=True)


def write_report(client: Any, bucket: str, prefix: str, out: Path, hours: float) -> int:
    """Write the page of the results below a prefix; return how many scripts it refers to.

    Raises
    ------
    CommandError
        There is no page.

    """
    addresses = presigned(client, bucket, prefix, int(hours * 3600))
    if DATASET not in addresses:
        raise CommandError(
            f"There is no page in s3://{bucket}/{prefix}: the job has not succeeded, or an earlier version ran it."
        )
    out.write_bytes(page_of(addresses))
    return len(addresses)


def presigned(client: Any, bucket: str, prefix: str, seconds: int) -> dict[str, str]:
    """Return an address for each script of the page below a prefix, by its path."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}{FOLDER}")
    keys = [entry["Key"] for each in pages for entry in each.get("Contents", ())]
    return {
        key.removeprefix(prefix): client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=seconds
        )
        for key in keys
    }


def _page_of_folder(folder: Path) -> Path:
    page = folder / NAME
    if not page.is_file():
        raise UsageError(f"{folder} holds no {NAME}; give the folder of a job's results, or a job of a deployment.")
    return page


def _place(place: str, address: Address) -> tuple[Any, str, str]:
    """Return a client for the bucket that results are in, its name, and their prefix."""
    if not place.startswith(SCHEME):
        job = find_deployed(place, address)
        if job.status.state != "SUCCEEDED":
            raise CommandError(f"{job.status.job} is {job.status.state}, so there is no page of it.")
        return job.deployment.client("s3"), job.bucket, job.status.results
    found = _ADDRESS.fullmatch(place)
    if found is None:
        raise UsageError(f"{place} is no job's results; give s3://<results bucket>/results/<dataset id>/<job id>/.")
    client = botocore.session.get_session().create_client("s3", config=Config(signature_version="s3v4"))
    return client, found["bucket"], f"{found['prefix']}/"
