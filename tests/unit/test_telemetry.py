"""Invocations told by the names of objects."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionfleet.store import MemoryStore
from ionfleet.telemetry import (
    INIT_MS,
    SMALL_INIT_MS,
    Invocation,
    StageUse,
    parse_key,
    read_invocations,
    record,
    summarize,
    telemetry_key,
)

COUNT = st.integers(0, 2**53)
INVOCATION = Invocation("sort", 3, 1500, 2048, 300, 10_000, 2_000, 7, 3, cold=True, request_id="abc-1")


INVOCATIONS = st.builds(
    Invocation,
    stage=st.from_regex("[a-z]+", fullmatch=True),
    task=COUNT,
    billed_ms=COUNT,
    memory_mb=COUNT,
    peak_mb=COUNT,
    bytes_in=COUNT,
    bytes_out=COUNT,
    reads=COUNT,
    writes=COUNT,
    cold=st.booleans(),
    request_id=st.uuids().map(str),
    failed=st.booleans(),
    cpu_ms=COUNT,
)


@given(INVOCATIONS)
def test_a_name_tells_an_invocation_whole(invocation: Invocation) -> None:
    key = telemetry_key("job-0123456789abcdef0123-2", invocation)
    assert parse_key(key) == invocation
    assert key.startswith(f"telemetry/job-0123456789abcdef0123-2/{invocation.stage}/")


@pytest.mark.parametrize("key", ["telemetry/x/sort/", "telemetry/x/sort/readme.txt", "telemetry/x/sort/t1_ms2"])
def test_other_names_tell_none(key: str) -> None:
    assert parse_key(key) is None


def test_the_invocations_of_an_execution_are_read_from_a_listing() -> None:
    work = MemoryStore()
    other = replace(INVOCATION, request_id="abc-2")
    for invocation in (INVOCATION, other, INVOCATION):
        record(work, "job-a", invocation)
    record(work, "job-a-2", INVOCATION)
    work.create("telemetry/job-a/sort/left-by-somebody.txt", b"")
    assert read_invocations(work, "job-a") == [INVOCATION, other]
    assert all(not work.objects[key] for key in work.objects)


def test_use_is_added_up_by_stage() -> None:
    warm = replace(INVOCATION, billed_ms=500, peak_mb=400, cold=False, request_id="abc-2")
    uses = summarize([INVOCATION, replace(INVOCATION, stage="merge"), warm])
    assert list(uses) == ["merge", "sort"]
    assert uses["sort"] == StageUse(
        invocations=2,
        cold_starts=1,
        billed_seconds=2.0 + INIT_MS / 1000,
        gb_seconds=2 * (2.0 + INIT_MS / 1000),
        peak_mb=400,
        bytes_in=20_000,
        bytes_out=4_000,
        reads=14,
        writes=6,
    )


def test_the_start_of_a_small_function_is_shorter() -> None:
    (use,) = summarize([replace(INVOCATION, stage="launch")]).values()
    assert use.billed_seconds == 1.5 + SMALL_INIT_MS / 1000
    (warm,) = summarize([replace(INVOCATION, stage="launch", cold=False)]).values()
    assert warm.billed_seconds == 1.5


@given(INVOCATIONS, st.integers(1, 50))
def test_the_shares_of_several_jobs_cover_an_invocation_and_hardly_more(invocation: Invocation, jobs: int) -> None:
    share = invocation.shared(jobs)
    for name in ("billed_ms", "bytes_in", "bytes_out", "reads", "writes"):
        whole = getattr(invocation, name)
        assert whole <= getattr(share, name) * jobs < whole + jobs
    assert (share.memory_mb, share.cold, share.task) == (invocation.memory_mb, invocation.cold, invocation.task)


def test_nothing_uses_nothing() -> None:
    assert summarize([]) == {}
