"""The folder of results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.results import PUBLISHED, ResultsFolder, download

PREFIX = "results/ds-1/job-1/"
FILES = [name for name in PUBLISHED if name not in ("ion_images", "report")]


class Results:
    """A results bucket in memory."""

    def __init__(self, *names: str) -> None:
        self.objects = {PREFIX + name: name.encode() for name in names}

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key in self.objects if key.startswith(prefix))

    def download(self, key: str, path: Path) -> None:
        path.write_bytes(self.objects[key])


def fill(folder: ResultsFolder, text: str = "new") -> None:
    with folder.filling() as place:
        for name in PUBLISHED:
            if name in ("ion_images", "report"):
                (place / name).mkdir()
                (place / name / f"{text}.png").write_text(text)
            else:
                (place / name).write_text(json.dumps({"job": f"job-{text}"}))


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_results_appear_all_at_once(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    with ResultsFolder(out).filling() as place:
        (place / "summary.json").write_text("{}")
        assert not out.exists()
    assert names(out) == {"summary.json"}
    assert names(out.parent) == {"out"}


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail() -> None:
        with ResultsFolder(tmp_path / "out").filling() as place:
            (place / "annotations.csv").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(tmp_path) == set()


def test_a_failure_leaves_former_results_as_they_were(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fill(ResultsFolder(out), "old")

    def fail() -> None:
        with ResultsFolder(out).filling():
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(out) == {*PUBLISHED}
    assert "old" in (out / "summary.json").read_text()


def test_former_results_give_way_to_new_ones(tmp_path: Path) -> None:
    folder = ResultsFolder(tmp_path / "out")
    fill(folder, "old")
    folder.check()
    fill(folder, "new")
    assert names(tmp_path / "out") == {*PUBLISHED}
    assert names(tmp_path / "out" / "ion_images") == {"new.png"}
    assert "new" in (tmp_path / "out" / "annotations.csv").read_text()


def test_an_empty_folder_may_be_written_into(tmp_path: Path) -> None:
    ResultsFolder(tmp_path).check()
    fill(ResultsFolder(tmp_path))
    assert names(tmp_path) == {*PUBLISHED}


def test_a_folder_of_other_files_is_refused_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds other files, such as thesis\.docx"):
        ResultsFolder(tmp_path).check()
    forced = ResultsFolder(tmp_path, force=True)
    forced.check()
    fill(forced)
    assert names(tmp_path) == {*PUBLISHED, "thesis.docx"}


def test_files_of_our_names_that_are_no_results_of_ours_are_refused(tmp_path: Path) -> None:
    (tmp_path / "annotations.csv").write_text("from METASPACE")
    with pytest.raises(UsageError, match=r"such as annotations\.csv"):
        ResultsFolder(tmp_path).check()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        ResultsFolder(tmp_path / "out").check()


def test_a_place_where_nothing_can_be_written_is_found_out_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="cannot be written to"), ResultsFolder(tmp_path / "file" / "out").filling():
        pytest.fail("The block must not run.")


def test_what_is_published_is_downloaded_and_nothing_else(tmp_path: Path) -> None:
    images = ("ion_images/C6H12O6+H_0.png", "report/images/000000.js")
    download(Results(*FILES, *images, "status.json"), PREFIX, tmp_path)
    assert names(tmp_path) == {*PUBLISHED}
    assert (tmp_path / "ion_images" / "C6H12O6+H_0.png").read_bytes() == b"ion_images/C6H12O6+H_0.png"


def test_results_without_images_have_an_empty_folder_of_them(tmp_path: Path) -> None:
    download(Results(*FILES), PREFIX, tmp_path)
    assert names(tmp_path / "ion_images") == set()


def test_incomplete_results_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"metrics\.parquet is not among its results"):
        download(Results("annotations.csv", "annotations.parquet", "report.html", "summary.json"), PREFIX, tmp_path)


def test_no_object_can_be_written_outside_of_the_folder(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="impossible name"):
        download(Results(*FILES, "ion_images/../../../evil.png"), PREFIX, tmp_path)
