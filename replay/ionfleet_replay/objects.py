"""Buckets and what is in them: versions, conditions, listings, uploads in parts. No HTTP here."""

from __future__ import annotations

import bisect
import itertools
import json
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ionfleet_replay.contents import MOST_PARTS, Content, Files
from ionfleet_replay.errors import ReplayError
from ionfleet_replay.hooks import Written

UNVERSIONED = "null"
"""The version of an object that was written while its bucket kept no versions."""

ENABLED, SUSPENDED = "Enabled", "Suspended"

SMALLEST_PART = 5 * 2**20
LONGEST_KEY = 1024


class S3Error(Exception):
    """An error as S3 answers it; `headers` go with the answer."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


@dataclass(frozen=True)
class Checksum:
    """A checksum that its writer gave with an object; `kind` is FULL_OBJECT or COMPOSITE."""

    algorithm: str
    value: str
    kind: str = "FULL_OBJECT"


@dataclass(frozen=True)
class Draft:
    """What is to become a version of an object; `etag` without quotes, `headers` as they are to be given back."""

    content: Content
    etag: str
    headers: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker, which has no draft; `modified` in seconds since the epoch."""

    key: str
    id: str
    modified: float
    draft: Draft | None


@dataclass(frozen=True)
class Condition:
    """What must hold for a write: that there is no object (`absent`), or one with this etag."""

    absent: bool = False
    etag: str | None = None

    def check(self, current: Version | None) -> None:
        """Raise `S3Error` where it does not hold; `current` is the object, None where there is none."""
        draft = None if current is None else current.draft
        if self.etag is not None and draft is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        if (self.absent and draft is not None) or (self.etag not in (None, draft and draft.etag)):
            raise S3Error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")


@dataclass(frozen=True)
class Part:
    """A part of an upload."""

    draft: Draft
    modified: float


