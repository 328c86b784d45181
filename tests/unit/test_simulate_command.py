"""The simulator's command."""

from __future__ import annotations

from pathlib import Path

import pytest

from ionfleet_simulate.__main__ import main


def test_it_writes_a_dataset_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "out"), "--width", "9", "--height", "8", "--peaks", "90", "--name", "tissue"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"tissue.imzML", "tissue.ibd", "tissue.truth.tsv", "tissue.job.json"}
    output = capsys.readouterr().out
    assert str(tmp_path / "out" / "tissue.imzML") in output
    assert "spectra" in output


def test_options_override_those_of_the_preset(tmp_path: Path) -> None:
    main([str(tmp_path), "--preset", "demo", "--width", "8", "--height", "8", "--ions", "12"])
    assert len((tmp_path / "simulated.truth.tsv").read_text().splitlines()) == 13
    assert 'name="max count of pixels x" value="8"' in (tmp_path / "simulated.imzML").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--width", "0"], "The simulation's width is 0"),
        (["--preset", "huge"], "There is no preset 'huge'; give one of demo, large."),
        (["--analyzer", "quadrupole"], "give one of orbitrap, fticr, tof"),
        (["--width", "many"], "--width"),
    ],
)
def test_wrong_options_end_with_a_message(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
