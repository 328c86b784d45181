"""The buckets of the cloud, as the command line uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel

from ionfleet_cli import multipart

if TYPE_CHECKING:
    from ionfleet_replay import Cloud

Document = TypeVar("Document", bound=BaseModel)

MOST_DELETED = 1000
"""Versions that one call deletes."""


class Bucket:
    """One bucket, by the rights of whoever runs the command; it has to belong to the account `owner`."""

    def __init__(self, client: Any, name: str, owner: str) -> None:
        self._client = client
        self.name = name
        self.owner = owner
        self._owner = {"ExpectedBucketOwner": owner}

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        try:
            answer = self._client.get_object(Bucket=self.name, Key=key, **self._owner)
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return bytes(answer["Body"].read())

    def read(self, key: str, model: type[Document]) -> Document | None:
        """Return a JSON document, None where there is none."""
        data = self.get(key)
        return None if data is None else model.model_validate_json(data)

    def etag(self, key: str) -> str | None:
        """Return an object's etag without quotes, None where there is no object."""
        try:
            answer = self._client.head_object(Bucket=self.name, Key=key, **self._owner)
        except ClientError as error:
            if _is_missing(error):
                return None
            raise
        return str(answer["ETag"]).strip('"')

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix."""
        yield from (key for key, _ in self.sizes(prefix))

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and bytes of the objects whose keys begin with a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, **self._owner)
        for page in pages:
            yield from ((item["Key"], item["Size"]) for item in page.get("Contents", ()))

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the prefixes one level below a prefix, each ending in a slash."""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, Delimiter="/", **self._owner
        )
        for page in pages:
            yield from (item["Prefix"] for item in page.get("CommonPrefixes", ()))

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=self.name, Key=key, Body=data, **self._owner)

    def upload(self, key: str, path: Path, sent: Callable[[int], None] = multipart.ignore) -> None:
        """Make an object of a file; `sent` hears of bytes that have arrived, whenever that was."""
        multipart.upload(self._client, {"Bucket": self.name, "Key": key, **self._owner}, path, sent)

    def download(self, key: str, path: Path) -> None:
        """Write an object to a new file."""
        with path.open("xb") as file:
            self._client.download_fileobj(self.name, key, file, ExtraArgs=self._owner)

    def remove(self, key: str) -> None:
        """Delete an object; where the bucket keeps versions, the earlier ones stay for as long as it keeps them."""
        self._client.delete_object(Bucket=self.name, Key=key, **self._owner)

    def purge(self, prefix: str) -> int:
        """Delete every version of every object whose key begins with a prefix; return how many there were."""
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self.name, Prefix=prefix, **self._owner
        )
        found = (
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for page in pages
            for each in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        )
        deleted = 0
        while batch := list(islice(found, MOST_DELETED)):
            wanted = {"Objects": batch, "Quiet": True}
            answer = self._client.delete_objects(Bucket=self.name, Delete=wanted, **self._owner)
            for error in answer.get("Errors", ()):
                raise ClientError({"Error": {"Code": error["Code"], "Message": error["Message"]}}, "DeleteObjects")
            deleted += len(batch)
        return deleted


class LocalBucket(Bucket):
    """A bucket of a cloud in this process, whose objects are files."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        super().__init__(cloud.client("s3"), name, cloud.account)
        self._cloud = cloud

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and bytes of the objects whose keys begin with a prefix."""
        return self._cloud.sizes(self.name, prefix)

    def upload(self, key: str, path: Path, sent: Callable[[int], None] = multipart.ignore) -> None:
        """Make an object of a file, which it refers to: the file must stay as it is."""
        self._cloud.put_file(self.name, key, path)
        sent(path.stat().st_size)

    def download(self, key: str, path: Path) -> None:
        """Make a new file of an object: leave it alone until the cloud has gone."""
        self._cloud.get_file(self.name, key, path, share=True)


@dataclass(frozen=True)
class Buckets:
    """The three buckets."""

    input: Bucket
    work: Bucket
    results: Bucket

    @classmethod
    def of(cls, cloud: Cloud) -> Buckets:
        """Return the buckets that the cloud's stack names in its outputs."""
        names = (cloud.outputs[f"{which}Bucket"] for which in ("Input", "Work", "Results"))
        return cls(*(LocalBucket(cloud, name) for name in names))


def _is_missing(error: ClientError) -> bool:
    return error.response["Error"]["Code"] in ("NoSuchKey", "404")