@dataclass
class Upload:
    """An upload in parts, by their numbers; `checksum_kind` None where the parts need no checksums."""

    id: str
    key: str
    begun: float
    headers: Mapping[str, str]
    algorithm: str | None
    checksum_kind: str | None
    parts: dict[int, Part] = field(default_factory=dict)

    def chosen(self, listed: Sequence[tuple[int, str]]) -> list[Part]:
        """Return the parts that a completion lists by number and etag.

        Raises
        ------
        S3Error
            One is not there, too small, or out of order.
        """
        numbers = [number for number, _ in listed]
        if not numbers:
            raise S3Error(400, "MalformedXML", "You must specify at least one part")
        if numbers != sorted(set(numbers)):
            raise S3Error(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        parts = [part for number, tag in listed if (part := self.parts.get(number)) and part.draft.etag == tag]
        if len(parts) < len(listed):
            raise S3Error(400, "InvalidPart", "One or more of the specified parts could not be found.")
        if any(part.draft.content.size < SMALLEST_PART for part in parts[:-1]):
            raise S3Error(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        return parts


@dataclass(frozen=True)
class Wanted:
    """Which part of a listing: keys with a prefix that come after one, rolled up at the first delimiter behind it."""

    prefix: str = ""
    delimiter: str = ""
    after: str = ""
    after_version: str = ""
    limit: int = 1000
    all_versions: bool = False

    def common(self, key: str) -> str | None:
        """Return the prefix that a key is rolled up into, None where it is none."""
        end = key.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
        return key[: end + len(self.delimiter)] if end >= 0 else None


@dataclass(frozen=True)
class Page:
    """A page of a listing; the next one comes after `last`: a key with its version, or a common prefix with None."""

    versions: list[Version]
    prefixes: list[str]
    truncated: bool
    last: tuple[str, Version | None]


class Bucket:
    """One bucket: its objects' versions, the newest last, and uploads that are not complete."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.created = time.time()
        self.versioning: str | None = None
        self.uploads: dict[str, Upload] = {}
        self.completed: dict[str, Version] = {}
        self._versions: dict[str, list[Version]] = {}
        self._keys: list[str] = []

    @property
    def empty(self) -> bool:
        """Return whether nothing is left in it."""
        return not self._versions and not self.uploads

    def current(self, key: str) -> Version | None:
        """Return the newest version of an object, which may be a delete marker."""
        versions = self._versions.get(key)
        return versions[-1] if versions else None

    def version(self, key: str, wanted: str) -> Version | None:
        """Return a version of an object."""
        return next((each for each in self._versions.get(key, ()) if each.id == wanted), None)

    def add(self, key: str, draft: Draft | None) -> Version:
        """Add a version, which replaces the one before it where the bucket keeps none."""
        kept = secrets.token_hex(16) if self.versioning == ENABLED else UNVERSIONED
        added = Version(key, kept, time.time(), draft)
        if key not in self._versions:
            bisect.insort(self._keys, key)
        versions = [each for each in self._versions.get(key, ()) if each.id != kept]
        self._versions[key] = [*versions, added]
        return added

    def facts(self) -> Iterator[dict[str, object]]:
        """Yield what each version is and which files its bytes are in, one after the other."""
        for key in self._keys:
            for each in self._versions[key]:
                facts = {"bucket": self.name, "key": key, "version": each.id, "deleted": each.draft is None}
                files = [str(piece.path) for piece in each.draft.content.pieces] if each.draft else []
                yield {**facts, "files": files}

    def remove(self, key: str, wanted: str) -> Version | None:
        """Remove a version for good, and return it."""
        removed = self.version(key, wanted)
        if removed is not None:
            left = [each for each in self._versions[key] if each is not removed]
            if left:
                self._versions[key] = left
            else:
                del self._versions[key]
                del self._keys[bisect.bisect_left(self._keys, key)]
        return removed

    def page(self, wanted: Wanted) -> Page:
        """Return a page of the bucket's listing."""
        found = list(itertools.islice(self._entries(wanted), wanted.limit + 1))
        entries = found[: wanted.limit]
        return Page(
            versions=[version for _, version in entries if version is not None],
            prefixes=[name for name, version in entries if version is None],
            truncated=0 < wanted.limit < len(found),
            last=entries[-1] if entries else (wanted.after, None),
        )

    def _entries(self, wanted: Wanted) -> Iterator[tuple[str, Version | None]]:
        """Yield keys with their versions, and common prefixes with None, in order."""
        position = bisect.bisect_left(self._keys, max(wanted.prefix, wanted.after))
        while position < len(self._keys) and (key := self._keys[position]).startswith(wanted.prefix):
            versions = self._shown(key, wanted)
            common = wanted.common(key) if versions else None
            if common is None:
                position += 1
                yield from ((key, version) for version in versions)
            else:
                position = bisect.bisect_right(self._keys, common, key=lambda each: each[: len(common)])
                if common != wanted.after:
                    yield common, None

    def _shown(self, key: str, wanted: Wanted) -> list[Version]:
        """Return what a listing shows of an object."""
        versions = self._versions[key][::-1]
        if not wanted.all_versions:
            return versions[:1] if versions[0].draft is not None and key != wanted.after else []
        if key != wanted.after:
            return versions
        ids = [version.id for version in versions]
        return versions[ids.index(wanted.after_version) + 1 :] if wanted.after_version in ids else []


def _check_key(key: str) -> None:
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise S3Error(400, "InvalidURI", f"The key {key!r} is not UTF-8.") from None
    if size > LONGEST_KEY:
        raise S3Error(400, "KeyTooLongError", f"Your key has {size} bytes, over {LONGEST_KEY}.")


class Objects:
    """All buckets of one cloud; `written` hears of each object written, in order, before its writer does.

    With `keep` the files of the objects stay when it is closed.
    """

    def __init__(self, folder: Path, written: Callable[[Written], None], *, keep: bool = False) -> None:
        self.files = Files(folder, keep=keep)
        self._folder = folder
        self._keep = keep
        self._written = written
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    def open(self) -> None:
        """Make the folder of the objects' files; raises `ReplayError` where another cloud has left its own."""
        try:
            self._folder.mkdir(parents=True)
        except FileExistsError:
            message = f"{self._folder} has the objects of another cloud; give this one a folder of its own."
            raise ReplayError(message) from None

    def close(self) -> None:
        """Forget every object, and remove the files; or else write down beside them which file is which."""
        with self._lock:
            buckets, self._buckets = self._buckets, {}
        self.files.close()
        if self._keep:
            lines = [json.dumps(facts) for bucket in buckets.values() for facts in bucket.facts()]
            index = self._folder.with_name(f"{self._folder.name}.jsonl")
            index.write_text("".join(f"{line}\n" for line in lines))
        else:
            shutil.rmtree(self._folder)

    def buckets(self) -> list[Bucket]:
        """Return all buckets, by name."""
        with self._lock:
            return [self._buckets[name] for name in sorted(self._buckets)]

    def bucket(self, name: str) -> Bucket:
        """Return a bucket; raises `S3Error` where there is none."""
        bucket = self._buckets.get(name)
        if bucket is None:
            raise S3Error(404, "NoSuchBucket", f"The specified bucket does not exist: {name}")
        return bucket

    def create_bucket(self, name: str) -> None:
        """Create a bucket; one that is there stays as it is, as in us-east-1."""
        with self._lock:
            self._buckets.setdefault(name, Bucket(name))

    def delete_bucket(self, name: str) -> None:
        """Delete a bucket, which must be empty."""
        with self._lock:
            if not self.bucket(name).empty:
                raise S3Error(409, "BucketNotEmpty", "The bucket you tried to delete is not empty")
            del self._buckets[name]

    def find(self, name: str, key: str, wanted: str | None) -> tuple[Version, Draft]:
        """Return a version of an object, the newest where none is wanted, and what it holds.

        Raises
        ------
        S3Error
            There is no such bucket, object or version, or it is a delete marker.
        """
        bucket = self.bucket(name)
        version = bucket.current(key) if wanted is None else bucket.version(key, wanted)
        if version is None and wanted is not None:
            raise S3Error(404, "NoSuchVersion", "The specified version does not exist.")
        if version is None:
            raise S3Error(404, "NoSuchKey", "The specified key does not exist.")
        if version.draft is None:
            marker = {"x-amz-delete-marker": "true", "x-amz-version-id": version.id}
            if wanted is None:
                raise S3Error(404, "NoSuchKey", "The specified key does not exist.", marker)
            raise S3Error(405, "MethodNotAllowed", "The specified version is a delete marker.", marker)
        return version, version.draft

    def put(self, name: str, key: str, draft: Draft, condition: Condition, reason: str) -> Version:
        """Make an object, if the condition holds; `reason` is the operation."""
        with self._lock:
            return self._put(self.bucket(name), key, draft, condition, reason)

    def _put(self, bucket: Bucket, key: str, draft: Draft, condition: Condition, reason: str) -> Version:
        _check_key(key)
        condition.check(bucket.current(key))
        version = bucket.add(key, draft)
        shown = None if bucket.versioning is None else version.id
        self._written(Written(bucket.name, key, draft.content.size, draft.etag, shown, reason))
        return version

    def delete(self, name: str, key: str, wanted: str | None) -> Version | None:
        """Delete a version, or else mark the object as deleted; return what was removed or added, if anything."""
        with self._lock:
            bucket = self.bucket(name)
            if wanted is not None:
                return bucket.remove(key, wanted)
            if bucket.versioning is None:
                bucket.remove(key, UNVERSIONED)
                return None
            return bucket.add(key, None)

    def begin_upload(self, name: str, upload: Upload) -> None:
        """Begin an upload in parts."""
        with self._lock:
            self.bucket(name).uploads[upload.id] = upload

    def upload(self, name: str, key: str, upload: str) -> Upload:
        """Return an upload that is under way; raises `S3Error` where there is none."""
        found = self.bucket(name).uploads.get(upload)
        if found is None or found.key != key:
            raise S3Error(404, "NoSuchUpload", "The specified upload does not exist: aborted, or never begun.")
        return found

    def add_part(self, name: str, key: str, upload: str, number: int, draft: Draft) -> None:
        """Add a part to an upload, or replace it."""
        if not 1 <= number <= MOST_PARTS:
            raise S3Error(400, "InvalidArgument", f"Part number must be an integer between 1 and {MOST_PARTS}")
        with self._lock:
            self.upload(name, key, upload).parts[number] = Part(draft, time.time())

    def completed(self, name: str, key: str, upload: str) -> Version | None:
        """Return the object that an upload has become: completing it again is no error and writes nothing."""
        version = self.bucket(name).completed.get(upload)
        return version if version is not None and version.key == key else None

    def complete(self, name: str, upload: Upload, draft: Draft, condition: Condition) -> Version:
        """Make an object of an upload, which is then over."""
        with self._lock:
            bucket = self.bucket(name)
            self.upload(name, upload.key, upload.id)
            version = self._put(bucket, upload.key, draft, condition, "CompleteMultipartUpload")
            del bucket.uploads[upload.id]
            bucket.completed[upload.id] = version
            return version

    def abort(self, name: str, key: str, upload: str) -> None:
        """End an upload and forget its parts."""
        with self._lock:
            del self.bucket(name).uploads[self.upload(name, key, upload).id]

    def page(self, name: str, wanted: Wanted) -> Page:
        """Return a page of a bucket's listing."""
        with self._lock:
            return self.bucket(name).page(wanted)
