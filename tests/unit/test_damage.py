"""Objects of the work bucket that are not what was written there."""

from __future__ import annotations

import json

import pytest

from ionfleet.damage import read_counts, read_intact
from ionfleet.errors import DamagedObjectError, TransientError
from ionfleet.runs import RunIndex
from ionfleet.store import MemoryStore


def store(data: bytes) -> MemoryStore:
    work = MemoryStore()
    work.create("a/b.json", data)
    return work


@pytest.mark.parametrize("data", [b"", b"\xff", b"{", b"[" * 100_000])
def test_what_cannot_be_parsed_is_damaged_and_named(data: bytes) -> None:
    with pytest.raises(DamagedObjectError, match=r"a/b\.json in the work bucket .* Remove it"):
        read_intact(store(data), "a/b.json", json.loads)


def test_the_reason_is_short_and_harmless() -> None:
    def parse(_: bytes) -> None:
        raise ValueError("\x1b[31m" * 1000)

    with pytest.raises(DamagedObjectError) as caught:
        read_intact(store(b""), "a/b.json", parse)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_an_object_that_is_not_there_is_not_damaged() -> None:
    with pytest.raises(TransientError):
        read_intact(MemoryStore(), "a/b.json", json.loads)


@pytest.mark.parametrize("text", ["{}", '{"tasks": -1}', '{"tasks": true}', '{"tasks": 1.5}', "[1]"])
def test_counts_that_are_none_are_damaged(text: str) -> None:
    with pytest.raises(DamagedObjectError):
        read_counts(store(text.encode()), "a/b.json", "tasks")
    assert read_counts(store(b'{"tasks": 3, "x": 1}'), "a/b.json", "tasks") == {"tasks": 3}


@pytest.mark.parametrize(
    "head",
    [
        {"peaks": 1, "dropped": 0, "last_mz": 5.0, "blocks": 0},
        {"peaks": 9000, "dropped": 0, "last_mz": 5.0, "blocks": 1},
        {"peaks": 1, "dropped": 0, "last_mz": -5.0, "blocks": 1},
        {"peaks": -1, "dropped": 0, "last_mz": 5.0, "blocks": 1},
        {"peaks": 1, "dropped": 0, "blocks": 1},
    ],
)
def test_an_index_that_leads_elsewhere_than_into_its_run_is_damaged(head: dict[str, float]) -> None:
    work = store(json.dumps(head).encode() + b"\n" + bytes(8))
    with pytest.raises(DamagedObjectError):
        read_intact(work, "a/b.json", RunIndex.from_bytes)
