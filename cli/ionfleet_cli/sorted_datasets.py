"""Sorted runs of datasets: kept on this machine for the next question, or read from a work bucket.

The cache has a dataset's index and runs under the keys of a work bucket, and under `names/` which dataset some files
are, by their places, sizes and times: to read large files only to tell would take longer than most questions.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ionfleet.damage import read_intact
from ionfleet.errors import InvalidInputError
from ionfleet.identity import RUN_PREFIXES, dataset_id, digest
from ionfleet.index import Grid, spectra_key
from ionfleet.runs import RunIndex, covering_runs, existing_runs, index_key, run_key
from ionfleet.store import ObjectInfo, ObjectStore
from ionfleet_cli import terminal
from ionfleet_cli.buckets import Bucket
from ionfleet_cli.folder_store import FolderStore
from ionfleet_cli.local_files import LocalDataset
from ionfleet_cli.multipart import etag_of

DATASETS = "datasets"
MOST_BYTES = 8 * 2**30
"""Bytes of all datasets that are kept; the one that was sorted last stays, whatever its size."""


@dataclass(frozen=True)
class SortedDataset:
    """A dataset whose peaks are sorted: where its runs are, each with its index, and where its spectra lie."""

    store: ObjectStore
    grid: Grid
    runs: list[tuple[str, RunIndex]]


class SortedCache:
    """The datasets whose sorted runs are in a folder, which is made when the first are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = FolderStore(folder)

    def opened(self, files: LocalDataset, console: Console) -> SortedDataset:
        """Return the sorted runs of a dataset, which is sorted first if it has not been.

        Raises
        ------
        InvalidDatasetError
            It cannot be read.

        """
        dataset = self._known(files)
        if dataset is None:
            dataset = _id(files)
            if self._store.head(spectra_key(dataset)) is None:
                from ionfleet_cli.sorting import sort_dataset

                console.print(terminal.styled(f"Sorting {files.imzml.name}; the runs are kept in {self._folder}"))
                sort_dataset(self._store, dataset, files)
            self._remember(files, dataset)
        return open_runs(self._store, dataset, str(files.imzml))

    def kept(self, dataset: str, place: str) -> SortedDataset | None:
        """Return the sorted runs of a dataset by its id, None where they are not kept."""
        there = self._store.head(spectra_key(dataset)) is not None
        return open_runs(self._store, dataset, place) if there else None

    def give(self, work: Bucket, files: LocalDataset) -> bool:
        """Put the runs of a dataset into a work bucket, for its job to find; tell whether there are any."""
        dataset = self._known(files)
        if dataset is None:
            return False
        ranges = existing_runs(self._store, dataset).items()
        # The index follows its run: where that is, the run is complete.
        for key in [run_key(dataset, *each) for each in ranges] + [index_key(dataset, *each) for each in ranges]:
            work.upload(key, self._folder / key)
        return True

    def keep(self, work: Bucket, dataset: str, files: LocalDataset) -> None:
        """Keep what a job's work bucket has of its dataset, unless that is too large or there already.

        Raises
        ------
        OSError
            It cannot be written.

        """
        if self._store.head(spectra_key(dataset)) is None:
            found = [each for prefix in _prefixes(dataset) for each in work.sizes(prefix)]
            if sum(size for _, size in found) > MOST_BYTES:
                return
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".") as unfinished:
                for key, _ in found:
                    path = Path(unfinished, key)
                    path.parent.mkdir(parents=True, exist_ok=True)
                    work.download(key, path)
                self._remove(dataset)
                for prefix in _prefixes(dataset):
                    if Path(unfinished, prefix).exists():
                        (self._folder / prefix).parent.mkdir(parents=True, exist_ok=True)
                        Path(unfinished, prefix).rename(self._folder / prefix)
        self._remember(files, dataset)

    def _known(self, files: LocalDataset) -> str | None:
        """Return which dataset some files are, as far as it is known and its runs are there."""
        key = _name_key(files)
        if self._store.head(key) is None:
            return None
        dataset = self._store.get(key).decode()
        if self._store.head(spectra_key(dataset)) is None:
            return None
        os.utime(self._folder / spectra_key(dataset))
        return dataset

    def _remember(self, files: LocalDataset, dataset: str) -> None:
        self._store.create(_name_key(files), dataset.encode())
        self._make_room(dataset)

    def _make_room(self, last: str) -> None:
        """Remove the datasets that were not used for longest while all are too large."""
        found = [
            path for path in (self._folder / DATASETS).iterdir() if (self._folder / spectra_key(path.name)).exists()
        ]
        found.sort(key=lambda path: (path.name == last, (path / "index.parquet").stat().st_mtime_ns), reverse=True)
        total = 0
        for path in found:
            total += sum(self._sizes(path.name))
            if total > MOST_BYTES and path.name != last:
                self._remove(path.name)

    def _sizes(self, dataset: str) -> Iterator[int]:
        for prefix in _prefixes(dataset):
            yield from (path.stat().st_size for path in (self._folder / prefix).rglob("*") if path.is_file())

    def _remove(self, dataset: str) -> None:
        # What tells that the runs are there goes first.
        for prefix in reversed(_prefixes(dataset)):
            shutil.rmtree(self._folder / prefix, ignore_errors=True)


def open_runs(store: ObjectStore, dataset: str, place: str) -> SortedDataset:
    """Return the sorted runs of a dataset, which whoever asks knows as `place`.

    Raises
    ------
    InvalidInputError
        They are not there, or not all of them.

    """
    if store.head(spectra_key(dataset)) is None:
        raise InvalidInputError(
            f"There is no dataset at {place}; give an imzML file, or a dataset that has been annotated, as long as its "
            "runs are kept."
        )
    grid = read_intact(store, spectra_key(dataset), Grid.read)
    ranges = covering_runs(existing_runs(store, dataset), len(grid.pixel))
    if ranges is None:
        raise InvalidInputError(f"Not all runs of {place} are there; annotate the dataset again, then ask again.")
    runs = [
        (run_key(dataset, *each), read_intact(store, index_key(dataset, *each), RunIndex.from_bytes)) for each in ranges
    ]
    return SortedDataset(store, grid, runs)


def _prefixes(dataset: str) -> list[str]:
    """Return the prefixes of all that is kept of a dataset, the one last that the index of its spectra is under."""
    return [*(f"runs/{number:x}/{dataset}/" for number in range(RUN_PREFIXES)), f"{DATASETS}/{dataset}/"]


def _id(files: LocalDataset) -> str:
    """Return the id of a dataset, for which its files are read."""
    parts = (ObjectInfo(path.name, path.stat().st_size, etag_of(path), "") for path in (files.imzml, files.ibd))
    return dataset_id(*parts)


def _name_key(files: LocalDataset) -> str:
    states = [(str(path.resolve()), path.stat()) for path in (files.imzml, files.ibd)]
    return "names/" + digest([[path, state.st_size, state.st_mtime_ns] for path, state in states])
