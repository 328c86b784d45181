"""The page of results that lie in a private bucket: one file, with addresses in it that are good for some hours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ionfleet.report.page import page_of
from ionfleet.report.scripts import DATASET, FOLDER
from ionfleet_cli.failures import CommandError, UsageError

_ADDRESS = re.compile(r"s3://(?P<bucket>[^/]+)/(?P<prefix>(?:.+/)?results/ds-[0-9a-f]+/job-[0-9a-f]+)/?")


def write_report(address: str, out: Path, hours: float) -> int:
    """Write the page of a job's results in S3; return how many scripts it refers to.

    Parameters
    ----------
    address
        `s3://<results bucket>/results/<dataset id>/<job id>/`, as the job's `status.json` and announcement name it.
    out
        The file to write.
    hours
        How long the page can be opened; credentials of a role may end earlier.

    Raises
    ------
    UsageError
        The address is no job's.
    CommandError
        The bucket cannot be read, or has no page of this job.

    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise UsageError(f"{address} is no job's results; give s3://<results bucket>/results/<dataset id>/<job id>/.")
    try:
        client = botocore.session.get_session().create_client("s3", config=Config(signature_version="s3v4"))
        addresses = presigned(client, found["bucket"], f"{found['prefix']}/", int(hours * 3600))
    except (BotoCoreError, ClientError) as error:
        raise CommandError(f"{address} cannot be read: {error}") from error
    if DATASET not in addresses:
        raise CommandError(f"There is no page in {address}: the job has not succeeded, or an earlier version ran it.")
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
