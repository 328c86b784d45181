"""Every kind of database, by `validate-database` and dropped into the input bucket."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ionfleet.databases import Database
from ionfleet_cli.main import application

from ..jobs.conftest import Laboratory
from .databases import BAD, GOOD

FILES = GOOD | BAD


@pytest.fixture(scope="module")
def statuses(shared: Laboratory) -> dict[str, dict[str, Any]]:
    """What became of each file in the cloud."""
    names = {name: f"{number}" for number, name in enumerate(FILES)}
    for name, file in FILES.items():
        shared.upload(f"databases/{names[name]}{file.extension}", file.data)
    shared.wait(300)
    found = shared.results("status.json")
    return {name: json.loads(found[f"inputs/databases/{names[name]}/status.json"]) for name in FILES}


@pytest.fixture(scope="module")
def tables(shared: Laboratory, statuses: dict[str, dict[str, Any]]) -> dict[str, bytes]:
    """Every imported table, by its key."""
    assert statuses
    return shared.objects("WorkBucket", ".parquet")


@pytest.mark.parametrize("name", GOOD)
def test_a_good_database_is_imported(name: str, statuses: dict[str, dict[str, Any]], tables: dict[str, bytes]) -> None:
    status = statuses[name]
    assert status["state"] == "imported", status.get("message")
    assert tuple(Database.from_parquet(tables[status["key"]]).formulas) == GOOD[name].formulas
    assert re.search(GOOD[name].says, json.dumps(status["findings"]))


@pytest.mark.parametrize("name", BAD)
def test_a_bad_database_is_rejected_with_its_rows(name: str, statuses: dict[str, dict[str, Any]]) -> None:
    status = statuses[name]
    assert (status["state"], status["error"]) == ("rejected", "InvalidDatabaseError")
    assert re.search(BAD[name].says, status["message"]), status["message"]
    assert len(status["message"]) < 4500
    assert not {"key", "digest"} & status.keys()


@pytest.mark.parametrize("name", FILES)
def test_the_command_says_the_same(name: str, tmp_path: Path) -> None:
    file = FILES[name]
    path = tmp_path / f"table{file.extension}"
    path.write_bytes(file.data)
    done = CliRunner().invoke(application, ["validate-database", str(path), "--json"])
    report = json.loads(done.stdout)
    assert (done.exit_code, report["good"]) == ((0, True) if file.formulas else (3, False))
    assert re.search(file.says, "\n".join(f"{each['where']}: {each['message']}" for each in report["findings"]))
