"""Uploads in parts that go on where they were interrupted: S3 itself remembers which parts have arrived.

Files are cut as the AWS CLI and boto3 cut them by default, so that the same bytes have the same etag however they were
uploaded: a dataset's id is made of etags.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ionfleet_cli.failures import CommandError
from ionfleet_replay.contents import MOST_PARTS, PART

CHECKSUM = "CRC32"
AT_ONCE = 4
"""Parts that are on their way at one time."""


@dataclass(frozen=True)
class Part:
    """A part of a file, by its number from 1."""

    number: int
    first: int
    size: int


def upload(client: Any, place: Mapping[str, str], path: Path, sent: Callable[[int], None]) -> None:
    """Make an object of a file, in parts where it is large; parts that arrived in an earlier try are not sent again.

    Parameters
    ----------
    client
        boto3's, of S3.
    place
        `Bucket`, `Key` and `ExpectedBucketOwner`, as calls take them.
    path
        The file.
    sent
        Hears of bytes that have arrived, in whatever thread, also of those of an earlier try.

    Raises
    ------
    CommandError
        The file changed meanwhile; what had arrived is of no use and was given up.

    """
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        if before.st_size < PART:
            client.put_object(**place, Body=file, ContentLength=before.st_size)
            sent(before.st_size)
            return
        parts = cut(before.st_size)
        upload_id, arrived = _begun(client, place)
        done = _send(client, {**place, "UploadId": upload_id}, file, parts, arrived, sent)
        after = os.fstat(file.fileno())
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        client.abort_multipart_upload(**place, UploadId=upload_id)
        raise CommandError(f"{path} changed while it was uploaded; submit it again once nobody writes to it.")
    client.complete_multipart_upload(**place, UploadId=upload_id, MultipartUpload={"Parts": done})


def cut(size: int) -> list[Part]:
    """Return the parts of a file of a size in bytes: the same for the same size, so that an upload can be resumed."""
    length = PART
    while length * MOST_PARTS < size:
        length *= 2
    starts = range(0, max(size, 1), length)
    return [Part(number, first, min(length, size - first)) for number, first in enumerate(starts, start=1)]


def etag_of(path: Path) -> str:
    """Return the etag that an object has which `upload` made of a file, without quotes."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digests = [_md5(_read(file, part)) for part in cut(size)]
    return digests[0].hex() if size < PART else f"{_md5(b''.join(digests)).hex()}-{len(digests)}"


def ignore(_sent: int) -> None:
    """Hear nothing."""


def _begun(client: Any, place: Mapping[str, str]) -> tuple[str, dict[int, dict[str, Any]]]:
    """Return an upload of this key with the parts that have arrived, by number; a new one where none was begun."""
    bucket = {name: value for name, value in place.items() if name != "Key"}
    pages = client.get_paginator("list_multipart_uploads").paginate(**bucket, Prefix=place["Key"])
    found = (each for page in pages for each in page.get("Uploads", ()) if each["Key"] == place["Key"])
    # Parts with checksums of another kind, as other clients begin them, cannot be mixed with ours.
    own = [each for each in found if each.get("ChecksumAlgorithm") == CHECKSUM]
    if not own:
        return str(client.create_multipart_upload(**place, ChecksumAlgorithm=CHECKSUM)["UploadId"]), {}
    latest = str(max(own, key=lambda each: each["Initiated"])["UploadId"])
    listed = client.get_paginator("list_parts").paginate(**place, UploadId=latest)
    return latest, {part["PartNumber"]: part for page in listed for part in page.get("Parts", ())}


def _send(
    client: Any,
    place: Mapping[str, str],
    file: BinaryIO,
    parts: list[Part],
    arrived: Mapping[int, Mapping[str, Any]],
    sent: Callable[[int], None],
) -> list[dict[str, Any]]:
    """Send the parts that have not arrived as they are; return all as the completion lists them."""

    def send(part: Part) -> dict[str, Any]:
        data = _read(file, part)
        there = arrived.get(part.number, {})
        if str(there.get("ETag", "")).strip('"') != _md5(data).hex():
            there = client.upload_part(**place, PartNumber=part.number, Body=data, ChecksumAlgorithm=CHECKSUM)
        sent(part.size)
        return {"PartNumber": part.number, **dict(_of_completion(there))}

    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            return list(pool.map(send, parts))
        except BaseException:
            # Else the pool would send all the others before anybody hears of the trouble, or of Ctrl-C.
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _of_completion(part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((name, part[name]) for name in ("ETag", f"Checksum{CHECKSUM}") if name in part)


def _read(file: BinaryIO, part: Part) -> bytes:
    """Read a part without moving the file's position, which threads share."""
    return os.pread(file.fileno(), part.size, part.first)


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()
