"""Objects as files of a folder, for what is kept on this machine between commands."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ionfleet.store import ObjectInfo, ObjectMissingError


class FolderStore:
    """An `ObjectStore` over a folder: what it keeps appears whole. It has no versions and replaces nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> bytes:
        """Return a whole object."""
        return self.get_range(key, 0, -1)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only where the object ends."""
        try:
            with (self._folder / key).open("rb") as file:
                file.seek(start)
                return file.read(length)
        except FileNotFoundError:
            raise ObjectMissingError(f"There is no {key!r} in {self._folder}.") from None

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, None where there is none."""
        path = self._folder / key
        return ObjectInfo(key, path.stat().st_size, "", "null") if path.is_file() else None

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects in the folder that `prefix` names, in order of their keys."""
        for path in sorted((self._folder / prefix).glob("*")):
            info = None if path.name.startswith(".") else self.head(f"{prefix}{path.name}")
            if info is not None:
                yield info

    def create(self, key: str, data: bytes | bytearray | memoryview) -> bool:
        """Write an object that is not there yet; False (and nothing written) where it is."""
        path = self._folder / key
        if path.exists():
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
            file.write(data)
        Path(file.name).replace(path)
        return True

    def replace(self, key: str, data: bytes, etag: str | None = None) -> bool:  # noqa: ARG002 - the protocol's
        """Refuse: runs never change."""
        raise io.UnsupportedOperation(f"{key}: nothing in {self._folder} is replaced.")
