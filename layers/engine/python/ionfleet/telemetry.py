"""What each invocation of a function cost, told by the name of an empty object.

A listing of `telemetry/<execution>/` is then the whole account of a job: thousands of invocations are read a thousand
a request, and none of them has to be fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from ionfleet.store import ObjectStore

_NUMBERS = {
    "task": "t",
    "billed_ms": "ms",
    "memory_mb": "mb",
    "peak_mb": "rss",
    "bytes_in": "in",
    "bytes_out": "out",
    "requests": "rq",
}
_NAME = re.compile(
    r"telemetry/[^/]+/(?P<stage>[a-z]+)/"
    + "_".join(rf"{short}(?P<{name}>[0-9]+)" for name, short in _NUMBERS.items())
    + r"_(?P<start>cold|warm)(?P<failed>_failed)?_(?P<request_id>[A-Za-z0-9-]+)"
)


@dataclass(frozen=True)
class Invocation:
    """One invocation: time in ms, memory it had and at most used in MB, bytes and requests from and to S3."""

    stage: str
    task: int
    billed_ms: int
    memory_mb: int
    peak_mb: int
    bytes_in: int
    bytes_out: int
    requests: int
    cold: bool
    request_id: str
    failed: bool = False


@dataclass(frozen=True)
class StageCost:
    """What the invocations of one stage cost: the sum over all of them, `peak_mb` the largest."""

    invocations: int
    cold_starts: int
    billed_seconds: float
    gb_seconds: float
    peak_mb: int
    bytes_in: int
    bytes_out: int
    requests: int

    def to_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


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


def summarize(invocations: Iterable[Invocation]) -> dict[str, StageCost]:
    """Add the invocations up by stage, stages in alphabetical order."""
    by_stage: dict[str, list[Invocation]] = {}
    for invocation in invocations:
        by_stage.setdefault(invocation.stage, []).append(invocation)
    return {stage: _cost(by_stage[stage]) for stage in sorted(by_stage)}


def _cost(invocations: list[Invocation]) -> StageCost:
    milliseconds = sum(each.billed_ms for each in invocations)
    mb_milliseconds = sum(each.billed_ms * each.memory_mb for each in invocations)
    return StageCost(
        invocations=len(invocations),
        cold_starts=sum(each.cold for each in invocations),
        billed_seconds=milliseconds / 1000,
        gb_seconds=mb_milliseconds / 1024 / 1000,
        peak_mb=max(each.peak_mb for each in invocations),
        bytes_in=sum(each.bytes_in for each in invocations),
        bytes_out=sum(each.bytes_out for each in invocations),
        requests=sum(each.requests for each in invocations),
    )
