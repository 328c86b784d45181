"""The audit of the lock files: what it asks, what it remembers, and what it does not claim."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 11, 22)
LOCK = """\
# made by a tool
numpy==2.4.6 ; python_full_version >= '3.11' \\
    --hash=sha256:00
PyYAML==6.0.3 \\
    --hash=sha256:01
    # via moto
numpy==2.3.0 ; python_full_version < '3.11' \\
    --hash=sha256:02
"""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_of_locks", ROOT / "audit" / "audit.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up by name.
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for folder in ("requirements", "layers/numerics", "audit"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "requirements" / "run.txt").write_text(LOCK)
    (tmp_path / "layers" / "numerics" / "requirements.txt").write_text("pyarrow==26.0.0 \\\n    --hash=sha256:03\n")
    return tmp_path


PINS = ["numpy==2.3.0", "numpy==2.4.6", "pyarrow==26.0.0", "pyyaml==6.0.3"]


def nobody(_: Sequence[str]) -> None:
    return None


def all_well(asked: Sequence[str]) -> dict[str, list[str]]:
    return {pin: [] for pin in asked}


def run(tool: ModuleType, repository: Path, ask: Any, day: date = TODAY, *, must_answer: bool = False) -> int:
    code: int = tool.audit(repository, ask, day, must_answer=must_answer)
    return code


def test_every_pin_of_every_lock_file_is_asked_about(tool: ModuleType, repository: Path) -> None:
    assert tool.pins(repository) == PINS


def test_the_repositorys_lock_files_are_understood_whole(tool: ModuleType) -> None:
    locks = [*ROOT.glob("requirements/*.txt"), *ROOT.glob("layers/*/requirements.txt")]
    assert len(locks) == 10
    lines = [line for lock in locks for line in lock.read_text().splitlines()]
    pinned = {line.partition("==")[0].lower() for line in lines if line[:1].isalnum()}
    assert {pin.partition("==")[0] for pin in tool.pins(ROOT)} == pinned


def test_a_known_vulnerability_fails_and_is_named(
    tool: ModuleType, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {**all_well(PINS), "pyyaml==6.0.3": ["PYSEC-1", "GHSA-2"]}
    assert run(tool, repository, lambda _: found) == 1
    assert "VULNERABLE: pyyaml==6.0.3: PYSEC-1, GHSA-2" in capsys.readouterr().out


def test_an_answer_stands_where_nobody_answers_with_its_age(
    tool: ModuleType, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tool, repository, all_well, date(2026, 11, 1)) == 0
    assert run(tool, repository, nobody) == 0
    said = capsys.readouterr().out
    assert "The last answer is of 2026-11-01, 21 days ago." in said
    assert "0 of 4 locked packages had known vulnerabilities on 2026-11-01." in said


def test_a_vulnerability_that_was_once_found_fails_until_the_pin_changes(tool: ModuleType, repository: Path) -> None:
    run(tool, repository, lambda _: {**all_well(PINS), "pyyaml==6.0.3": ["PYSEC-1"]})
    assert run(tool, repository, nobody) == 1
    lock = repository / "requirements" / "run.txt"
    lock.write_text(LOCK.replace("6.0.3", "6.0.4"))
    assert run(tool, repository, nobody) == 0


def test_what_was_pinned_since_is_not_called_audited(
    tool: ModuleType, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tool, repository, all_well)
    (repository / "requirements" / "run.txt").write_text(LOCK.replace("6.0.3", "6.0.4"))
    run(tool, repository, nobody)
    assert "NOT AUDITED: pinned since and never asked about: pyyaml==6.0.4" in capsys.readouterr().out


@pytest.mark.parametrize(("must_answer", "code"), [(False, 0), (True, 1)])
def test_where_nobody_ever_answered_nothing_is_claimed(
    tool: ModuleType, repository: Path, capsys: pytest.CaptureFixture[str], must_answer: bool, code: int
) -> None:
    assert run(tool, repository, nobody, must_answer=must_answer) == code
    assert capsys.readouterr().out.startswith("NOT AUDITED: ")


def test_what_pip_audit_skips_is_no_answer(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"name": "NumPy", "version": "2.4.6", "vulns": [{"id": "PYSEC-1"}]}
    skipped = {"name": "pypng", "skip_reason": "not found"}
    report = json.dumps({"dependencies": [known, skipped]})
    assert tool.parse(report) == {"numpy==2.4.6": ["PYSEC-1"]}
    monkeypatch.setattr(tool.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=report))
    assert tool.ask_pip_audit(["pypng==1", "numpy==2.4.6"]) is None


def test_pip_audit_that_breaks_is_no_answer(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=""))
    assert tool.ask_pip_audit(PINS) is None


def test_one_package_is_asked_about_first_and_none_twice_in_a_question(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions: list[list[str]] = []

    def answer(command: list[str], **_: Any) -> SimpleNamespace:
        asked = Path(command[-1]).read_text().splitlines()
        questions.append(asked)
        entries = [dict(zip(("name", "version"), pin.split("=="), strict=True), vulns=[]) for pin in asked]
        return SimpleNamespace(stdout=json.dumps({"dependencies": entries}))

    monkeypatch.setattr(tool.subprocess, "run", answer)
    asked = ["attrs==1", *PINS]
    assert tool.ask_pip_audit(asked) == {pin: [] for pin in asked}
    assert questions == [["attrs==1"], ["numpy==2.3.0", "pyarrow==26.0.0", "pyyaml==6.0.3"], ["numpy==2.4.6"]]
