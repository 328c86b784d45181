"""API calls as they come over HTTP, before moto sees them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from ionfleet_replay import operations

Environ: TypeAlias = dict[str, Any]

_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/aws4_request")


@dataclass(frozen=True)
class Response:
    """An HTTP response; `body` is what WSGI iterates over."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]

    @property
    def ok(self) -> bool:
        """Return whether the call succeeded."""
        return self.status.startswith("2")

    def header(self, name: str) -> str | None:
        """Return a header's value, whatever the case of its name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def read(self) -> tuple[Response, bytes]:
        """Return a response that can still be sent, and its body in one piece."""
        body = b"".join(self.body)
        return Response(self.status, self.headers, [body]), body


class Call:
    """One request: who calls which operation of which service on what."""

    def __init__(self, environ: Environ) -> None:
        self.environ = environ
        signed = environ.get("HTTP_AUTHORIZATION", "")
        if "X-Amz-Credential=" in environ.get("QUERY_STRING", ""):
            signed = "Credential=" + self.query.get("X-Amz-Credential", "")
        match = _CREDENTIAL.search(signed)
        self.access_key: str | None = match[1] if match else None
        self.service: str = match[2] if match else "s3"
        self.method: str = environ["REQUEST_METHOD"]

    def header(self, name: str) -> str | None:
        """Return a request header's value."""
        key = name.upper().replace("-", "_")
        value: str | None = self.environ.get(key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}")
        return value

    @cached_property
    def query(self) -> dict[str, str]:
        """The first value of every query parameter; empty ones are kept."""
        parsed = parse_qs(self.environ.get("QUERY_STRING", ""), keep_blank_values=True)
        return {name: values[0] for name, values in parsed.items()}

    @cached_property
    def amz_headers(self) -> dict[str, str]:
        """The headers that S3 itself has defined, by their names in lower case."""
        own = (name for name in self.environ if name.startswith("HTTP_X_AMZ_"))
        return {name[5:].lower().replace("_", "-"): self.environ[name] for name in own}

    @cached_property
    def path(self) -> str:
        """The decoded path."""
        raw: str = self.environ.get("PATH_INFO", "/")
        return raw.encode("latin-1").decode("utf-8", "surrogateescape")

    @property
    def bucket(self) -> str:
        """The bucket of an S3 call; empty where it is about none."""
        return self.path.lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        """The key of an S3 call; empty where it is about none."""
        return self.path.removeprefix("/").partition("/")[2]

    @property
    def _about(self) -> str:
        if self.key:
            return operations.OF_OBJECT
        return operations.OF_BUCKET if self.bucket else operations.OF_ALL

    @cached_property
    def body(self) -> bytes:
        """The body, read once and put back; only for services whose requests are small, so not S3."""
        data: bytes = self.environ["wsgi.input"].read(int(self.environ.get("CONTENT_LENGTH") or 0))
        self.environ["wsgi.input"] = io.BytesIO(data)
        return data

    @cached_property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters of a call that is not to S3, whichever protocol it uses."""
        if self.header("X-Amz-Target") is not None:
            parsed: dict[str, Any] = json.loads(self.body or b"{}")
            return parsed
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @cached_property
    def operation(self) -> str:
        """The operation's name, such as PutObject or SendMessage."""
        if self.service == "s3":
            copies = "x-amz-copy-source" in self.amz_headers
            return operations.named(self.method, self._about, self.query, copies=copies)
        target = self.header("X-Amz-Target")
        return target.rpartition(".")[2] if target is not None else str(self.parameters.get("Action", ""))


class Hook(Protocol):
    """A layer around every call: answers itself, or proceeds and looks at the response."""

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Handle a call."""


Handler: TypeAlias = Callable[[Call], Response]


def answer(value: Mapping[str, Any]) -> Response:
    """Return the successful answer of a service that speaks JSON."""
    data = json.dumps(value).encode()
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(data)))]
    return Response("200 OK", headers, [data])


def refusal(call: Call, status: str, code: str, message: str) -> Response:
    """Return an error in the shape that the call's service uses."""
    if call.header("X-Amz-Target") is not None:
        body, kind = json.dumps({"__type": code, "message": message}), "application/x-amz-json-1.0"
    elif call.service == "s3":
        body, kind = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>", "application/xml"
    else:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        body, kind = f"<ErrorResponse>{error}<RequestId>local</RequestId></ErrorResponse>", "text/xml"
    data = body.encode()
    return Response(status, [("Content-Type", kind), ("Content-Length", str(len(data)))], [data])
