"""Names made of content: the same input gives the same name, whoever computes it and however often.

docs/architecture.md, Names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from zlib import crc32

from ionfleet.errors import InvalidInputError
from ionfleet.store import ObjectInfo

DIGITS = 20
"""Hexadecimal digits of every name: 80 bits, out of which no two datasets will ever share one."""

RUN_PREFIXES = 16
"""Prefixes that the runs of all datasets are spread over: S3 answers so many requests a second for each."""

_EXECUTION = re.compile(rf"(job-[0-9a-f]{{{DIGITS}}})(?:-([1-9][0-9]*))?")


def dataset_id(imzml: ObjectInfo, ibd: ObjectInfo) -> str:
    """Return the id of a dataset, made of etag and size (bytes) of its two files: versions and keys play no part."""
    return "ds-" + digest([imzml.etag, imzml.size, ibd.etag, ibd.size])


def run_prefix(dataset: str, first: int) -> str:
    """Return which prefix the sorted run is under that begins with a spectrum of a dataset."""
    return f"{crc32(f'{dataset}/{first}'.encode()) % RUN_PREFIXES:x}"


def job_id(dataset: str, configuration: bytes, databases: Sequence[str], format_version: str) -> str:
    """Return the id of a job: dataset id, `ResolvedConfiguration.identity()`, digests of the databases in order.

    Where the job has an optical image, its etag is the last of these digests.
    """
    return "job-" + digest([dataset, configuration.decode(), list(databases), format_version])


def trigger_id(*files: ObjectInfo | None) -> str:
    """Return the id of an upload: which version of which objects, None standing for one that is not there."""
    return digest([file and [file.key, file.version, file.etag] for file in files])


def execution_name(job: str, attempt: int) -> str:
    """Return the name of the execution that is attempt 1, 2, … at a job."""
    return job if attempt == 1 else f"{job}-{attempt}"


def job_of(execution: str) -> str:
    """Return the job that an execution is an attempt at.

    Raises
    ------
    InvalidInputError
        This is not the name of an execution.

    """
    match = _EXECUTION.fullmatch(execution)
    if match is None:
        raise InvalidInputError(
            f"{execution[:80]!r} is not the name of an execution, such as job-{'0' * DIGITS}-2. Executions are named "
            "by the planner."
        )
    return match[1]


def digest(content: object) -> str:
    """Return `DIGITS` hexadecimal digits of the SHA-256 of some JSON content, whatever the order of its keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def timestamp(moment: datetime) -> str:
    """Return a moment as ISO 8601 in UTC with milliseconds: as text, times sort as they follow one another."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
