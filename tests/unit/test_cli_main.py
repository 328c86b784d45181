"""The `ionfleet` command as it is typed: help, exit codes, messages."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from ionfleet.errors import InvalidDatasetError, OutOfBudgetError
from ionfleet_cli import run as running
from ionfleet_cli.failures import CommandError, ExitCode, StoppedError, UsageError, error_boundary
from ionfleet_cli.main import application

from .imzml_files import SMALL

HEAVY = ("ionfleet_replay", "boto3", "moto", "pyarrow", "numpy")


def ionfleet(*arguments: str | Path) -> Result:
    return CliRunner().invoke(application, [str(argument) for argument in arguments], prog_name="ionfleet")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "brain.ibd").write_bytes(SMALL.ibd)
    (tmp_path / "brain.imzML").write_text(SMALL.imzml)
    return tmp_path / "brain.imzML"


def test_the_version_is_that_of_the_package() -> None:
    result = ionfleet("--version")
    assert (result.exit_code, result.stdout) == (0, f"ionfleet {version('ionfleet')}\n")


@pytest.mark.parametrize("command", ["run", "estimate", "replay", "validate", "validate-database", "simulate"])
def test_every_command_has_help(command: str) -> None:
    result = ionfleet(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: ionfleet {command}" in result.stdout
    assert command in ionfleet("--help").stdout


def test_help_loads_nothing_that_takes_long_to_load() -> None:
    script = f"""
import sys
from ionfleet_cli.main import application
try:
    application(["run", "--help"])
except SystemExit:
    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_the_simulator_takes_its_own_options(tmp_path: Path) -> None:
    result = ionfleet("simulate", tmp_path, "--width", "8", "--height", "8", "--peaks", "60", "--name", "tiny")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "tiny.imzML").is_file()
    assert ionfleet("simulate", tmp_path, "--wdith", "8").exit_code == ExitCode.USAGE


def test_a_good_dataset_is_valid(dataset: Path) -> None:
    result = ionfleet("validate", dataset)
    assert result.exit_code == 0
    assert "can be used: 0 errors, 1 warning." in result.stdout


def test_a_broken_dataset_is_wrong_input(dataset: Path) -> None:
    dataset.with_suffix(".ibd").write_bytes(SMALL.ibd[:20])
    result = ionfleet("validate", dataset)
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "spectrum 1: " in result.stdout


def test_a_report_for_programs_is_json(dataset: Path) -> None:
    assert json.loads(ionfleet("validate", dataset, "--json").stdout)["good"] is True


def test_a_database_can_be_validated(tmp_path: Path) -> None:
    (tmp_path / "bad.tsv").write_text("id\tname\tformula\n1\tA\tXyz\n")
    assert ionfleet("validate-database", tmp_path / "bad.tsv").exit_code == ExitCode.INVALID_INPUT
    missing = ionfleet("validate-database", tmp_path / "none.tsv")
    assert missing.exit_code == ExitCode.INVALID_INPUT
    assert missing.stderr.startswith("Error: There is no file")


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["fly"], ["run", "x.imzML", "--ppm", "much"], ["run", "x.imzML", "--workers", "0"], ["validate", "--x"]],
)
def test_a_wrong_command_line_is_told_apart(arguments: list[str]) -> None:
    assert ionfleet(*arguments).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--ppm", "500"], "ppm is 500"),
        (["--plan", "x"], "--plan 'x'"),
        (["--adduct", "+Qq"], "adducts"),
        (["--max-cost-usd", "0"], "max_cost_usd is 0"),
        (["--max-cost-usd", "nan"], "max_cost_usd"),
        (["--max-cost-usd", "inf"], "max_cost_usd"),
    ],
)
def test_impossible_values_are_wrong_use(dataset: Path, option: list[str], message: str) -> None:
    result = ionfleet("run", dataset, *option)
    assert result.exit_code == ExitCode.USAGE
    assert message in result.stderr


def test_a_missing_dataset_is_wrong_input(tmp_path: Path) -> None:
    result = ionfleet("run", tmp_path / "none.imzML")
    assert result.exit_code == ExitCode.INVALID_INPUT
    assert "There is no file" in result.stderr


def test_modifiers_may_begin_with_a_dash(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[running.Request] = []
    monkeypatch.setattr(running, "annotate", lambda request, *_: requests.append(request))
    result = ionfleet("run", dataset, "--adduct", "-H", "--adduct", "+Cl", "--neutral-loss", "-H2O", "--no-strict")
    assert result.exit_code == 0, result.output
    job = requests[0].configuration
    assert (job.adducts, job.neutral_losses, job.strict) == (("-H", "+Cl"), ("-H2O",), False)


def test_a_budget_becomes_part_of_the_configuration(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[running.Request] = []
    monkeypatch.setattr(running, "annotate", lambda request, *_: requests.append(request))
    assert ionfleet("run", dataset, "--max-cost-usd", "1.5").exit_code == 0
    assert requests[0].configuration.max_cost_usd == 1.5


def raising(error: BaseException, *, debug: bool = False) -> Callable[[], None]:
    def command() -> None:
        with error_boundary(debug=debug):
            raise error

    return command


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandError("It failed."), ExitCode.FAILURE),
        (UsageError("No."), ExitCode.USAGE),
        (InvalidDatasetError("No peaks."), ExitCode.INVALID_INPUT),
        (OutOfBudgetError("Too large."), ExitCode.FAILURE),
        (OSError("Disk full."), ExitCode.FAILURE),
        (KeyError("a bug"), ExitCode.FAILURE),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED),
        (StoppedError(), ExitCode.INTERRUPTED),
    ],
)
def test_every_error_ends_the_command_with_its_code_and_no_traceback(
    error: BaseException, code: ExitCode, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        raising(error)()
    assert ended.value.exit_code == code
    written = capsys.readouterr()
    assert "Traceback" not in written.err
    assert len(written.err.splitlines()) <= 2
    assert written.out == ""


def test_a_signal_that_is_ignored_on_purpose_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with error_boundary(debug=False):
            assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, signal.SIG_DFL)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_debugging_shows_where_an_error_came_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        raising(InvalidDatasetError("No peaks."), debug=True)()
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.endswith("Error: No peaks.\n")


def test_messages_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit):
        raising(InvalidDatasetError("[bold]\x1b]0;title\x07\nnext\x9b31m"))()
    assert capsys.readouterr().err == "Error: [bold]�]0;title�\nnext�31m\n"
