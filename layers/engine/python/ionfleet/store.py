"""What the domain asks of an object store, and one kept in memory.

Objects are written once and whole (docs/architecture.md, Objects): `create` never replaces what is there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol

from ionfleet.concurrently import in_order
from ionfleet.errors import TransientError

PIECE_BYTES = 8 << 20
"""What one request of a `SequentialReader` brings."""
PIECES_AHEAD = 4
"""Pieces that a `SequentialReader` has asked for and not given out."""


@dataclass(frozen=True)
class ObjectInfo:
    """Key, size in bytes, etag (without quotes) and version of a stored object."""

    key: str
    size: int
    etag: str
    version: str


class ObjectStore(Protocol):
    """One bucket. A missing key raises `ObjectMissingError`."""

    def get(self, key: str) -> bytes:
        """Return a whole object."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only where the object ends."""

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, None where there is none."""

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix`, in order of their keys."""

    def create(self, key: str, data: bytes | bytearray | memoryview) -> bool:
        """Write an object that is not there yet; False (and nothing written) where it is."""

    def replace(self, key: str, data: bytes, etag: str | None = None) -> bool:
        """Write over what is there: only for status documents.

        With an `etag`, only over the object that has it; False (and nothing written) where that has been replaced.
        """


class ObjectMissingError(TransientError):
    """An object that should be there is not."""


class MemoryStore:
    """An `ObjectStore` in a dictionary, for tests and for work that needs no bucket."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        try:
            return self.objects[key]
        except KeyError:
            raise ObjectMissingError(f"There is no object {key!r}.") from None

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only where the object ends."""
        return self.get(key)[start : start + length]

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, None where there is none."""
        data = self.objects.get(key)
        if data is None:
            return None
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return ObjectInfo(key, len(data), etag, "null")

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix`, in order of their keys."""
        for key in sorted(self.objects):
            info = self.head(key)
            if key.startswith(prefix) and info is not None:
                yield info

    def create(self, key: str, data: bytes | bytearray | memoryview) -> bool:
        """Write an object that is not there yet; False (and nothing written) where it is."""
        if key in self.objects:
            return False
        self.objects[key] = bytes(data)
        return True

    def replace(self, key: str, data: bytes, etag: str | None = None) -> bool:
        """Write over what is there, or only over the object that has `etag`; False where that has been replaced."""
        standing = self.head(key)
        if etag is not None and (standing is None or standing.etag != etag):
            return False
        self.objects[key] = data
        return True


class RangeReader(io.RawIOBase):
    """A seekable, read-only file over an object, each read being one range request.

    Wrap it in `io.BufferedReader(reader, buffer_size)` where reads are small.
    """

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._store = store
        self._key = key
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that any position can be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte position and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        """Return the byte position."""
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from the position on; return how many bytes were there."""
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        data = self._store.get_range(self._key, self._position, length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class SequentialReader(io.RawIOBase):
    """A read-only file over an object that is read once from its beginning; the bytes after those are on their way.

    Memory: `PIECES_AHEAD` pieces of `PIECE_BYTES`, and the one at hand. Close it, so that no request is left under way.
    """

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        super().__init__()
        self._pieces = _pieces(store, key, size)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill `buffer` from where the last read ended; return how many bytes were there."""
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Wait for the requests under way, and ask for nothing any more."""
        self._pieces.close()
        super().close()


def _pieces(store: ObjectStore, key: str, size: int) -> Generator[bytes, None, None]:
    def read(start: int) -> bytes:
        return store.get_range(key, start, min(PIECE_BYTES, size - start))

    yield from in_order(read, range(0, size, PIECE_BYTES), at_once=PIECES_AHEAD)
