"""What a job cost: what its invocations used, the states it went through, and both in dollars (docs/cost.md).

The same arithmetic prices what was measured and what is estimated. It needs neither numpy nor pyarrow: the function
that ends jobs is small.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ionfleet.prices import US_EAST_1, Prices
from ionfleet.telemetry import StageUse

STATES = {
    "sort": 6,
    "isotopes": 4,
    "partition": 3,
    "annotate": 3,
    "merge": 3,
    "render": 3,
    "publish": 3,
    "report": 1,
}
"""States that an execution enters for a stage besides those that call its function.

What sort and isotopes share is counted once; the question whether a map has tasks belongs to the stage before it.
"""

STATES_BY_CALL = {"sort": 2, "annotate": 2}
"""States for each call of a function that exists in several sizes, of which one is chosen; 1 for the others."""

PASSED_BY = {"merge": "annotate", "publish": "render"}
"""Stages that come after one that may have no tasks: then a state that does nothing stands for it."""

FAILED_TASK_STATES = 2
"""States that write a failed task of a map down and fail its item."""

LOG_BYTES_PER_INVOCATION = 4_000
"""A function's log lines, its metrics, and Lambda's own three lines. Assumed."""

LOG_BYTES_PER_TRANSITION = 5_000
"""Step Functions logs each event of a state with its data, up to five of them. Assumed."""

GB = 2**30
DAYS_PER_MONTH = 30
_IN_RESULTS = {"render", "publish", "report"}
"""Stages that write to the results bucket, which sends no events and keeps what it has."""


@dataclass(frozen=True)
class Dollars:
    """US dollars by what they are paid for."""

    compute: float = 0.0
    requests: float = 0.0
    transitions: float = 0.0
    logs: float = 0.0
    storage: float = 0.0

    @property
    def total(self) -> float:
        """All of it."""
        return math.fsum(asdict(self).values())

    def rounded(self) -> Dollars:
        """Return each part rounded to a millionth."""
        return Dollars(**{name: rounded(value) for name, value in asdict(self).items()})

    def __add__(self, other: Dollars) -> Dollars:
        """Return both together."""
        return Dollars(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})


@dataclass(frozen=True, kw_only=True)
class StageCost(StageUse):
    """What a stage used, the state transitions it took, what all of it cost in US dollars, and what each part did."""

    transitions: int
    usd: float
    parts: Dollars

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class JobCost:
    """What a job cost by stage and by what was paid for, at which prices."""

    stages: dict[str, StageCost]
    dollars: Dollars
    prices: Prices

    @property
    def usd(self) -> float:
        """US dollars in all."""
        return rounded(self.dollars.total)

    def to_dict(self) -> dict[str, object]:
        """Return total, parts and origin of the prices, ready for JSON; the stages stand elsewhere in a summary."""
        return {
            "usd": self.usd,
            "parts": asdict(self.dollars.rounded()),
            "prices": {"region": self.prices.region, "date": self.prices.date},
        }


def count_transitions(
    entered: Collection[str], uses: Mapping[str, StageUse], failed: str | None = None
) -> dict[str, int]:
    """Count the state transitions of each stage that was entered.

    They are the states that belong to it, each call of its function, and a state for a stage passed by; where a task of
    a map `failed`, those that write this down.
    """
    counts = {}
    for stage in entered:
        calls = uses[stage].invocations if stage in uses else 0
        passed_by = stage in PASSED_BY and PASSED_BY[stage] not in entered
        calls *= STATES_BY_CALL.get(stage, 1)
        counts[stage] = STATES[stage] + calls + passed_by + (FAILED_TASK_STATES if stage == failed else 0)
    return counts


def price_stages(
    uses: Mapping[str, StageUse], transitions: Mapping[str, int], retention_days: int, prices: Prices = US_EAST_1
) -> JobCost:
    """Return what stages cost that used so much and took so many state transitions."""
    total = Dollars()
    costs = {}
    for stage in sorted({*uses, *transitions}):
        use, steps = uses.get(stage, StageUse.nothing()), transitions.get(stage, 0)
        paid = _dollars(stage, use, steps, retention_days, prices)
        costs[stage] = StageCost(**asdict(use), transitions=steps, usd=rounded(paid.total), parts=paid.rounded())
        total += paid
    return JobCost(costs, total, prices)


def rounded(usd: float) -> float:
    """Round dollars to a millionth, below which nothing is known."""
    return round(usd, 6)


def in_dollars(usd: float) -> str:
    """Write US dollars for people: two decimals, and more where a small amount would have no two digits."""
    decimals = 1 - math.floor(math.log10(usd)) if 0 < usd < 0.1 else 2
    return f"${usd:,.{decimals}f}"


def _dollars(stage: str, use: StageUse, transitions: int, retention_days: int, prices: Prices) -> Dollars:
    log_bytes = use.invocations * LOG_BYTES_PER_INVOCATION + transitions * LOG_BYTES_PER_TRANSITION
    in_work = stage not in _IN_RESULTS
    write = prices.write_request + (prices.event if in_work else 0)
    months = retention_days / DAYS_PER_MONTH if in_work else 0
    return Dollars(
        compute=use.gb_seconds * prices.gb_second + use.invocations * prices.invocation,
        requests=use.reads * prices.read_request + use.writes * write,
        transitions=transitions * prices.transition,
        logs=log_bytes / GB * prices.log_gb,
        storage=use.bytes_out / GB * months * prices.storage_gb_month,
    )
