"""`ionfleet image`: any window of m/z, from runs that are sorted once."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from ionfleet.errors import InvalidInputError
from ionfleet.image_at import image_at
from ionfleet.index import spectra_key
from ionfleet.runs import encode_run, index_run, run_key, sort_peaks
from ionfleet.store import MemoryStore, ObjectMissingError
from ionfleet_cli import sorting
from ionfleet_cli.failures import ExitCode
from ionfleet_cli.folder_store import FolderStore
from ionfleet_cli.main import application

from .imzml_files import Dataset, make
from .measure_oracle import make_grid

SPECTRA = [
    ([99.0, 100.0, 100.0003, 101.0], [1.0, 2.0, 4.0, 8.0]),
    ([100.0004, 100.0006], [16.0, 32.0]),
    ([50.0, 99.9997], [1.0, 64.0]),
    ([100.0], [0.0]),
]
PLACES = [(5, 2), (6, 2), (5, 3), (7, 3)]
EXPECTED = [[6.0, 0.0, np.nan], [64.0, np.nan, 0.0]]
"""What lies within 100 ± 3 ppm, 99.9997 to 100.0003, at the box of these places."""


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset on this machine, which has no sorted runs yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write(tmp_path / "brain.imzML", make(SPECTRA, PLACES))


def write(path: Path, dataset: Dataset) -> Path:
    path.write_text(dataset.imzml)
    path.with_suffix(".ibd").write_bytes(dataset.ibd)
    return path


def image(*arguments: object) -> Any:
    return CliRunner().invoke(application, ["image", *map(str, arguments)])


def test_an_image_has_the_peaks_of_its_window_both_ends_included(dataset: Path, tmp_path: Path) -> None:
    done = image(dataset, "--mz", 100, "--ppm", 3, "--out", tmp_path / "x.npy")
    assert done.exit_code == 0, done.output
    assert np.array_equal(np.load(tmp_path / "x.npy"), np.array(EXPECTED, np.float32), equal_nan=True)
    assert "m/z 99.99970 to 100.00030" in done.output
    assert "3, at m/z 99.99974 on average" in done.output
    assert "2 with signal of 4" in done.output
    assert "64 at most, 70 in all" in done.output


def test_a_picture_is_named_after_dataset_and_mz(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dataset.parent)
    assert image(dataset, "--mz", 100, "--colours", "grey").exit_code == 0
    with Image.open("brain-mz100.0000.png") as picture:
        scale = picture.width // 3
        assert picture.getpixel((0, scale)) == (255, 255, 255, 255)
        assert picture.getpixel((2 * scale, 0))[3] == 0


def test_a_dataset_is_sorted_once_and_again_when_it_has_changed(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sorted_: list[str] = []
    sort = sorting.sort_dataset
    monkeypatch.setattr(sorting, "sort_dataset", lambda *all_: (sorted_.append(all_[1]), sort(*all_)))
    for _ in range(2):
        assert image(dataset, "--mz", 100, "--out", tmp_path / "x.npy").exit_code == 0
    assert len(sorted_) == 1
    write(dataset, make([*SPECTRA, ([100.0], [5.0])], [*PLACES, (7, 2)]))
    assert image(dataset, "--mz", 100, "--out", tmp_path / "x.npy").exit_code == 0
    assert len(set(sorted_)) == 2
    assert np.load(tmp_path / "x.npy")[0, 2] == 5


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--mz", "-5"], ExitCode.INVALID_INPUT, "is no window"),
        (["--mz", "100", "--ppm", "0"], ExitCode.INVALID_INPUT, "is no window"),
        (["--mz", "100", "--out", "x.tiff"], ExitCode.USAGE, "neither .png nor .npy"),
        (["--mz", "100", "--colours", "jet"], ExitCode.INVALID_INPUT, "no colour map 'jet'"),
    ],
)
def test_what_cannot_be_shown_is_named(dataset: Path, arguments: list[str], code: int, said: str) -> None:
    done = image(dataset, *arguments)
    assert done.exit_code == code
    assert said in done.output


def test_a_dataset_that_cannot_be_read_leaves_no_runs(dataset: Path, tmp_path: Path) -> None:
    dataset.with_suffix(".ibd").write_bytes(b"")
    assert image(dataset, "--mz", 100).exit_code == ExitCode.INVALID_INPUT
    assert not list(tmp_path.glob("cache/**/*.run"))


def test_a_window_across_runs_and_blocks_is_what_a_plain_search_finds() -> None:
    rng = np.random.default_rng(7)
    grid = make_grid(np.ones((4, 5), bool))
    store, runs, everything = MemoryStore(), [], []
    for number in range(3):
        mz, intensity = rng.uniform(100, 101, 20_000), rng.gamma(1, 10, 20_000).astype(np.float32)
        peaks = sort_peaks(mz, intensity, rng.integers(0, 20, 20_000).astype(np.uint32))
        key = run_key("ds-0", number, number + 1)
        store.create(key, encode_run(peaks))
        runs.append((key, index_run(peaks, 0, np.zeros(1, np.float32))))
        everything.append(peaks)
    for mz in (100.0, 100.5, 101.0):
        found = image_at(store, runs, grid, mz, 50)
        lower, upper = mz * (1 - 50e-6), mz * (1 + 50e-6)
        expected = np.zeros(20)
        for peaks in everything:
            inside = (peaks.mz >= lower) & (peaks.mz <= upper)
            np.add.at(expected, peaks.pixel[inside], peaks.intensity[inside])
        np.testing.assert_allclose(found.intensity.ravel(), expected, rtol=1e-6)
    assert image_at(store, runs, grid, 500, 3).mean_mz is None
    with pytest.raises(InvalidInputError, match="is no window"):
        image_at(store, runs, grid, np.nan, 3)


def test_files_of_a_folder_are_objects(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert store.head("a/b") is None
    assert store.create("a/b", b"12345")
    assert not store.create("a/b", b"other")
    assert (store.get("a/b"), store.get_range("a/b", 1, 2)) == (b"12345", b"23")
    assert [(info.key, info.size) for info in store.list("a/")] == [("a/b", 5)]
    with pytest.raises(ObjectMissingError):
        store.get("a/c")
    with pytest.raises(io.UnsupportedOperation, match=r"nothing in .* is replaced"):
        store.replace("a/b", b"")
    assert store.head(spectra_key("ds-0")) is None
