"""The bytes of objects: in files of the cloud's folder, or in files of the user's that an object refers to.

Nothing here holds more of them in memory than a block, and what the kernel can move from file to socket, or from file
to file, it moves.
"""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import socket
import stat
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ionfleet_replay.errors import ReplayError

BLOCK = 2**20
"""Bytes that are in memory at one time."""

PART = 8 * 2**20
"""Bytes of a part where the AWS CLI and boto3 upload a file in parts, which they do from this size on."""

MOST_PARTS = 10_000
"""Parts that an upload may have."""

SMALL = 2**16
"""Bytes of the largest content that shares a file with others: to make a file takes longer than to fill it."""

FULL = 2**25
"""Bytes that a shared file holds at most."""

CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP})
"""What the kernel says where a file cannot have another name, such as on another file system."""

CANNOT_COPY = frozenset({errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM})
"""What the kernel says where it cannot copy between two files by itself; it may still send from one to the other."""


class SourceChangedError(ReplayError):
    """A file that an object refers to is not what it was when the object was made."""


class Piece(Protocol):
    """A file, or `size` bytes from `start` of one, which follow on those of others."""

    path: Path
    start: int
    size: int

    def check(self) -> None:
        """Raise `SourceChangedError` where the file is no longer what it was."""

    def opened(self) -> int:
        """Return a new descriptor of the file."""


class StoredFile:
    """A file of our own, never changed once written; it goes when nothing refers to it any more."""

    start = 0

    def __init__(self, path: Path, remove: Callable[[Path], None]) -> None:
        self.path = path
        self.size = 0
        gone = weakref.finalize(self, remove, path)
        gone.atexit = False

    def check(self) -> None:
        """Do nothing: nobody else writes to it."""

    def opened(self) -> int:
        """Return a new descriptor of the file."""
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)


class Shelf:
    """A file of our own that small contents share; it goes when nothing refers to any of them."""

    def __init__(self, path: Path, remove: Callable[[Path], None]) -> None:
        self.path = path
        self.size = 0
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        for gone in (weakref.finalize(self, os.close, self.descriptor), weakref.finalize(self, remove, path)):
            gone.atexit = False

    def reserve(self, size: int) -> Place:
        """Return where on it the next `size` bytes go."""
        self.size += size
        return Place(self, self.size - size, size)


class Place:
    """Bytes on a shelf, never changed once written."""

    def __init__(self, shelf: Shelf, start: int, size: int) -> None:
        self._shelf = shelf
        self.path = shelf.path
        self.start = start
        self.size = size

    def fill(self, data: bytes | bytearray) -> None:
        """Write the bytes; raises `OSError` where there is no room for them."""
        if os.pwrite(self._shelf.descriptor, data, self.start) < self.size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.path))

    def check(self) -> None:
        """Do nothing: nobody else writes to it."""

    def opened(self) -> int:
        """Return a new descriptor of the shelf."""
        return os.dup(self._shelf.descriptor)


class SourceFile:
    """A file of the user's. It is held open: replacing or deleting it changes nothing, writing into it is noticed."""

    start = 0

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._state = _state(descriptor)
        self.size = self._state[0]
        closing = weakref.finalize(self, os.close, descriptor)
        closing.atexit = False

    def check(self) -> None:
        """Raise `SourceChangedError` where the file is no longer what it was."""
        now = _state(self._descriptor)
        if now != self._state:
            raise SourceChangedError(
                f"{self.path} was written to after it had been put as an object: it had {self.size:,} bytes, "
                f"modified at {self._state[1]} ns, and has {now[0]:,}, modified at {now[1]} ns. "
                "Objects never change: leave a dataset alone while it is annotated, and run again."
            )

    def opened(self) -> int:
        """Return a new descriptor of the file."""
        return os.dup(self._descriptor)


