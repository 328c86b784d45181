"""Sorted runs that are kept on this machine between commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from ionfleet_cli import sorted_datasets, sorting
from ionfleet_cli.local_files import LocalDataset, find_dataset
from ionfleet_cli.sorted_datasets import SortedCache

from .imzml_files import make

PLACES = [(1, 1), (2, 1)]
SILENT = Console(quiet=True)


class Work:
    """A work bucket whose objects are the files that were put into it."""

    def __init__(self) -> None:
        self.files: dict[str, Path] = {}
        self.full = False

    def upload(self, key: str, path: Path) -> None:
        self.files[key] = path

    def download(self, key: str, path: Path) -> None:
        if self.full:
            raise OSError("the disk is full")
        path.write_bytes(self.files[key].read_bytes())

    def sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        return ((key, path.stat().st_size) for key, path in self.files.items() if key.startswith(prefix))


@pytest.fixture
def cache(tmp_path: Path) -> SortedCache:
    return SortedCache(tmp_path / "cache")


def write(folder: Path, intensity: float) -> LocalDataset:
    folder.mkdir(exist_ok=True)
    dataset = make([([100.0], [intensity]), ([200.0], [2.0])], PLACES)
    (folder / "brain.imzML").write_text(dataset.imzml)
    (folder / "brain.ibd").write_bytes(dataset.ibd)
    return find_dataset(folder / "brain.imzML")


def objects(cache: Path, dataset: str) -> list[Path]:
    return [path for path in cache.rglob("*.*") if dataset in path.parts]


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / "cache" / "datasets").glob("*")}


def test_what_was_sorted_is_given_to_a_work_bucket_runs_before_their_indexes(
    cache: SortedCache, tmp_path: Path
) -> None:
    files, work = write(tmp_path / "a", 1), Work()
    assert not cache.give(work, files)
    cache.opened(files, SILENT)
    assert cache.give(work, files)
    assert [Path(key).suffix for key in work.files] == [".run", ".index"]


def test_what_a_job_sorted_is_kept_once_it_is_whole(
    cache: SortedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, work, other = write(tmp_path / "a", 1), Work(), SortedCache(tmp_path / "other")
    other.opened(files, SILENT)
    (dataset,) = (tmp_path / "other" / "datasets").iterdir()
    for path in objects(tmp_path / "other", dataset.name):
        work.upload(path.relative_to(tmp_path / "other").as_posix(), path)
    work.full = True
    with pytest.raises(OSError, match="full"):
        cache.keep(work, dataset.name, files)
    work.full = False
    assert not cache.give(work, files)
    assert kept(tmp_path) == set()
    cache.keep(work, dataset.name, files)
    assert kept(tmp_path) == {dataset.name}
    monkeypatch.setattr(sorting, "sort_dataset", lambda *_: pytest.fail("it is sorted already"))
    assert len(cache.opened(files, SILENT).grid.pixel) == len(PLACES)
    assert cache.kept(dataset.name, "here") is not None
    assert cache.kept("ds-0", "here") is None


def test_a_dataset_is_known_in_another_place_but_not_once_its_bytes_changed(
    cache: SortedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted_: list[str] = []
    sort = sorting.sort_dataset
    monkeypatch.setattr(sorting, "sort_dataset", lambda *all_: (sorted_.append(all_[1]), sort(*all_)))
    for folder, intensity in (("a", 1), ("b", 1), ("a", 3)):
        cache.opened(write(tmp_path / folder, intensity), SILENT)
    assert len(sorted_) == len(kept(tmp_path)) == 2


def test_those_not_used_for_longest_give_way(
    cache: SortedCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = []
    for number in range(3):
        before = kept(tmp_path) if number else set()
        cache.opened(write(tmp_path / str(number), number + 1), SILENT)
        (name,) = kept(tmp_path) - before
        os.utime(tmp_path / "cache" / "datasets" / name / "index.parquet", (number, number))
        names.append(name)
    cache.give(Work(), find_dataset(tmp_path / "0" / "brain.imzML"))
    size = sum(path.stat().st_size for path in objects(tmp_path / "cache", names[0]))
    monkeypatch.setattr(sorted_datasets, "MOST_BYTES", 2.5 * size)
    cache.opened(write(tmp_path / "3", 9), SILENT)
    assert {names[1], names[2]} & kept(tmp_path) == set()
    assert not objects(tmp_path / "cache", names[1])
    assert names[0] in kept(tmp_path)
    monkeypatch.setattr(sorted_datasets, "MOST_BYTES", 0)
    cache.opened(write(tmp_path / "4", 10), SILENT)
    assert len(kept(tmp_path)) == 1, "what was asked for last stays"
