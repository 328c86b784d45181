"""Isotope patterns that outlive the cloud of a run: chunks of centroids, kept in a folder of the user's.

A chunk is named by a hash of all that it was computed from (`ionfleet.chunks`), so that one found is one that fits. The
name of its file adds a hash of its bytes: one that something happened to is not taken for a whole one.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ionfleet_cli.buckets import Bucket

PREFIX = "isotopes/"
"""Where chunks are in the work bucket."""
SUFFIX = ".parquet"

_NAME = re.compile("[0-9a-f]{40}-[0-9a-f]{40}")
"""What is named otherwise is not ours."""

MOST_FILES = 400
"""Chunks that are kept: a cloud holds each of them open."""
MOST_BYTES = 2 * 2**30


class IsotopeCache:
    """Chunks in a folder, which is made when the first are kept. What does not work is told, and hinders no run."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder = folder
        self._tell = tell

    @contextmanager
    def serving(self, work: Bucket) -> Iterator[None]:
        """Give a work bucket the chunks that are there; keep those that it has gained when the block ends, however."""
        given = self._give(work)
        try:
            yield
        finally:
            try:
                self._keep(work, given)
                self._make_room()
            except OSError as error:
                self._tell(f"warning: isotope patterns could not be kept in {self._folder}: {error}")

    def _give(self, work: Bucket) -> set[str]:
        """Make objects of the chunks; return their keys."""
        given = set()
        for path in self._files():
            name, digest = path.stem.split("-")
            try:
                whole = _digest(path) == digest
            except OSError as error:
                self._tell(f"warning: {path} cannot be read ({error.strerror}): its isotope patterns are computed anew")
                continue
            if not whole:
                self._tell(f"warning: {path} is damaged: its isotope patterns are computed anew")
                path.unlink()
                continue
            given.add(f"{PREFIX}{name}{SUFFIX}")
            work.upload(f"{PREFIX}{name}{SUFFIX}", path)
        return given

    def _keep(self, work: Bucket, given: set[str]) -> None:
        new = [key for key in work.keys(PREFIX) if key not in given]
        if not new:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder) as unfinished:
            for key in new:
                path = Path(unfinished) / key.removeprefix(PREFIX)
                work.download(key, path)
                path.rename(self._folder / f"{path.stem}-{_digest(path)}{SUFFIX}")

    def _make_room(self) -> None:
        """Remove the oldest chunks while there are too many."""
        total = 0
        youngest_first = sorted(self._files(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for number, path in enumerate(youngest_first, 1):
            total += path.stat().st_size
            if number > MOST_FILES or total > MOST_BYTES:
                path.unlink()

    def _files(self) -> list[Path]:
        return sorted(path for path in self._folder.glob(f"*{SUFFIX}") if _NAME.fullmatch(path.stem))


def default_folder() -> Path:
    """Return where the chunks of this user are kept: below `XDG_CACHE_HOME`, else below `~/.cache`."""
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    caches = chosen if chosen.is_absolute() else Path.home() / ".cache"
    return caches / "ionfleet" / "isotopes"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:40]