def _state(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns


class LocalFile(io.FileIO):
    """A file on this machine, as the body of a request that was made in this process: an object can refer to it.

    Raises
    ------
    ReplayError
        It is not a file, such as a pipe, whose bytes can be read but once.
    OSError
        It is missing, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        # A pipe that nobody writes to would hold up who opens it.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise ReplayError(f"{path} is not a regular file, so no object can refer to it; save it to one first.")
        super().__init__(descriptor, "rb")
        self.path = path
        self.size = found.st_size


class Body:
    """A range of an object's bytes, read when it is sent."""

    def __init__(self, extents: Sequence[tuple[Piece, int, int]]) -> None:
        self._extents = extents
        self.size = sum(length for _, _, length in extents)

    def __iter__(self) -> Iterator[bytes]:
        for descriptor, offset, length in self._opened():
            for start in range(offset, offset + length, BLOCK):
                wanted = min(BLOCK, offset + length - start)
                block = os.pread(descriptor, wanted, start)
                if len(block) < wanted:
                    raise _ended(wanted - len(block))
                yield block

    def send(self, connection: socket.socket) -> None:
        """Send the bytes into a connection without reading them."""
        for descriptor, offset, length in self._opened():
            _send(connection.fileno(), descriptor, offset, length)

    def link(self, path: Path) -> bool:
        """Give a file of the cloud's own another name, if these are its bytes, whole; tell whether it could be done.

        Raises
        ------
        FileExistsError
            That name is taken.
        """
        if len(self._extents) != 1:
            return False
        piece, _, length = self._extents[0]
        if not isinstance(piece, StoredFile) or length != piece.size:
            return False
        try:
            os.link(piece.path, path)
        except FileExistsError:
            raise
        except OSError as problem:
            if problem.errno not in CANNOT_LINK:
                raise
            return False
        return True

    def write(self, target: int) -> None:
        """Append the bytes to a file by its descriptor; file systems that can share blocks copy nothing."""
        for descriptor, offset, length in self._opened():
            _copy(target, descriptor, offset, length)

    def _opened(self) -> Iterator[tuple[int, int, int]]:
        for piece, offset, length in self._extents:
            with _closing(piece.opened()) as descriptor:
                yield descriptor, offset, length


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _send(target: int, source: int, offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        sent = os.sendfile(target, source, offset, end - offset)
        if not sent:
            raise _ended(end - offset)
        offset += sent


def _ended(missing: int) -> SourceChangedError:
    return SourceChangedError(f"A file ended {missing:,} bytes early while it was read as an object: leave it alone.")


def _copy(target: int, source: int, offset: int, length: int) -> None:
    end = offset + length
    while offset < end:
        try:
            copied = os.copy_file_range(source, target, end - offset, offset)
        except OSError as problem:
            if problem.errno not in CANNOT_COPY:
                raise
            copied = 0
        if not copied:
            # Also what some kernels say of a file system that they cannot copy from: if the file has ended, this tells.
            _send(target, source, offset, end - offset)
            return
        offset += copied


class Content:
    """All bytes of an object: the files' one after the other."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = tuple(piece for piece in pieces if piece.size)
        self.size = sum(piece.size for piece in self.pieces)

    def body(self, start: int = 0, stop: int | None = None) -> Body:
        """Return the bytes from `start` up to `stop`, or to the end.

        Raises
        ------
        SourceChangedError
            A file of the user's in this range is no longer what it was.
        """
        stop = self.size if stop is None else stop
        extents, begin = [], 0
        for piece in self.pieces:
            first, last = max(start, begin), min(stop, begin + piece.size)
            if first < last:
                piece.check()
                extents.append((piece, piece.start + first - begin, last - first))
            begin += piece.size
        return Body(extents)


class Files:
    """Makes the contents of objects; the files of its own are in one folder.

    With `keep` they stay when nothing refers to them any more, and each content has a file of its own.
    """

    def __init__(self, folder: Path, *, keep: bool = False) -> None:
        self._folder = folder
        self._keep = keep
        # No method: what removes a shelf must not hold the one who holds the shelf.
        self._remove = _leave if keep else _unlink
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._shelf: Shelf | None = None

    def store(self, blocks: Iterable[bytes]) -> Content:
        """Write blocks down."""
        coming, first = iter(blocks), bytearray()
        for block in coming:
            first += block
            if len(first) > SMALL:
                break
        if self._keep or len(first) > SMALL:
            return Content([self._new_file(itertools.chain([first], coming))])
        place = self._reserve(len(first))
        place.fill(first)
        return Content([place])

    def _new_file(self, blocks: Iterable[bytes | bytearray]) -> StoredFile:
        # Should the blocks not come to their end, nothing will refer to the file.
        file = StoredFile(self._new_path(), self._remove)
        with file.path.open("xb") as target:
            for block in blocks:
                file.size += target.write(block)
        return file

    def _reserve(self, size: int) -> Place:
        with self._lock:
            if self._shelf is None or self._shelf.size + size > FULL:
                self._shelf = Shelf(self._new_path(), self._remove)
            return self._shelf.reserve(size)

    def _new_path(self) -> Path:
        return self._folder / f"{next(self._numbers):08d}"

    def close(self) -> None:
        """Put nothing more onto the shelf that is not full."""
        self._shelf = None

    def refer(self, local: LocalFile) -> tuple[Content, str]:
        """Return a content that is a file of the user's, and its etag.

        Raises
        ------
        SourceChangedError
            Someone writes to the file.
        """
        source = SourceFile(local.path, os.dup(local.fileno()))
        content = Content([source])
        tag = etag(content)
        source.check()
        return content, tag


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


def _leave(_: Path) -> None:
    """Do nothing."""


def etag(content: Content) -> str:
    """Return the etag that a content has when the AWS CLI or boto3 uploads it as a file with their defaults.

    It reads every byte once. That of a file uploaded in parts is made of the parts' MD5, so all cores can help.
    """
    if content.size < PART:
        return md5(content.body())
    part = PART
    while part * MOST_PARTS < content.size:
        part *= 2
    bodies = [content.body(start, min(start + part, content.size)) for start in range(0, content.size, part)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        return of_parts(list(pool.map(md5, bodies)))


def of_parts(digests: Sequence[str]) -> str:
    """Return the etag of an object of parts, by their MD5 in hexadecimal digits."""
    joined = hashlib.md5(bytes.fromhex("".join(digests)), usedforsecurity=False)
    return f"{joined.hexdigest()}-{len(digests)}"


def md5(blocks: Iterable[bytes]) -> str:
    """Return the MD5 of blocks, in hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in blocks:
        digest.update(block)
    return digest.hexdigest()
