"""What each invocation of a function cost, told by the name of an empty object.

A listing of `telemetry/<execution>/` is then the whole account of a job: thousands of invocations are read a thousand
a request, and none of them has to be fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ionfleet.store import ObjectStore

_NUMBERS = {
    "task": "t",
    "billed_ms": "ms",
    "memory_mb": "mb",
    "peak_mb": "rss",
    "bytes_in": "in",
    "bytes_out": "out",
    "reads": "rd",
    "writes": "wr",
    "cpu_ms": "cpu",
}

INIT_MS = 2_000
"""Billed time (ms) that a cold start takes before the handler is called: 0.7 s of CPU where everything is cached, and
assumed to be three times that on Lambda, which reads the layers from a cold disk."""

SMALL_INIT_MS = 1_000
"""The same for the functions that need neither numpy nor pyarrow."""

_SHARED = ("billed_ms", "bytes_in", "bytes_out", "reads", "writes", "cpu_ms")
_SMALL = frozenset({"launch", "publish", "report"})
_NAME = re.compile(
    r"telemetry/[^/]+/(?P<stage>[a-z]+)/"
    + "_".join(rf"{short}(?P<{name}>[0-9]+)" for name, short in _NUMBERS.items())
    + r"_(?P<start>cold|warm)(?P<failed>_failed)?_(?P<request_id>[A-Za-z0-9-]+)"
)


@dataclass(frozen=True)
class Invocation:
    """One invocation: what it used.

    Attributes
    ----------
    stage, task
        What it worked on; stages that are no map have task 0.
    billed_ms
        Time within the handler; a cold start's comes on top.
    memory_mb, peak_mb
        Memory it had, and at most used.
    bytes_in, bytes_out
        Read from and written to S3.
    reads, writes
        Requests to S3 at the lower (GET, HEAD) and at the higher price (PUT, POST, LIST).
    cold
        Whether it was the first of its process.
    request_id
        Lambda's.
    failed
        Whether it ended with an error.
    cpu_ms
        Of all its threads, within the handler.

    """

    stage: str
    task: int
    billed_ms: int
    memory_mb: int
    peak_mb: int
    bytes_in: int
    bytes_out: int
    reads: int
    writes: int
    cold: bool
    request_id: str
    failed: bool = False
    cpu_ms: int = 0

    def shared(self, jobs: int) -> Invocation:
        """Return one job's share, rounded up, of an invocation that worked for several."""
        shares = {name: -(-getattr(self, name) // jobs) for name in _SHARED}
        return replace(self, **shares)


@dataclass(frozen=True)
class StageUse:
    """What the invocations of one stage used: the sum over all of them, `peak_mb` the largest.

    `billed_seconds` and `gb_seconds` include the start of cold ones, `cpu_seconds` does not.
    """

    invocations: int
    cold_starts: int
    billed_seconds: float
    gb_seconds: float
    peak_mb: int
    bytes_in: int
    bytes_out: int
    reads: int
    writes: int
    cpu_seconds: float = 0.0

    @classmethod
    def nothing(cls) -> StageUse:
        """Return the use of a stage without invocations."""
        return cls(0, 0, 0.0, 0.0, 0, 0, 0, 0, 0)


def telemetry_key(execution: str, invocation: Invocation) -> str:
    """Return the key of the object that tells an invocation."""
    numbers = "_".join(f"{short}{getattr(invocation, name)}" for name, short in _NUMBERS.items())
    start = "cold" if invocation.cold else "warm"
    failed = "_failed" if invocation.failed else ""
    return f"telemetry/{execution}/{invocation.stage}/{numbers}_{start}{failed}_{invocation.request_id}"


def parse_key(key: str) -> Invocation | None:
    """Return the invocation that a key tells, None for a key that tells none."""
    match = _NAME.fullmatch(key)
    if match is None:
        return None
    numbers = {name: int(match[name]) for name in _NUMBERS}
    return Invocation(
        stage=match["stage"],
        cold=match["start"] == "cold",
        request_id=match["request_id"],
        failed=match["failed"] is not None,
        **numbers,
    )


def record(work: ObjectStore, execution: str, invocation: Invocation) -> None:
    """Note an invocation; its request id makes the name unique."""
    work.create(telemetry_key(execution, invocation), b"")


def read_invocations(work: ObjectStore, execution: str) -> list[Invocation]:
    """Return the invocations of an execution that were noted; one that was killed could not note itself.

    Names of any other shape are passed by: no job should fail over its accounts.
    """
    found = (parse_key(info.key) for info in work.list(f"telemetry/{execution}/"))
    return [invocation for invocation in found if invocation is not None]


def summarize(invocations: Iterable[Invocation]) -> dict[str, StageUse]:
    """Add the invocations up by stage, stages in alphabetical order."""
    by_stage: dict[str, list[Invocation]] = {}
    for invocation in invocations:
        by_stage.setdefault(invocation.stage, []).append(invocation)
    return {stage: _use(by_stage[stage]) for stage in sorted(by_stage)}


def init_ms(stage: str) -> int:
    """Return the billed time (ms) that a cold start of a stage's function takes before its handler is called."""
    return SMALL_INIT_MS if stage in _SMALL else INIT_MS


def _use(invocations: list[Invocation]) -> StageUse:
    billed = [each.billed_ms + (init_ms(each.stage) if each.cold else 0) for each in invocations]
    mb_milliseconds = sum(ms * each.memory_mb for ms, each in zip(billed, invocations, strict=True))
    return StageUse(
        invocations=len(invocations),
        cold_starts=sum(each.cold for each in invocations),
        billed_seconds=sum(billed) / 1000,
        gb_seconds=mb_milliseconds / 1024 / 1000,
        peak_mb=max(each.peak_mb for each in invocations),
        bytes_in=sum(each.bytes_in for each in invocations),
        bytes_out=sum(each.bytes_out for each in invocations),
        reads=sum(each.reads for each in invocations),
        writes=sum(each.writes for each in invocations),
        cpu_seconds=sum(each.cpu_ms for each in invocations) / 1000,
    )
