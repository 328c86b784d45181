"""Buckets of S3 as the domain's object stores, with S3's failures told apart as the domain's errors."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as LostConnectionError

from ionfleet.errors import IonfleetError, ThrottledError, TransientError
from ionfleet.store import ObjectInfo, ObjectMissingError
from ionfleet_aws.usage import Meter, Usage

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef

MULTIPART_FROM = 64 * 2**20
"""Objects of more bytes than this are written in parts."""
PART_SIZE = 32 * 2**20
UNVERSIONED = "null"
"""The version of an object in a bucket that keeps no versions, as S3 itself spells it."""

_TRIES = 5
_FIRST_PAUSE_S = 0.2
_MISSING_CODES = frozenset({"NoSuchKey", "NoSuchVersion", "NotFound", "404"})
_THROTTLING_CODES = frozenset(
    {
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "503",
        "429",
    }
)

Result = TypeVar("Result")


class RefusedError(IonfleetError):
    """S3 refuses the call and will go on refusing it: a grant is missing, or the bucket is."""


class _ConditionError(IonfleetError):
    """The object that was to be created is there, or the one that was to be replaced is another by now."""


class _InterruptedError(TransientError):
    """A conflict or a broken transfer: worth another try at once, without giving the task up."""


class S3Store:
    """An `ionfleet.store.ObjectStore` over one bucket.

    The client retries what its retry mode covers; what is left is raised as `ThrottledError`, `TransientError`,
    `ObjectMissingError`, or `RefusedError`. `versions` says which version of a key is read where not the latest.
    `owner` is the number of the account that has the bucket: S3 refuses every call where another has it by now.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        meter: Meter | None = None,
        versions: Mapping[str, str] | None = None,
        *,
        owner: str,
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._place: dict[str, Any] = {"Bucket": bucket, "ExpectedBucketOwner": owner}
        self._meter = meter or Meter()
        self._versions = {key: version for key, version in (versions or {}).items() if version != UNVERSIONED}

    def pinned(self, versions: Mapping[str, str]) -> S3Store:
        """Return this bucket as it was when each key of `versions` had the version given there."""
        owner = self._place["ExpectedBucketOwner"]
        return S3Store(self._client, self._bucket, self._meter, {**self._versions, **versions}, owner=owner)

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        return _with_tries(lambda: self._read(key))

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only where the object ends."""
        if length <= 0:
            return b""
        return _with_tries(lambda: self._read(key, Range=f"bytes={start}-{start + length - 1}"))

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, None where there is none."""
        try:
            with self._asking(key):
                answer = self._client.head_object(**self._place, Key=key, **self._pin(key))
        except ObjectMissingError:
            return None
        except RefusedError:
            # What S3 answers to HEAD has no text: its answer to GET says who lacks which grant on what.
            with contextlib.suppress(ObjectMissingError):
                self.get_range(key, 0, 1)
            raise
        self._count(answer)
        return ObjectInfo(key, answer["ContentLength"], answer["ETag"].strip('"'), answer.get("VersionId", UNVERSIONED))

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix`, in order of their keys.

        S3 lists no versions with it: `head` knows the version, here it is "".
        """
        pages = self._client.get_paginator("list_objects_v2").paginate(**self._place, Prefix=prefix)
        with self._asking(prefix, write=True):
            for page in pages:
                self._count(page, write=True)
                for item in page.get("Contents", ()):
                    yield ObjectInfo(item["Key"], item["Size"], item["ETag"].strip('"'), "")

    def create(self, key: str, data: bytes | bytearray | memoryview) -> bool:
        """Write an object that is not there yet; False (and nothing written) where it is."""
        large = memoryview(data).nbytes > MULTIPART_FROM
        try:
            _with_tries(lambda: self._create_in_parts(key, data) if large else self._put(key, data, IfNoneMatch="*"))
        except _ConditionError:
            return False
        return True

    def replace(self, key: str, data: bytes, etag: str | None = None) -> bool:
        """Write over what is there, or only over the object that has `etag`; False where that has been replaced."""
        condition: dict[str, Any] = {} if etag is None else {"IfMatch": f'"{etag}"'}
        try:
            _with_tries(lambda: self._put(key, data, **condition))
        except (_ConditionError, ObjectMissingError):
            return False
        return True

    def _read(self, key: str, **arguments: Any) -> bytes:
        try:
            with self._asking(key):
                answer = self._client.get_object(**self._place, Key=key, **arguments, **self._pin(key))
        except _BeyondEndError:
            return b""
        try:
            body = answer["Body"].read()
        except (LostConnectionError, HTTPClientError, IncompleteReadError) as error:
            raise _InterruptedError(f"Reading {self._where(key)} broke off: {error}. Try again.") from error
        self._count(answer, bytes_in=len(body))
        return body

    def _put(self, key: str, data: bytes | bytearray | memoryview, **condition: Any) -> None:
        body: Any = bytes(data) if isinstance(data, memoryview) else data  # its types leave bytearrays out
        with self._asking(key, write=True):
            answer = self._client.put_object(**self._place, Key=key, Body=body, **condition)
        self._count(answer, write=True, bytes_out=len(body))

    def _create_in_parts(self, key: str, data: bytes | bytearray | memoryview) -> None:
        with self._asking(key, write=True):
            begun = self._client.create_multipart_upload(**self._place, Key=key, ChecksumAlgorithm="CRC32")
        self._count(begun, write=True)
        upload = begun["UploadId"]
        view = memoryview(data).cast("B")
        try:
            parts = [
                self._send_part(key, upload, number, view[start : start + PART_SIZE])
                for number, start in enumerate(range(0, view.nbytes, PART_SIZE), start=1)
            ]
            with self._asking(key, write=True):
                answer = self._client.complete_multipart_upload(
                    **self._place,
                    Key=key,
                    UploadId=upload,
                    MultipartUpload={"Parts": parts},
                    IfNoneMatch="*",
                )
            self._count(answer, write=True)
        except BaseException:
            self._abort(key, upload)
            raise

    def _send_part(self, key: str, upload: str, number: int, part: memoryview) -> CompletedPartTypeDef:
        with self._asking(key, write=True):
            answer = self._client.upload_part(
                **self._place,
                Key=key,
                UploadId=upload,
                PartNumber=number,
                Body=part.tobytes(),
                ChecksumAlgorithm="CRC32",
            )
        self._count(answer, write=True, bytes_out=part.nbytes)
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]}

    def _abort(self, key: str, upload: str) -> None:
        # What cannot be aborted now, the bucket's lifecycle rule aborts; the error that led here matters more.
        with contextlib.suppress(IonfleetError), self._asking(key):
            self._client.abort_multipart_upload(**self._place, Key=key, UploadId=upload)

    def _pin(self, key: str) -> dict[str, Any]:
        return {"VersionId": self._versions[key]} if key in self._versions else {}

    def _where(self, key: str) -> str:
        return f"s3://{self._bucket}/{key}"

    def _count(self, answer: Any, *, write: bool = False, bytes_in: int = 0, bytes_out: int = 0) -> None:
        requests = 1 + answer["ResponseMetadata"].get("RetryAttempts", 0)
        self._meter.add(Usage(0 if write else requests, requests if write else 0, bytes_in, bytes_out))

    @contextlib.contextmanager
    def _asking(self, key: str, *, write: bool = False) -> Iterator[None]:
        """Turn what the client raises about `key` into the domain's errors; `write` is what the request counts as."""
        try:
            yield
        except ClientError as error:
            self._count(error.response, write=write)
            raise _translated(error, self._where(key)) from error
        except (LostConnectionError, HTTPClientError) as error:
            raise TransientError(f"S3 did not answer about {self._where(key)}: {error}. Try again.") from error


class _BeyondEndError(IonfleetError):
    """The range that was asked for begins at or after the object's end."""


def _translated(error: ClientError, where: str) -> IonfleetError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = f"{error.operation_name} of {where}: {error.response.get('Error', {}).get('Message') or code or status}"
    if code in _MISSING_CODES:
        return ObjectMissingError(f"There is no object {where} (asked by {error.operation_name}).")
    if code == "PreconditionFailed" or status == 412:
        return _ConditionError(where)
    if code == "InvalidRange" or status == 416:
        return _BeyondEndError(where)
    # An upload that is gone was completed by a request whose answer was lost, or aborted: writing again tells which.
    if status == 409 or code == "NoSuchUpload":
        return _InterruptedError(f"Another write is in progress: {said}. Try again.")
    if code in _THROTTLING_CODES or status in {429, 503}:
        return ThrottledError(f"S3 asks to slow down: {said}. Try again later, or run fewer tasks at once.")
    if status >= 500 or code in {"RequestTimeout", "InternalError"}:
        return TransientError(f"S3 failed this time: {said}. Try again.")
    return RefusedError(f"S3 refuses {said} ({code}). Check the bucket and the grants of the function's role.")


def _with_tries(call: Callable[[], Result]) -> Result:
    """Repeat what was interrupted, with growing random pauses; an interruption that lasts is a `TransientError`."""
    for tried in range(_TRIES):
        if tried:
            time.sleep(random.uniform(0, _FIRST_PAUSE_S * 2**tried))  # noqa: S311 - spreads retries, guards nothing
        try:
            return call()
        except _InterruptedError as error:
            last = error
    raise TransientError(str(last)) from last
