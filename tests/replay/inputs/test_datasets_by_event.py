"""Every kind of dataset dropped into the input bucket: annotated as it should be, or refused with the reason."""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa
import pytest

from ..jobs.conftest import Laboratory, table
from .datasets import ACCEPTED, CONFIGURED, DATABASE, REJECTED, Row, plain

ROWS = {"plain": Row(plain), **ACCEPTED, **REJECTED, **CONFIGURED}


def folder(name: str) -> str:
    return f"datasets/{list(ROWS).index(name)}"


class Intake:
    """What became of all the rows."""

    def __init__(self, laboratory: Laboratory) -> None:
        self.results = laboratory.results("")

    def document(self, key: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.results[key])
        return document

    def upload(self, name: str) -> dict[str, Any]:
        (key,) = [key for key in self.results if key.startswith(f"inputs/{folder(name)}/")]
        return self.document(key)

    def prefix(self, name: str) -> str:
        upload = self.upload(name)
        assert upload["state"] == "planned", upload.get("message")
        return f"results/{upload['dataset']}/{upload['job']}/"

    def metrics(self, name: str) -> pa.Table:
        return table(self.results[f"{self.prefix(name)}metrics.parquet"])


@pytest.fixture(scope="module")
def intake(shared: Laboratory) -> Intake:
    shared.upload("databases/wild.tsv", DATABASE)
    shared.wait()
    for name, row in ROWS.items():
        for file, data in row.files().items():
            shared.upload(f"{folder(name)}/{file}", data)
    shared.wait(300)
    return Intake(shared)


@pytest.mark.parametrize("name", ["plain", *ACCEPTED])
def test_what_is_legal_is_annotated_as_the_plain_dataset_is(intake: Intake, name: str) -> None:
    status = intake.document(f"{intake.prefix(name)}status.json")
    assert status["state"] == "SUCCEEDED", status.get("message")
    metrics = intake.metrics(name)
    assert metrics.num_rows >= 3
    assert metrics.equals(intake.metrics("plain"))


@pytest.mark.parametrize("name", [name for name, row in ACCEPTED.items() if row.says])
def test_what_should_be_known_is_a_warning_in_the_summary(intake: Intake, name: str) -> None:
    warnings = intake.document(f"{intake.prefix(name)}summary.json")["warnings"]
    assert [each for each in warnings if re.search(ACCEPTED[name].says, each["message"])]


@pytest.mark.parametrize("name", [name for name, row in (REJECTED | CONFIGURED).items() if row.stage != "sort"])
def test_what_cannot_be_annotated_is_rejected_with_the_reason(intake: Intake, name: str) -> None:
    upload, row = intake.upload(name), ROWS[name]
    assert (upload["state"], upload["error"]) == ("rejected", row.error)
    assert re.search(row.says, upload["message"], re.DOTALL), upload["message"]
    assert len(upload["message"]) < 4500
    assert "Traceback" not in upload["message"]
    assert not {"job", "execution"} & upload.keys()


@pytest.mark.parametrize("name", [name for name, row in REJECTED.items() if row.stage == "sort"])
def test_what_only_reading_the_arrays_shows_fails_the_job_and_publishes_nothing(intake: Intake, name: str) -> None:
    prefix, row = intake.prefix(name), ROWS[name]
    status = intake.document(f"{prefix}status.json")
    assert (status["state"], status["stage"], status["error"]) == ("FAILED", row.stage, row.error)
    assert re.search(row.says, status["message"])
    assert [key for key in intake.results if key.startswith(prefix)] == [f"{prefix}status.json"]
