"""What a call to S3 asks for, by its headers and its query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from ionfleet_replay.calls import Call
from ionfleet_replay.objects import Condition, S3Error, Wanted
from ionfleet_replay.payloads import HEADER

MOST_LISTED = 1000

RANGE = re.compile(r"bytes=(\d*)-(\d*)")

KEPT_HEADERS = (
    "Cache-Control",
    "Content-Disposition",
    "Content-Encoding",
    "Content-Language",
    "Content-Type",
    "Expires",
)
"""Headers of a write that every read gives back."""

METADATA = "x-amz-meta-"

UNDERSTOOD = frozenset(
    {
        "x-amz-bucket-region",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-range",
        "x-amz-date",
        "x-amz-decoded-content-length",
        "x-amz-expected-bucket-owner",
        "x-amz-metadata-directive",
        "x-amz-mp-object-size",
        "x-amz-request-payer",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-security-token",
        "x-amz-source-expected-bucket-owner",
        "x-amz-trailer",
        "x-amz-user-agent",
    }
)

UNDERSTOOD_VALUES = {
    "x-amz-acl": ("private", "bucket-owner-full-control"),
    "x-amz-server-side-encryption": ("AES256", "aws:kms"),
    "x-amz-storage-class": ("STANDARD",),
    "x-amz-object-ownership": ("BucketOwnerEnforced",),
}
"""Headers that change nothing as long as they have these values."""

UNIMPLEMENTED_HEADERS = ("If-Modified-Since", "If-Unmodified-Since")


def unimplemented(what: str) -> S3Error:
    """Return the error that refuses what is not implemented, by its name."""
    return S3Error(501, "NotImplemented", f"The local cloud does not implement {what}.")


def check_headers(call: Call) -> None:
    """Refuse headers that would have changed something."""
    for name, value in call.amz_headers.items():
        if name in UNDERSTOOD or name.startswith((HEADER, METADATA)) or value in UNDERSTOOD_VALUES.get(name, ()):
            continue
        raise unimplemented(f"the header {name}: {value}")
    for name in UNIMPLEMENTED_HEADERS:
        if call.header(name) is not None:
            raise unimplemented(f"the header {name}")


def kept_headers(call: Call) -> dict[str, str]:
    """Return the headers that reads are to give back."""
    kept = {name: value for name in KEPT_HEADERS if (value := call.header(name)) is not None}
    encodings = [each.strip() for each in kept.pop("Content-Encoding", "").split(",")]
    if own := ",".join(each for each in encodings if each and each != "aws-chunked"):
        kept["Content-Encoding"] = own
    return kept | {name: value for name, value in call.amz_headers.items() if name.startswith(METADATA)}


def condition(call: Call) -> Condition:
    """Return what must hold for a write."""
    absent, etag = call.header("If-None-Match"), call.header("If-Match")
    if absent not in (None, "*"):
        raise unimplemented(f"writes with If-None-Match: {absent}")
    return Condition(absent == "*", None if etag is None else etag.strip('"'))


def check_read(call: Call, etag: str, headers: Mapping[str, str]) -> None:
    """Refuse a read whose condition on the etag does not hold."""
    expected, known = call.header("If-Match"), call.header("If-None-Match")
    if expected is not None and expected.strip('"') not in ("*", etag):
        raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
    if known is not None and known.strip('"') in ("*", etag):
        raise S3Error(304, "NotModified", "Not Modified", {"ETag": headers["ETag"]})


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """Return where a range begins and ends, None for the whole."""
    if header is None:
        return None
    match = RANGE.fullmatch(header.strip())
    if match is None:
        raise unimplemented(f"the range {header!r}, only bytes=first-last")
    first, last = match.groups()
    start = int(first) if first else max(0, size - int(last or 0))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= stop or (not first and not last):
        raise S3Error(416, "InvalidRange", f"The requested range is not satisfiable: {header} of {size} bytes")
    return start, stop


def source_name(call: Call) -> tuple[str, str, str | None]:
    """Return bucket, key and version of a copy's source."""
    path, _, version = (call.header("x-amz-copy-source") or "").partition("?versionId=")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return bucket, key, version or None


def limit(call: Call, name: str) -> int:
    """Return how many entries a page may have."""
    text = call.query.get(name, str(MOST_LISTED))
    if not text.isdecimal():
        raise S3Error(400, "InvalidArgument", f"Provided {name} not an integer or within integer range: {text!r}")
    return min(int(text), MOST_LISTED)


def wanted_page(call: Call, after: str, instead: str | None = None, *, all_versions: bool = False) -> Wanted:
    """Return which page of a listing is wanted: what comes after the parameter `after`, or `instead` of it."""
    return Wanted(
        prefix=call.query.get("prefix", ""),
        delimiter=call.query.get("delimiter", ""),
        after=call.query.get(after, "") if instead is None else instead,
        after_version=call.query.get("version-id-marker", ""),
        limit=limit(call, "max-keys"),
        all_versions=all_versions,
    )


def after_token(token: str) -> str:
    """Return what a continuation token stands for."""
    try:
        return bytes.fromhex(token).decode("utf-8", "surrogateescape")
    except ValueError:
        raise S3Error(400, "InvalidArgument", "The continuation token provided is incorrect") from None


def number(text: str | None) -> int:
    """Return a number in a request, 0 where it is none: no part and no marker has it."""
    return int(text) if text is not None and text.isdecimal() else 0
