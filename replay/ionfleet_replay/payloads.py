"""Bodies of requests that write objects: taken out of their frames, counted, and checked against their checksums."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from ionfleet_replay.calls import Call
from ionfleet_replay.contents import BLOCK
from ionfleet_replay.crc import Crc, crc32c, crc64nvme
from ionfleet_replay.objects import Checksum, S3Error

LARGEST = 5 * 2**30
"""Bytes that one request may write."""

LONGEST_LINE = 4096
"""Bytes of a line between the chunks of a framed body."""

HEADER = "x-amz-checksum-"


class Digest(Protocol):
    """What hashlib's objects have in common with ours."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""


class Crc32:
    """CRC-32 as zlib has it."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes, /) -> None:
        """Take more bytes."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """Return the checksum, its highest byte first."""
        return self._value.to_bytes(4, "big")


ALGORITHMS: dict[str, Callable[[], Digest]] = {
    "CRC32": Crc32,
    "CRC32C": lambda: Crc(crc32c()),
    "CRC64NVME": lambda: Crc(crc64nvme()),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}
"""By their names in S3's API."""

NO_ALGORITHMS = frozenset({"type", "mode", "algorithm"})
"""What follows `x-amz-checksum-` in headers that are no checksums."""


def digest(algorithm: str) -> Digest:
    """Return a new digest; raises `S3Error` for an algorithm that is not implemented."""
    if algorithm.upper() not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        message = f"The local cloud does not implement the checksum {algorithm}; it has {known}."
        advice = "With AWS_REQUEST_CHECKSUM_CALCULATION=when_required clients of AWS send none."
        raise S3Error(501, "NotImplemented", f"{message} {advice}")
    return ALGORITHMS[algorithm.upper()]()


def checksum_of(algorithm: str, blocks: Iterable[bytes]) -> str:
    """Return a checksum as S3 spells it."""
    made = digest(algorithm)
    for block in blocks:
        made.update(block)
    return encoded(made)


def encoded(made: Digest) -> str:
    """Return a digest as S3 spells it."""
    return base64.b64encode(made.digest()).decode()


def given_checksum(call: Call) -> tuple[str, str] | None:
    """Return the checksum in a request's headers by its algorithm, None where there is none."""
    for name, value in call.amz_headers.items():
        algorithm = name.removeprefix(HEADER)
        if algorithm not in {name, *NO_ALGORITHMS}:
            return algorithm.upper(), value
    return None


class Payload:
    """The bytes that a request brings, once; afterwards what has come of them.

    Parameters
    ----------
    call
        A request to write an object or a part.

    Raises
    ------
    S3Error
        Its headers say that it cannot be taken.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._stream = call.environ["wsgi.input"]
        self._framed = (call.header("x-amz-content-sha256") or "").startswith("STREAMING-")
        length = call.header("x-amz-decoded-content-length" if self._framed else "Content-Length")
        if length is None or not length.isdecimal():
            raise S3Error(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        self.size = int(length)
        if self.size > LARGEST:
            raise S3Error(400, "EntityTooLarge", f"One request writes up to {LARGEST:,} bytes: upload in parts.")
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._given = given_checksum(call)
        self._trailer = (call.header("x-amz-trailer") or "").lower().removeprefix(HEADER).upper()
        algorithm = self._given[0] if self._given else self._trailer
        self._digest = digest(algorithm) if algorithm else None

    @property
    def md5(self) -> str:
        """The MD5 of what has been read, in hexadecimal digits."""
        return self._md5.hexdigest()

    @property
    def checksum(self) -> Checksum | None:
        """The checksum that was given, and is right."""
        return None if self._given is None else Checksum(*self._given)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in blocks; at the end, raise `S3Error` where they are not those that were meant."""
        taken = 0
        for block in self._chunks() if self._framed else self._blocks(self.size):
            taken += len(block)
            self._md5.update(block)
            if self._digest is not None:
                self._digest.update(block)
            yield block
        if taken != self.size:
            raise _incomplete()
        self._check()

    def _blocks(self, left: int) -> Iterator[bytes]:
        while left:
            block = self._stream.read(min(BLOCK, left))
            if not block:
                raise _incomplete()
            left -= len(block)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        """Yield the bytes of a body in chunks, each preceded by its size; checksums may follow the last one."""
        while size := self._chunk_size():
            yield from self._blocks(size)
            self._line()
        while line := self._line():
            name, _, value = line.partition(":")
            if name.lower() == HEADER + self._trailer.lower():
                self._given = self._trailer, value.strip()

    def _chunk_size(self) -> int:
        text = self._line().partition(";")[0]
        try:
            size = int(text, 16)
        except ValueError:
            size = -1
        if size < 0:
            raise S3Error(400, "InvalidRequest", f"A chunk of the body begins with {text[:20]!r}, not with its size.")
        return size

    def _line(self) -> str:
        line: bytes = self._stream.readline(LONGEST_LINE)
        return line.decode("latin-1").rstrip("\r\n")

    def _check(self) -> None:
        expected = self._call.header("Content-MD5")
        if expected is not None and expected != encoded(self._md5):
            raise S3Error(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
        if self._digest is None:
            return
        if self._given is None:
            raise S3Error(400, "MalformedTrailerError", f"The body ended without its checksum {self._trailer}.")
        algorithm, value = self._given
        if value != encoded(self._digest):
            raise S3Error(400, "BadDigest", f"The {algorithm} you specified did not match the calculated checksum.")


def _incomplete() -> S3Error:
    return S3Error(400, "IncompleteBody", "You did not provide the number of bytes specified by the HTTP header.")
