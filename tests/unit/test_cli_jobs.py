"""`ionfleet jobs`, and how a job is found."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel
from rich.console import Console

from ionfleet_cli.failures import UsageError
from ionfleet_cli.jobs import find_job, list_jobs

STATES = ("SUCCEEDED", "FAILED", "ABORTED", "RUNNING")
REASON = "x.run is cut off. " * 10


def job(number: int, name: str) -> dict[str, Any]:
    id_ = f"job-{number:020x}"
    failed = {"error": "DamagedObjectError", "message": REASON} if STATES[number % 4] == "FAILED" else {}
    return {
        "state": STATES[number % 4], "job": id_, "dataset": f"ds-{number:020x}", "name": name, "attempt": 2,
        "execution": f"{id_}-2", "results": f"results/ds-{number:020x}/{id_}/", "stage": "annotate",
        "claimed_at": f"2026-05-04T12:00:{number:02d}.000Z", "cost_usd": 0.5, **failed,
    }  # fmt: skip


class Results:
    """A results bucket with some jobs and rejected uploads."""

    def __init__(self, *jobs: dict[str, Any], rejected: int = 0) -> None:
        self.documents = {f"{each['results']}status.json": each for each in jobs}
        for number in range(rejected):
            upload = {"state": "rejected", "name": f"bad{number}", "at": "2026-05-05", "error": "InvalidDatasetError"}
            self.documents[f"inputs/datasets/bad{number}/status.json"] = upload | {"message": "It is none."}

    def folders(self, prefix: str) -> Iterator[str]:
        below = {key[len(prefix) :].partition("/")[0] for key in self.documents if key.startswith(prefix)}
        return (f"{prefix}{name}/" for name in sorted(below))

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key in self.documents if key.startswith(prefix))

    def read(self, key: str, model: type[BaseModel]) -> BaseModel:
        return model.model_validate(self.documents[key])


def listed(results: Results, limit: int = 20, width: int = 80) -> list[str]:
    out = io.StringIO()
    list_jobs(results, limit, Console(file=out, width=width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_ids_and_reasons_are_whole_however_narrow_the_terminal(width: int) -> None:
    lines = listed(Results(*(job(number, "Mouse brain, section 7") for number in range(8)), rejected=1), width=width)
    text = "\n".join(lines)
    for number in range(8):
        (row,) = [line for line in lines if line.startswith(f"  job-{number:020x}-2 ")]
        assert row.split()[-1] == "$0.50"
        assert STATES[number % 4] in row
    assert text.count(f"DamagedObjectError: {REASON.strip()}") == 2
    assert "bad0: InvalidDatasetError: It is none." in lines


def test_the_latest_come_first_and_the_rest_is_counted() -> None:
    lines = listed(Results(*(job(number, "brain") for number in range(12))), limit=5)
    shown = [line.split()[0] for line in lines if line.startswith("  job-")]
    assert shown == [f"job-{number:020x}-2" for number in (11, 10, 9, 8, 7)]
    assert lines[-1] == "7 earlier ones are not shown; --limit 12 shows all."


def test_a_job_is_found_by_its_beginning_an_execution_or_the_only_one_of_a_name() -> None:
    results = Results(job(0xA << 76, "brain"), job(0xB << 76, "liver"), job((0xB << 76) + 1, "liver"))
    for text in ("job-a000", "a0000", f"job-a{'0' * 19}-2", "brain"):
        assert find_job(results, text).name == "brain"
    for text in ("b0000", "liver"):
        with pytest.raises(UsageError, match=rf"'{text}' may be any of 2 jobs: job-b.* give the id of one"):
            find_job(results, text)
    with pytest.raises(UsageError, match="There is no job 'kidney'"):
        find_job(results, "kidney")
