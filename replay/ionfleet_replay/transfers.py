"""Files of this machine into the cloud and out of it: calls like any other, but by reference and without a socket."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode
from xml.etree import ElementTree

from ionfleet_replay.account import ADMINISTRATOR, Account
from ionfleet_replay.calls import Call, Environ, Handler, Response
from ionfleet_replay.contents import Body, LocalFile
from ionfleet_replay.errors import ReplayError


class TransferError(ReplayError):
    """S3 did not take a file, or did not give an object; `code` as S3 has it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Transfers:
    """Makes calls in this process, in the name of who runs the cloud: every hook sees them."""

    def __init__(self, account: Account, handle: Handler) -> None:
        self._account = account
        self._handle = handle

    def put(self, bucket: str, key: str, path: Path) -> None:
        """Make an object that refers to a file; its bytes are read once, for the etag.

        Raises
        ------
        ReplayError
            It is not a regular file, someone writes to it, or S3 refuses the object.
        OSError
            The file is missing, or cannot be read.
        """
        with LocalFile(path) as file:
            response = self._call("PUT", bucket, key, {"wsgi.input": file, "CONTENT_LENGTH": str(file.size)})
        _check(response, f"{path} as {bucket}/{key}")

    def get(self, bucket: str, key: str, path: Path, *, share: bool = False) -> None:
        """Write an object to a new file, or with `share` make one of the object's own, where that can be done.

        Raises
        ------
        TransferError
            There is no such object, or S3 does not give it.
        OSError
            The file is there, or cannot be written.
        """
        response = self._call("GET", bucket, key, {})
        _check(response, f"{bucket}/{key} as {path}")
        if share and isinstance(response.body, Body) and response.body.link(path):
            return
        with path.open("xb") as target:
            try:
                _write(response, target)
            except BaseException:
                path.unlink()
                raise

    def sizes(self, bucket: str, prefix: str) -> Iterator[tuple[str, int]]:
        """Yield key and bytes of the objects whose keys begin with a prefix.

        Raises
        ------
        TransferError
            S3 does not list them.
        """
        query = {"list-type": "2", "encoding-type": "url", "prefix": prefix}
        while True:
            response = self._call("GET", bucket, "", {"QUERY_STRING": urlencode(query)})
            _check(response, f"{bucket}/{prefix}")
            page = _parsed(response)
            for entry in page.iterfind("{*}Contents"):
                yield unquote(entry.findtext("{*}Key", "")), int(entry.findtext("{*}Size", ""))
            token = page.findtext("{*}NextContinuationToken")
            if token is None:
                return
            query["continuation-token"] = token

    def _call(self, method: str, bucket: str, key: str, extra: Mapping[str, Any]) -> Response:
        access_key = self._account.credentials(ADMINISTRATOR).access_key
        environ: Environ = {
            "REQUEST_METHOD": method,
            # As WSGI has it: the bytes of the path, as characters.
            "PATH_INFO": os.fsencode(f"/{bucket}/{key}").decode("latin-1"),
            "QUERY_STRING": "",
            "HTTP_AUTHORIZATION": f"Credential={access_key}/20000101/{self._account.region}/s3/aws4_request",
            "wsgi.input": io.BytesIO(),
            **extra,
        }
        return self._handle(Call(environ))


def _write(response: Response, target: io.BufferedWriter) -> None:
    if isinstance(response.body, Body):
        response.body.write(target.fileno())
    else:
        target.writelines(response.body)


def _check(response: Response, what: str) -> None:
    if response.ok:
        return
    error = _parsed(response)
    code = error.findtext("Code") or response.status
    raise TransferError(code, f"{what}: {error.findtext('Message')} ({code})")


def _parsed(response: Response) -> ElementTree.Element:
    return ElementTree.fromstring(b"".join(response.body))  # noqa: S314 - this process has just written it
