"""Every kind of dataset given to `ionfleet run`: refused with the reason and nothing left, or shown harmlessly."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from ionfleet_cli.main import application
from ionfleet_replay import Cloud, Observation

from .datasets import BUDGET, CONFIGURED, DATABASE, REJECTED, Row, plain
from .test_names import NAMES, only_shows

ROWS = REJECTED | CONFIGURED
SAID_OTHERWISE = {
    "two files that differ in case": r"x\.IBD, x\.ibd",
    "an unknown database": "names the database 'nowhere'",
}
"""What is found before anything is uploaded."""


class Ear:
    """The cloud of all runs of this module; each listens to it in turn."""

    def __init__(self, assembly: Path, folder: Path) -> None:
        self._listener: Callable[[Observation], None] = lambda _: None
        self.cloud = Cloud(assembly, folder, observer=lambda observation: self._listener(observation))

    @contextmanager
    def borrowed(self, _assembly: Path, observer: Callable[[Observation], None], *_: Any, **__: Any) -> Iterator[Cloud]:
        """Stand in for a cloud that lives as long as one run."""
        self._listener = observer
        yield self.cloud


@pytest.fixture(scope="module")
def ear(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ear]:
    ear = Ear(assembly, tmp_path_factory.mktemp("runs") / "cloud")
    with ear.cloud:
        yield ear


@pytest.fixture
def run(ear: Ear, assembly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Row], Result]:
    """Return what runs a row under keys of its own, with a database of its own; results go to the folder `results`."""
    monkeypatch.setattr("ionfleet_cli.run.running_cloud", ear.borrowed)
    monkeypatch.setattr("ionfleet_cli.submission.FOLDER", f"datasets/{tmp_path.name}/")
    database = tmp_path / f"{tmp_path.name}.tsv"
    database.write_bytes(DATABASE)

    def run(row: Row) -> Result:
        for name, data in row.files().items():
            (tmp_path / name).write_bytes(data)
        command = ["run", tmp_path / row.names[0], "--out", tmp_path / "results", "--assembly", assembly]
        if not (isinstance(row.configuration, dict) and "databases" in row.configuration):
            command += ["--database", database]
        return CliRunner().invoke(application, [str(part) for part in command], env={"COLUMNS": "20000"})

    return run


@pytest.mark.parametrize("name", ROWS)
def test_what_cannot_be_annotated_ends_the_run_with_the_reason_and_no_results(
    run: Callable[[Row], Result], name: str, tmp_path: Path
) -> None:
    done = run(ROWS[name])
    assert done.exit_code == (1 if ROWS[name].error == BUDGET else 3), done.output
    assert re.search(SAID_OTHERWISE.get(name, ROWS[name].says), done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.output
    assert only_shows(done.output)
    assert not (tmp_path / "results").exists()


def test_no_name_is_run_by_a_terminal(run: Callable[[Row], Result], tmp_path: Path) -> None:
    molecule = " ".join(sorted(NAMES, reverse=True))
    row = Row(plain, configuration={"name": "[bold]=1+1[/]"}, names=("[red]a%1b.imzML", "[red]a%1b.ibd"))
    (tmp_path / f"{tmp_path.name}.tsv").write_text(f"id\tname\tformula\nx\t{molecule}\tC6H12O6\n")
    done = run(row)
    assert done.exit_code == 0, done.output
    assert only_shows(done.output)
    assert "[bold red]x[/]" in done.output
    assert (tmp_path / "results" / "annotations.csv").is_file()
