"""How the command line finds the files it is given."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionfleet.errors import InvalidDatabaseError, InvalidDatasetError
from ionfleet_cli.failures import UsageError
from ionfleet_cli.local_files import LocalDatabase, find_databases, find_dataset

XML = b'<?xml version="1.0"?>\n<mzML/>'


def touch(folder: Path, *names: str, content: bytes = XML) -> None:
    for name in names:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("ibd", ["brain.ibd", "brain.IBD", "brain.Ibd"])
def test_the_ibd_is_found_in_any_case_of_its_extension(tmp_path: Path, ibd: str) -> None:
    touch(tmp_path, "brain.imzML", ibd, "other.ibd")
    assert find_dataset(tmp_path / "brain.imzML").ibd.name == ibd


@pytest.mark.parametrize(
    ("files", "found"),
    [([], None), (["job.json"], "job.json"), (["job.json", "brain.job.json"], "brain.job.json")],
)
def test_the_configuration_of_the_dataset_goes_before_that_of_the_folder(
    tmp_path: Path, files: list[str], found: str | None
) -> None:
    touch(tmp_path, "brain.imzML", "brain.ibd", *files)
    configuration = find_dataset(tmp_path / "brain.imzML").configuration
    assert (configuration and configuration.name) == found


def test_a_missing_ibd_is_named_with_the_one_that_may_be_meant(tmp_path: Path) -> None:
    touch(tmp_path, "brain.imzML", "brian.ibd", "liver.imzML", "liver.ibd")
    with pytest.raises(InvalidDatasetError, match=r"There is no brain\.ibd beside .*, but brian\.ibd\. A dataset is"):
        find_dataset(tmp_path / "brain.imzML")


def test_two_ibds_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "brain.imzML", "brain.ibd", "brain.IBD")
    with pytest.raises(InvalidDatasetError, match=r"brain\.IBD, brain\.ibd"):
        find_dataset(tmp_path / "brain.imzML")


def test_a_missing_imzml_is_named_with_those_beside_it(tmp_path: Path) -> None:
    touch(tmp_path, "brain.imzML")
    with pytest.raises(InvalidDatasetError, match=r"There is no file .*brian\.imzML.*there is brain\.imzML"):
        find_dataset(tmp_path / "brian.imzML")


def test_a_folder_is_no_dataset(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.imzML" for number in range(7)))
    with pytest.raises(InvalidDatasetError, match=r"is a folder; .*0\.imzML.* and 2 more"):
        find_dataset(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("brain.ibd", XML, "binary half of a dataset"),
        ("brain.mzML", XML, "not named as an imzML"),
        ("brain.imzML", b"", "is empty"),
        ("brain.imzML", b"x,y\n1,2\n", "not imzML: it begins with b'x,y"),
        ("brain.imzML", b"\x00\x01\x02", "not imzML"),
    ],
)
def test_a_file_that_is_evidently_no_imzml_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    touch(tmp_path, name, content=content)
    with pytest.raises(InvalidDatasetError, match=message):
        find_dataset(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_xml_is_known_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    touch(tmp_path, "brain.imzML", content="\n <mzML/>".encode(encoding))
    touch(tmp_path, "brain.ibd")
    assert find_dataset(tmp_path / "brain.imzML").stem == "brain"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("hmdb.tsv", "hmdb"),
        ("hmdb.v4.CSV", "hmdb.v4"),
        ("core.csv.gz", "core"),
        ("lipids.txt", "lipids"),
        ("lipids", "lipids"),
        (".tsv", ".tsv"),
    ],
)
def test_a_database_is_imported_under_the_stem_of_its_file(tmp_path: Path, file: str, name: str) -> None:
    touch(tmp_path, file)
    assert find_databases([tmp_path / file]) == [LocalDatabase(tmp_path / file, name)]


def test_the_bundled_database_needs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "mine.tsv")
    found = find_databases([Path("ionfleet-core"), Path("mine.tsv")])
    assert [database.name for database in found] == ["mine"]


@pytest.mark.parametrize(("name", "message"), [("none.tsv", "There is no file"), ("folder", "is a folder")])
def test_a_database_that_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InvalidDatabaseError, match=message):
        find_databases([tmp_path / name])


def test_two_databases_cannot_have_one_name(tmp_path: Path) -> None:
    touch(tmp_path, "hmdb.tsv", "hmdb.csv")
    with pytest.raises(UsageError, match=r"hmdb\.tsv, hmdb\.csv would all be imported as 'hmdb'"):
        find_databases([tmp_path / "hmdb.tsv", tmp_path / "hmdb.csv"])
