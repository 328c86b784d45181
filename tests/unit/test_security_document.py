"""SECURITY.md: what it points at is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text()
FILES = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}


def test_every_test_that_a_claim_rests_on_is_there() -> None:
    named = re.findall(r"`(?:(test_\w+\.py))?(?:::(test_\w+))?`", TEXT)
    file, missing = "", []
    for name, test in named:
        file = name or file
        if file and f"def {test}" not in FILES.get(file, ""):
            missing.append(f"{file}::{test}")
    assert len(named) > 25
    assert missing == []


def test_every_function_is_in_the_table_of_who_may_write_where() -> None:
    rows = TEXT.split("| who |")[1].split("\n\n")[0]
    for function in (path.name for path in (ROOT / "functions").iterdir() if (path / "handler.py").is_file()):
        assert re.search(rf"^\| [^|]*\b{function}\b", rows, re.MULTILINE), function
