"""Names that mean harm, as keys and in files: refused, or shown so that nothing runs them."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from ...unit.aws_cloud import object_created
from ..jobs.conftest import Laboratory, table
from .datasets import DATABASE, Row, plain

ESCAPE, CSI, TURN = "\x1b", "\x9b", "\u202e"
NAMES = (
    "=cmd|' /C calc'!A0",
    "+1",
    "-1",
    "@SUM(A1)",
    "\uff1d1+1",
    f"{ESCAPE}[31mred{CSI}2J",
    f"gpj.{TURN}exe",
    "[bold red]x[/]",
    "<script>alert(1)</script>",
    "a\u2028b\u0085c",
)
"""Names of molecules, each of which has another for its id."""

REFUSED = (
    f"datasets/{ESCAPE}[31m.imzML",
    f"datasets/a{CSI}.ibd",
    f"datasets/{TURN}gpj.imzML",
    "datasets/zero\u200bwidth.ibd",
    "datasets/a\u0308\u00e4.imzML",
    "datasets/.imzML",
    "datasets/" + "\u00e4" * 480 + ".imzML",
    "databases/\ufefftable.tsv",
    "elsewhere.imzML",
)
UNSENDABLE = (
    "datasets/two\nlines.imzML",
    "datasets/../../x.imzML",
    "datasets/a/..ibd",
    "databases/..tsv",
    "datasets/./x.ibd",
)
"""Keys that S3 takes, but that do not get through every client or the local S3: their events are written here."""
IGNORED = ("datasets/folder/", "datasets/x.imzML/", "datasets/notes.txt", "databases/deeper/x.tsv", "readme.imzML.txt")
STEM = "[bold]=1+1 %2e%2e+\u00e4"


@pytest.fixture(scope="module")
def laboratory(shared: Laboratory) -> Laboratory:
    rows = [f"{other}\t{name}\tC6H12O6" for name, other in zip(NAMES, reversed(NAMES), strict=True)]
    shared.upload("databases/wild.tsv", "\n".join([DATABASE.decode().strip(), *rows]).encode())
    for key in (*REFUSED, *IGNORED):
        shared.upload(key, b"")
    send_events(shared)
    shared.wait(300)
    for name in ("", "=HYPERLINK(A1)[bold]"):
        row = Row(plain, configuration={"name": name} if name else {}, names=(f"{STEM}.imzML", f"{STEM}.ibd"))
        for file, data in row.files().items():
            shared.upload(f"datasets/{len(name)}/{file}", data)
    shared.wait(300)
    return shared


def send_events(laboratory: Laboratory) -> None:
    sqs, bucket = laboratory.cloud.client("sqs"), laboratory.cloud.outputs["InputBucket"]
    (url,) = [url for url in sqs.list_queues()["QueueUrls"] if "upload" in url.lower() and "dead" not in url.lower()]
    for key in UNSENDABLE:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(object_created(bucket, key)))


@pytest.fixture(scope="module")
def documents(laboratory: Laboratory) -> dict[str, bytes]:
    return laboratory.results("")


def refusals(documents: dict[str, bytes]) -> list[dict[str, Any]]:
    return [json.loads(body) for key, body in documents.items() if key.startswith("inputs/refused/")]


def only_shows(text: str) -> bool:
    return all(line.isprintable() for line in text.split("\n"))


def test_keys_that_lead_elsewhere_or_hide_are_refused_each_under_a_harmless_name(documents: dict[str, bytes]) -> None:
    found = refusals(documents)
    assert {each["name"] for each in found} == {ascii(key) for key in (*REFUSED, *UNSENDABLE)}
    assert {(each["state"], each["error"]) for each in found} == {("rejected", "InvalidInputError")}
    assert all("upload the file under another key" in each["message"] for each in found)


def test_what_is_no_input_is_ignored(documents: dict[str, bytes]) -> None:
    expected = {"refused", "databases", "datasets"}
    assert {key.split("/")[1] for key in documents if key.startswith("inputs/")} == expected
    datasets = {key for key in documents if key.startswith("inputs/datasets/")}
    assert datasets == {f"inputs/datasets/{folder}/{STEM}/status.json" for folder in (0, 20)}


def test_no_document_has_a_character_that_is_not_shown(documents: dict[str, bytes]) -> None:
    texts = {key: body.decode() for key, body in documents.items() if key.endswith((".json", ".csv"))}
    assert len(texts) > 15
    assert [key for key, text in texts.items() if not only_shows(text)] == []


def test_no_cell_is_run_by_a_spreadsheet(documents: dict[str, bytes]) -> None:
    rows = [row for key, body in documents.items() if key.endswith(".csv") for row in cells(body)]
    assert {row["datasetName"] for row in rows} == {STEM, "'=HYPERLINK(A1)[bold]"}
    (names, *_) = [row["moleculeNames"] for row in rows if row["formula"] == "C6H12O6"]
    assert all(name in names for name in ("=cmd|' /C calc'!A0", "[bold red]x[/]", "<script>alert(1)</script>"))
    texts = ("group", "datasetName", "datasetId", "formula", "ion", "moleculeNames", "moleculeIds", "isobarIons")
    assert not [row[name] for row in rows for name in texts if row[name].strip()[:1] in {*"=+-@\uff1d"}]


def cells(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode().split("\n", 2)[2])))


def test_the_typed_tables_keep_every_name_as_it_was(documents: dict[str, bytes]) -> None:
    (data, *_) = [body for key, body in documents.items() if key.endswith("annotations.parquet")]
    found = {name for names in table(data).column("molecule_names").to_pylist() for name in names}
    assert {*NAMES} <= found


@pytest.mark.usefixtures("documents")
def test_no_log_has_a_character_that_is_not_shown(laboratory: Laboratory) -> None:
    logs = [path.read_text() for path in (laboratory.cloud.folder / "logs").rglob("*.log")]
    assert len(logs) > 5
    assert all(map(only_shows, logs))
    assert not [log for log in logs if "Traceback" in log]
