"""The buckets of the cloud, as the command line uses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from botocore.exceptions import ClientError
from pydantic import BaseModel

from ionfleet_replay import Cloud

Document = TypeVar("Document", bound=BaseModel)


class Bucket:
    """One bucket of the cloud, by the rights of whoever runs it; it has to belong to the cloud's account."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self._cloud = cloud
        self._client = cloud.client("s3")
        self._name = name
        self._owner = {"ExpectedBucketOwner": cloud.account}

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        try:
            answer = self._client.get_object(Bucket=self._name, Key=key, **self._owner)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return None
            raise
        return bytes(answer["Body"].read())

    def read(self, key: str, model: type[Document]) -> Document | None:
        """Return a JSON document, None where there is none."""
        data = self.get(key)
        return None if data is None else model.model_validate_json(data)

    def keys(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix, **self._owner)
        for page in pages:
            yield from (item["Key"] for item in page.get("Contents", ()))

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._client.put_object(Bucket=self._name, Key=key, Body=data, **self._owner)

    def upload(self, key: str, path: Path) -> None:
        """Make an object of a file, which it refers to: the file must stay as it is."""
        self._cloud.put_file(self._name, key, path)

    def download(self, key: str, path: Path) -> None:
        """Write an object to a new file."""
        self._cloud.get_file(self._name, key, path)


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
        return cls(*(Bucket(cloud, name) for name in names))
