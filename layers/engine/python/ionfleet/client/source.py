"""Where results lie: a folder, or a prefix of a bucket. Both are read alike."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

from ionfleet.errors import InvalidInputError

S3_SCHEME = "s3://"


class ResultsError(InvalidInputError, LookupError):
    """What was asked for is not among the results."""


class Source(Protocol):
    """A set of files by their names, such as `ion_images/C6H12O6+H_0.png`."""

    def read(self, name: str) -> bytes:
        """Return a file's content; `ResultsError` where there is none."""

    def address(self, name: str) -> str:
        """Return where a file lies, for people and other programs."""


class FolderSource:
    """Results in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """Return a file's content; `ResultsError` where there is none."""
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise _missing(self.address(name), error.strerror or "it cannot be read") from None

    def address(self, name: str) -> str:
        """Return the path of a file."""
        return str(self._folder / name)


class BucketSource:
    """Results below a prefix of a bucket, read by the rights of whoever asks."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix if not prefix or prefix.endswith("/") else f"{prefix}/"

    def read(self, name: str) -> bytes:
        """Return an object's content; `ResultsError` where there is none."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=f"{self._prefix}{name}")
            return bytes(answer["Body"].read())
        except (BotoCoreError, ClientError) as error:
            raise _missing(self.address(name), str(error)) from None

    def address(self, name: str) -> str:
        """Return the address of an object."""
        return f"{S3_SCHEME}{self._bucket}/{self._prefix}{name}"


def open_source(address: str | Path, client: Any = None) -> Source:
    """Return the results at a path or at an address `s3://bucket/prefix/`.

    `client` is boto3's for S3; None for one by the environment's credentials, region and endpoint.
    """
    text = str(address)
    if not text.startswith(S3_SCHEME):
        return FolderSource(Path(address))
    bucket, _, prefix = text.removeprefix(S3_SCHEME).partition("/")
    return BucketSource(client or optional("boto3").client("s3"), bucket, prefix)


def optional(module: str) -> Any:
    """Import a package that only parts of the client need.

    Raises
    ------
    ModuleNotFoundError
        It is not installed; the message says how to get it.

    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name not in (module, package):
            raise
        raise ModuleNotFoundError(f"This needs {package}: pip install 'ionfleet[client]'", name=package) from None


def _missing(address: str, reason: str) -> ResultsError:
    return ResultsError(
        f"{address} is not there ({reason}). Give the folder that `ionfleet run` wrote, or the `results` address of a "
        "job's status.json."
    )
