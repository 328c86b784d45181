"""`ionfleet validate` and `validate-database`."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ionfleet.findings import FindingLog
from ionfleet_cli.failures import UsageError
from ionfleet_cli.validation import Inspection, show, validate_database, validate_dataset

from .imzml_files import SMALL, Dataset


def write(dataset: Dataset, folder: Path) -> Path:
    (folder / "brain.ibd").write_bytes(dataset.ibd)
    (folder / "brain.imzML").write_text(dataset.imzml)
    return folder / "brain.imzML"


def inspect(
    dataset: Dataset, folder: Path, config: Path | None = None, *, strict: bool = False, checksums: bool = False
) -> Inspection:
    return validate_dataset(write(dataset, folder), config, strict=strict, checksums=checksums)


def codes(inspection: Inspection) -> set[tuple[str, str]]:
    return {(finding.severity, finding.code) for finding in inspection.findings}


def shown(inspection: Inspection) -> str:
    console = Console(file=io.StringIO(), width=200)
    show(inspection, console)
    return console.file.getvalue()


def test_facts_of_a_good_dataset_are_reported(tmp_path: Path) -> None:
    inspection = inspect(SMALL, tmp_path)
    assert inspection.good
    assert inspection.facts["pixels"] == "3 in an image of 3 by 1"
    assert (inspection.facts["spectra"], inspection.facts["peaks"]) == ("3", "5")
    assert (inspection.facts["polarity"], inspection.facts["mode"]) == ("positive", "processed")
    assert inspection.facts["a run takes"].startswith("positive, orbitrap, resolving power 140,000 at m/z 200, 3 ppm")


def test_what_a_run_would_assume_is_a_warning(tmp_path: Path) -> None:
    assert ("warning", "assumed-resolving-power") in codes(inspect(SMALL, tmp_path))


def test_every_error_of_a_dataset_is_reported(tmp_path: Path) -> None:
    inspection = inspect(replace(SMALL, ibd=SMALL.ibd[:30]), tmp_path)
    assert not inspection.good
    assert {finding.where for finding in inspection.findings} == {"spectrum 1", "spectrum 2", "spectrum 3"}


def test_warnings_about_the_dataset_are_errors_when_strict(tmp_path: Path) -> None:
    other_uuid = replace(SMALL, ibd=bytes(16) + SMALL.ibd[16:])
    assert ("warning", "uuid-differs") in codes(inspect(other_uuid, tmp_path))
    for inspection in (
        inspect(other_uuid, tmp_path, strict=True),
        inspect(other_uuid, tmp_path, configuration(tmp_path, strict=True)),
    ):
        assert ("error", "uuid-differs") in codes(inspection)


def test_a_polarity_that_nobody_says_is_an_error(tmp_path: Path) -> None:
    silent = SMALL.edit('<cvParam accession="MS:1000130" name="positive scan"/>', "")
    inspection = inspect(silent, tmp_path)
    assert ("error", "configuration") in codes(inspection)
    assert inspection.facts["polarity"] == "not said"
    assert inspect(silent, tmp_path, configuration(tmp_path, polarity="negative")).good
    imzml = tmp_path / "brain.imzML"
    assert validate_dataset(imzml, None, polarity="negative", strict=False, checksums=False).good
    with pytest.raises(UsageError, match='polarity is "neutral"'):
        validate_dataset(imzml, None, polarity="neutral", strict=False, checksums=False)


def test_a_wrong_configuration_is_reported_beside_what_is_wrong_with_the_dataset(tmp_path: Path) -> None:
    inspection = inspect(replace(SMALL, ibd=SMALL.ibd[:30]), tmp_path, configuration(tmp_path, ppm=500))
    assert {("error", "configuration"), ("error", "beyond-ibd")} <= codes(inspection)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    inspection = validate_dataset(tmp_path / "none.imzML", None, strict=False, checksums=False)
    assert codes(inspection) == {("error", "no-dataset")}


@pytest.mark.parametrize(("content", "expected"), [("right", False), ("wrong", True)])
def test_checksums_are_compared_when_asked(tmp_path: Path, content: str, expected: bool) -> None:
    digest = hashlib.sha1(SMALL.ibd if content == "right" else b"", usedforsecurity=False).hexdigest()
    uuid = '<cvParam accession="IMS:1000080"'
    declared = SMALL.edit(uuid, f'<cvParam accession="IMS:1000091" name="ibd SHA-1" value="{digest}"/>{uuid}')
    assert ("warning", "checksum-differs") not in codes(inspect(declared, tmp_path))
    assert (("warning", "checksum-differs") in codes(inspect(declared, tmp_path, checksums=True))) == expected


def test_a_database_is_counted(tmp_path: Path) -> None:
    path = table(tmp_path, "id\tname\tformula\n1\tA\tC6H12O6\n2\tB\tC6H12O6\n3\tC\tC3H7NO2\n")
    inspection = validate_database(path, strict=False)
    assert inspection.good
    assert (inspection.facts["good rows"], inspection.facts["distinct formulas"]) == ("3", "2")


def test_each_refused_row_of_a_database_is_named(tmp_path: Path) -> None:
    path = table(tmp_path, "id\tname\tformula\n1\tA\tC6H12O6\n2\tB\tXyz\n3\tC\t\n")
    inspection = validate_database(path, strict=False)
    assert not inspection.good
    assert [finding.where for finding in inspection.findings] == ["row 3, column 'formula'", "row 4, column 'formula'"]
    assert inspection.facts["good rows"] == "1"


def test_warnings_about_a_database_are_errors_when_strict(tmp_path: Path) -> None:
    path = table(tmp_path, "id\tname\tformula\n1\tA\tC6H12O6\n1\tB\tC3H7NO2\n")
    assert validate_database(path, strict=False).good
    assert not validate_database(path, strict=True).good


def test_the_report_ends_with_the_verdict_and_its_counts(tmp_path: Path) -> None:
    lines = shown(inspect(replace(SMALL, ibd=SMALL.ibd[:30]), tmp_path)).splitlines()
    assert lines[-1].endswith("cannot be used: 6 errors, 0 warnings.")
    assert lines[0].startswith("error: spectrum 1: ")


def test_errors_that_are_not_spelled_out_count(tmp_path: Path) -> None:
    log = FindingLog(limit=2)
    for number in range(1, 6):
        log.error("bad", "It is bad.", f"spectrum {number}")
    log.warning("odd", "It is odd.")
    lines = shown(Inspection(tmp_path, {}, log.findings())).splitlines()
    assert "error: and 3 more of this kind." in lines
    assert lines[-1].endswith("cannot be used: 5 errors, 1 warning.")


def test_text_of_files_is_shown_as_it_stands_without_its_control_characters(tmp_path: Path) -> None:
    path = table(tmp_path, "id\tname\tformula\n1\tA\tC6H12O6\n2\tB\t[red]\x1b[31m\u202eC\n")
    text = shown(validate_database(path, strict=False))
    assert "[red]" in text
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_the_report_for_programs_is_json(tmp_path: Path) -> None:
    document = json.loads(inspect(replace(SMALL, ibd=SMALL.ibd[:30]), tmp_path).to_json())
    assert document["good"] is False
    assert document["findings"][0]["where"] == "spectrum 1"


def configuration(folder: Path, **fields: object) -> Path:
    path = folder / "given.json"
    path.write_text(json.dumps(fields))
    return path


def table(folder: Path, text: str) -> Path:
    path = folder / "table.tsv"
    path.write_text(text)
    return path
