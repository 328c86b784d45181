"""Every kind of dataset given to `ionfleet validate`: the same reasons as in the cloud, and the exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ionfleet_cli.main import application

from ...unit.imzml_files import at_offsets
from .datasets import ACCEPTED, CONFIGURED, REJECTED, Row, plain

REFUSED = {
    name: row for name, row in (REJECTED | CONFIGURED).items() if name not in {"too many ions", "an unknown database"}
}
"""What `validate`, which knows no databases, can find."""


def validate(row: Row, folder: Path, *options: str) -> tuple[int, dict[str, Any]]:
    for name, data in row.files().items():
        (folder / name).write_bytes(data)
    return command("validate", folder / row.names[0], "--json", *options)


def command(*arguments: str | Path) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(application, [str(argument) for argument in arguments])
    assert done.stdout.isascii()
    return done.exit_code, json.loads(done.stdout)


def messages(report: dict[str, Any], severity: str) -> str:
    found = [each for each in report["findings"] if each["severity"] == severity]
    return "\n".join(f"{each['where']}: {each['message']}" for each in found)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_legal_is_valid_with_its_warning(name: str, tmp_path: Path) -> None:
    code, report = validate(ACCEPTED[name], tmp_path)
    assert (code, report["good"], report["facts"]["pixels"]) == (0, True, "12 in an image of 4 by 3")
    assert re.search(ACCEPTED[name].says, messages(report, "warning"))


@pytest.mark.parametrize("name", [name for name, row in REFUSED.items() if not row.stage])
def test_what_cannot_be_annotated_is_wrong_input(name: str, tmp_path: Path) -> None:
    row = REFUSED[name]
    code, report = validate(row, tmp_path)
    assert (code, report["good"]) == (3, False)
    assert re.search(row.says, messages(report, "error"), re.DOTALL)


def test_another_checksum_is_a_warning_when_asked_for(tmp_path: Path) -> None:
    uuid = '<cvParam accession="IMS:1000080"'
    declared = plain().edit(uuid, f'<cvParam accession="IMS:1000091" name="ibd SHA-1" value="{"0" * 40}"/>{uuid}')
    row = Row(lambda: declared)
    assert "SHA-1" not in messages(validate(row, tmp_path)[1], "warning")
    code, report = validate(row, tmp_path, "--checksums")
    assert code == 0
    assert "SHA-1 is" in messages(report, "warning")
    assert validate(row, tmp_path, "--checksums", "--strict")[0] == 3


@pytest.mark.parametrize("turn", [1 << 31, 1 << 32])
def test_offsets_that_wrapped_are_unwrapped_with_a_warning(turn: int, tmp_path: Path) -> None:
    points, step = 50_000_000, 600_000_000
    true = [(16 + i * step, 16 + i * step + 8 * points) for i in range(9)]
    low = turn - (1 << 32)
    wrapped = [tuple((offset - low) % (1 << 32) + low for offset in pair) for pair in true]
    dataset = at_offsets(wrapped, points, 16 + 9 * step)
    (tmp_path / "x.imzML").write_text(dataset.imzml)
    with (tmp_path / "x.ibd").open("wb") as ibd:
        ibd.write(dataset.ibd)
        ibd.truncate(dataset.ibd_size)
    code, report = command("validate", tmp_path / "x.imzML", "--json")
    assert code == 0
    assert "were counted in 32 bits" in messages(report, "warning")


def test_a_large_configuration_is_refused_unread(tmp_path: Path) -> None:
    for name, data in Row(plain).files().items():
        (tmp_path / name).write_bytes(data)
    with (tmp_path / "job.json").open("wb") as file:
        file.truncate(100 << 20)
    code, report = command("validate", tmp_path / "x.imzML", "--json")
    assert code == 3
    assert "104,857,600 bytes, at most 262,144" in messages(report, "error")
