"""The folder of results: what may be written where, and how it comes to be there all at once."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from ionfleet.report.page import NAME as PAGE
from ionfleet_cli.buckets import Bucket
from ionfleet_cli.failures import CommandError, UsageError

SUMMARY = "summary.json"
TABLES = ("annotations.csv", "annotations.parquet", "metrics.parquet", "colocalization.parquet", "diagnostics.parquet")
IMAGES = "ion_images"
PAGE_DATA = "report"
PUBLISHED = (*TABLES, IMAGES, PAGE_DATA, PAGE, SUMMARY)
"""What a folder of results holds; the summary comes last and goes first, since it is what makes the others results."""

ANNDATA = "annotations.h5ad"
PIXELS = "pixel_intensities.csv"
PICTURES = "pictures"
EXPORTS = (ANNDATA, PIXELS, PICTURES)
"""What `ionfleet export` puts beside these; it goes with the results that it was made of."""

DOWNLOADS = 8
"""Objects that are fetched at one time."""


class ResultsFolder:
    """A folder that is to hold results.

    They are gathered in a hidden folder, and put in place when they are complete: a folder made for them appears whole;
    in one that is there, former results give way to them and other files stay.
    """

    def __init__(self, path: Path, *, force: bool = False) -> None:
        self.path = path
        self._force = force

    def check(self) -> None:
        """Refuse a place that holds what results of ours would come to lie among.

        Raises
        ------
        UsageError
            It is no folder, or has other files in it and nobody insists.

        """
        if self.path.exists() and not self.path.is_dir():
            raise UsageError(f"{self.path} is a file; give --out a folder, or one that is still to be made.")
        if self._force or not self.path.is_dir():
            return
        found = {entry.name for entry in self.path.iterdir()}
        others = sorted(found - {*PUBLISHED, *EXPORTS})
        if others or (found and not _is_former_result(self.path)):
            named = ", ".join((others or sorted(found))[:3])
            raise UsageError(
                f"{self.path} holds other files, such as {named}; give --out another folder, or --force to write "
                "the results in between."
            )

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """Give a hidden folder to put results into; they are put in place where the block ends without an error.

        Raises
        ------
        CommandError
            No folder can be made there.

        """
        place = self.path if self.path.is_dir() else self.path.absolute().parent
        try:
            place.mkdir(parents=True, exist_ok=True)
            hidden = Path(tempfile.mkdtemp(prefix=f".{self.path.name}-", dir=place))
        except OSError as error:
            raise CommandError(
                f"{place} cannot be written to ({error.strerror}); give --out another folder."
            ) from error
        try:
            results = hidden / "results"
            results.mkdir()
            yield results
            self._put_in_place(results)
        finally:
            shutil.rmtree(hidden, ignore_errors=True)

    def _put_in_place(self, results: Path) -> None:
        if not self.path.exists():
            results.rename(self.path)
            return
        for name in (*EXPORTS, *reversed(PUBLISHED)):
            _remove(self.path / name)
        for name in PUBLISHED:
            if (results / name).exists():
                (results / name).rename(self.path / name)


def download(results: Bucket, prefix: str, folder: Path) -> None:
    """Fetch the published objects below a prefix into a folder.

    Raises
    ------
    CommandError
        A table or the summary is missing.

    """
    wanted = [key for key in results.keys(prefix) if relative(key, prefix).parts[0] in PUBLISHED]
    missing = {*TABLES, PAGE, SUMMARY} - {str(relative(key, prefix)) for key in wanted}
    if missing:
        raise CommandError(f"The job succeeded, but {', '.join(sorted(missing))} is not among its results in {prefix}.")
    paths = [folder / relative(key, prefix) for key in wanted]
    for place in {folder / IMAGES, *(path.parent for path in paths)}:
        place.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(DOWNLOADS) as pool:
        for _ in pool.map(results.download, wanted, paths):
            continue


def relative(key: str, prefix: str) -> PurePosixPath:
    """Return where below a folder the object of a key goes; raises `CommandError` for one that leads elsewhere."""
    path = PurePosixPath(key.removeprefix(prefix))
    if path.is_absolute() or ".." in path.parts:
        raise CommandError(f"The results have an object of an impossible name, {key!r}.")
    return path


def _is_former_result(folder: Path) -> bool:
    try:
        summary = json.loads((folder / SUMMARY).read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and str(summary.get("job", "")).startswith("job-")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
