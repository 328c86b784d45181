"""`ionfleet export`, as far as it needs nothing but what every installation has."""

from __future__ import annotations

import csv
import importlib
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from ionfleet_cli.failures import ExitCode
from ionfleet_cli.main import application

from .published_results import fill, published
from .small_jobs import FORMULAS, SmallJob, database, dataset, planted
from .test_stages import ADDUCTS


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    databases = [database(FORMULAS[:4])]
    return published(SmallJob(dataset(1, ions=planted(databases, ADDUCTS, 1)), databases))


@pytest.fixture
def results(files: dict[str, bytes], tmp_path: Path) -> Path:
    return fill(tmp_path / "results", files)


def export(*arguments: object) -> Any:
    return CliRunner().invoke(application, ["export", *map(str, arguments)])


def best_ion(results: Path) -> str:
    lines = (results / "annotations.csv").read_text().splitlines()[2:]
    row = next(csv.DictReader(io.StringIO("\n".join(lines))))
    return row["formula"] + row["adduct"].removeprefix("M")


def test_pixels_and_pictures_lie_beside_the_results(results: Path) -> None:
    ion = best_ion(results)
    done = export(results, "--pixels", "--ion", ion, "--ion", f"{ion}+", "--colours", "magma")
    assert done.exit_code == 0, done.output
    assert done.output.split() == [
        str(results / name) for name in ("pixel_intensities.csv", f"pictures/{ion}.png", f"pictures/{ion}.png")
    ]
    with Image.open(results / "pictures" / f"{ion}.png") as picture:
        assert (picture.mode, picture.size) == ("RGBA", (6 * 67, 5 * 67))
    assert len((results / "pixel_intensities.csv").read_text().splitlines()) > 2
    assert not (results / "annotations.h5ad").exists()


def test_files_may_go_elsewhere(results: Path, tmp_path: Path) -> None:
    assert export(results, "--pixels", "--out", tmp_path / "new" / "folder").exit_code == 0
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["pixel_intensities.csv"]


def test_an_ion_that_was_not_annotated_is_named_beside_some_that_were(results: Path) -> None:
    done = export(results, "--pixels", "--ion", "C6H12O6+Li")
    assert done.exit_code == ExitCode.USAGE
    assert "C6H12O6+Li is not among the annotations; there is " in done.output
    assert best_ion(results) in done.output
    assert not (results / "pixel_intensities.csv").exists()


@pytest.mark.parametrize(
    ("place", "code", "said"),
    [
        (".", ExitCode.INVALID_INPUT, "summary.json is not there"),
        ("no/where", ExitCode.USAGE, "There is no no/where; check the path"),
    ],
)
def test_results_that_are_not_there_are_named(place: str, code: int, said: str) -> None:
    done = export(place)
    assert done.exit_code == code
    assert said in done.output


def test_without_anndata_it_says_how_to_get_it_and_leaves_nothing_half_written(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = importlib.import_module

    def without(name: str, *rest: Any) -> Any:
        if name == "anndata":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *rest)

    before = {*results.iterdir()}
    monkeypatch.setattr(importlib, "import_module", without)
    done = export(results, "--h5ad")
    assert done.exit_code == ExitCode.FAILURE
    assert "pip install 'ionfleet[client]'" in done.output
    assert {*results.iterdir()} == before
