"""Sorted runs of datasets: kept on this machine for the next question, or read from a work bucket."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ionfleet.damage import read_intact
from ionfleet.errors import InvalidInputError
from ionfleet.identity import digest
from ionfleet.index import Grid, spectra_key
from ionfleet.runs import RunIndex, covering_runs, existing_runs, index_key, run_key
from ionfleet.store import ObjectStore
from ionfleet_cli import terminal
from ionfleet_cli.folder_store import FolderStore
from ionfleet_cli.local_files import LocalDataset, find_dataset
from ionfleet_cli.s3 import SCHEME, open_bucket, split


@dataclass(frozen=True)
class SortedDataset:
    """A dataset whose peaks are sorted: where its runs are, each with its index, and where its spectra lie."""

    store: ObjectStore
    grid: Grid
    runs: list[tuple[str, RunIndex]]


def open_sorted(place: str, console: Console) -> SortedDataset:
    """Return the sorted runs of a dataset, which is sorted first if it has not been.

    Parameters
    ----------
    place
        An imzML file, or `s3://<work bucket>/datasets/<dataset id>/`.
    console
        Is told what takes time.

    Raises
    ------
    InvalidInputError
        There is no such dataset, or it cannot be read.

    """
    if place.startswith(SCHEME):
        bucket, key = split(place)
        return _opened(open_bucket(bucket), key.removeprefix("datasets/").partition("/")[0], place)
    local = find_dataset(Path(place))
    store, dataset = FolderStore(cache_folder()), _local_id(local)
    if store.head(spectra_key(dataset)) is None:
        from ionfleet_cli.sorting import sort_dataset

        console.print(terminal.styled(f"Sorting {local.imzml.name}; the runs are kept in {cache_folder()}"))
        sort_dataset(store, dataset, local)
    return _opened(store, dataset, place)


def cache_folder() -> Path:
    """Return the folder that keeps sorted runs between commands: `ionfleet` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ionfleet"


def _opened(store: ObjectStore, dataset: str, place: str) -> SortedDataset:
    if store.head(spectra_key(dataset)) is None:
        raise InvalidInputError(
            f"There is no dataset at {place}; give an imzML file, or s3://WORK_BUCKET/datasets/ds-…/ of a dataset that "
            "has been annotated, as long as its runs are kept."
        )
    grid = read_intact(store, spectra_key(dataset), Grid.read)
    ranges = covering_runs(existing_runs(store, dataset), len(grid.pixel))
    if ranges is None:
        raise InvalidInputError(f"Not all runs of {place} are there; annotate the dataset again, then ask again.")
    runs = [(run_key(dataset, *each), _index(store, index_key(dataset, *each))) for each in ranges]
    return SortedDataset(store, grid, runs)


def _index(store: ObjectStore, key: str) -> RunIndex:
    return read_intact(store, key, RunIndex.from_bytes)


def _local_id(dataset: LocalDataset) -> str:
    """Return the name of a dataset's runs, made of its files' places, sizes and times: to read them would take long."""
    states = [(str(path.resolve()), path.stat()) for path in (dataset.imzml, dataset.ibd)]
    return "ds-" + digest([[path, state.st_size, state.st_mtime_ns] for path, state in states])
