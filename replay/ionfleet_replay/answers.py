"""What S3 answers: XML documents, headers of objects, errors; and the documents that requests bring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import formatdate
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from ionfleet_replay.calls import Call, Response
from ionfleet_replay.contents import Body
from ionfleet_replay.objects import Checksum, Draft, Page, S3Error, Version, Wanted

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"

LARGEST_DOCUMENT = 8 * 2**20
"""Bytes of XML in a request: enough for ten thousand parts."""

Node: TypeAlias = "tuple[str, str | Sequence[Node]]"
"""An XML element: its name, and its text or its children."""


def respond(status: int, headers: Mapping[str, str] | None = None, body: bytes | Body = b"") -> Response:
    """Return a response with its length."""
    size = body.size if isinstance(body, Body) else len(body)
    named = [*(headers or {}).items()]
    if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        named.append(("Content-Length", str(size)))
    phrase = HTTPStatus(status).phrase
    return Response(f"{status} {phrase}", named, body if isinstance(body, Body) else [body])


def document(name: str, nodes: Sequence[Node], headers: Mapping[str, str] | None = None) -> Response:
    """Return a response that is an XML document."""
    inner = "".join(map(_text, nodes))
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{NAMESPACE}">{inner}</{name}>'
    return respond(200, {"Content-Type": "application/xml", **(headers or {})}, text.encode())


def _text(node: Node) -> str:
    name, content = node
    return f"<{name}>{escape(content) if isinstance(content, str) else ''.join(map(_text, content))}</{name}>"


def refuse(call: Call, error: S3Error) -> Response:
    """Return an error; to a HEAD only its status."""
    nodes = [("Code", error.code), ("Message", error.message), ("Resource", call.path)]
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{"".join(map(_text, nodes))}</Error>'
    body = b"" if call.method == "HEAD" or error.status == HTTPStatus.NOT_MODIFIED else text.encode("utf-8", "replace")
    return respond(error.status, {"Content-Type": "application/xml", **error.headers}, body)


def parsed(call: Call) -> ElementTree.Element:
    """Return the XML document in a request, its names without namespace.

    Raises
    ------
    S3Error
        It is none, too large, or has a DOCTYPE, behind which entities may hide.
    """
    malformed = S3Error(400, "MalformedXML", "The XML you provided was not well-formed or did not validate")
    if int(call.environ.get("CONTENT_LENGTH") or 0) > LARGEST_DOCUMENT:
        raise malformed
    # Zero bytes are those of encodings in which a DOCTYPE would look different.
    if b"<!" in call.body or b"\0" in call.body:
        raise malformed
    try:
        root = ElementTree.fromstring(call.body)  # noqa: S314 - no DOCTYPE, hence no entities
    except ElementTree.ParseError:
        raise malformed from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def http_date(moment: float) -> str:
    """Return a moment as HTTP headers give it."""
    return formatdate(moment, usegmt=True)


def iso_date(moment: float) -> str:
    """Return a moment as documents give it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def object_headers(version: Version, draft: Draft) -> dict[str, str]:
    """Return what an object's headers say whatever part of it is read."""
    return {
        "Content-Type": "binary/octet-stream",
        **draft.headers,
        "ETag": f'"{draft.etag}"',
        "Last-Modified": http_date(version.modified),
        "Accept-Ranges": "bytes",
    }


def checksum_headers(checksum: Checksum | None) -> dict[str, str]:
    """Return the headers that give an object's checksum."""
    if checksum is None:
        return {}
    return {f"x-amz-checksum-{checksum.algorithm.lower()}": checksum.value, "x-amz-checksum-type": checksum.kind}


class Spelling:
    """How a listing spells keys: as they are, or quoted where the client asked for `encoding-type=url`."""

    def __init__(self, call: Call) -> None:
        self.encoding = call.query.get("encoding-type")
        if self.encoding not in (None, "url"):
            raise S3Error(400, "InvalidArgument", "Invalid Encoding Method specified in Request")

    def __call__(self, key: str) -> str:
        """Return a key as it is to be written."""
        return quote(key, safe="/") if self.encoding else key

    def nodes(self) -> list[Node]:
        """Return the element that tells of it."""
        return [("EncodingType", self.encoding)] if self.encoding else []


def listing(call: Call, wanted: Wanted, page: Page, nodes: Sequence[Node], latest: Sequence[bool] = ()) -> list[Node]:
    """Return the elements that all listings of objects have; `latest` tells of each version whether it is."""
    spell = Spelling(call)
    head: list[Node] = [
        ("Name", call.bucket),
        ("Prefix", spell(wanted.prefix)),
        *([("Delimiter", spell(wanted.delimiter))] if wanted.delimiter else []),
        ("MaxKeys", str(wanted.limit)),
        *spell.nodes(),
        ("IsTruncated", str(page.truncated).lower()),
        *nodes,
    ]
    if wanted.all_versions:
        entries = [_version(spell, *each) for each in zip(page.versions, latest, strict=True)]
    else:
        entries = [("Contents", _facts(spell, version)) for version in page.versions]
    return [*head, *entries, *(("CommonPrefixes", [("Prefix", spell(each))]) for each in page.prefixes)]


def _version(spell: Spelling, version: Version, latest: bool) -> Node:
    identity: list[Node] = [("VersionId", version.id), ("IsLatest", str(latest).lower())]
    if version.draft is not None:
        return "Version", [*_facts(spell, version), *identity]
    return "DeleteMarker", [("Key", spell(version.key)), ("LastModified", iso_date(version.modified)), *identity]


def _facts(spell: Spelling, version: Version) -> list[Node]:
    draft = version.draft
    if draft is None:
        raise ValueError(f"The delete marker of {version.key!r} was listed as an object.")
    checksum: list[Node] = [("ChecksumAlgorithm", draft.checksum.algorithm)] if draft.checksum else []
    return [
        ("Key", spell(version.key)),
        ("LastModified", iso_date(version.modified)),
        ("ETag", f'"{draft.etag}"'),
        *checksum,
        ("Size", str(draft.content.size)),
        ("StorageClass", "STANDARD"),
    ]
