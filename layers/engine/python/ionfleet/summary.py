"""The summary of a job that succeeded: what was found in what, with what, and at which cost (`summary.json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ionfleet.brief import PlanBrief
from ionfleet.costs import STATES, JobCost, StageCost, count_transitions, price_stages
from ionfleet.jobs import STATE_MACHINE, End
from ionfleet.progress import rank
from ionfleet.telemetry import StageUse
from ionfleet.text import escaped_json


def build_summary(plan: PlanBrief, facts: Mapping[str, Any], end: End, cost: JobCost) -> dict[str, Any]:
    """Return the summary, ready to be written as JSON.

    Parameters
    ----------
    plan
        The job's plan.
    facts
        What merge found (`facts.json`): counts of peaks, ions, annotations and images, and ions that cannot exist.
    end
        How the attempt ended, with the times at which its stages were entered.
    cost
        What the job cost.

    """
    return {
        "job": plan.job,
        "execution": plan.execution,
        "attempt": plan.attempt,
        "dataset": plan.dataset.model_dump() | {"peaks": facts.get("peaks")},
        "metadata": plan.configuration.get("metadata", {}),
        "configuration": plan.configuration,
        "databases": list(plan.databases),
        "ions": facts.get("ions"),
        "invalid_ions": facts.get("invalid"),
        "annotations": facts.get("annotations"),
        "images": facts.get("images"),
        "colocalized": facts.get("colocalized"),
        "claimed_at": plan.claimed_at,
        "ended_at": end.at,
        "seconds": seconds_between(plan.claimed_at, end.at),
        "cost": {**cost.to_dict(), "estimated_usd": plan.estimate.usd},
        "stages": stage_accounts(end, cost.stages),
        "warnings": list(plan.findings),
        "versions": plan.versions,
    }


def job_cost(uses: Mapping[str, StageUse], end: End, retention_days: int) -> JobCost:
    """Return what a job cost that ended, by what its stages used and the states its execution entered.

    An execution that was stopped does not say which: those of stages whose functions were called are counted then.
    """
    entered = ({*end.stages} | uses.keys()) & STATES.keys() - {"report"}
    if end.by == STATE_MACHINE and end.state != "SUCCEEDED":
        entered.add("report")
    failed = end.failure.stage if end.failure is not None and end.failure.task is not None else None
    return price_stages(uses, count_transitions(entered, uses, failed), retention_days)


def stage_accounts(end: End, costs: Mapping[str, StageCost]) -> dict[str, dict[str, Any]]:
    """Return for each stage, in their order, when it was entered, how long it took (s), and what it cost.

    A stage lasts until it is over, as far as that is known, else until one of a later rank is entered, the last one
    until the job ended.
    """
    stages = sorted({*end.stages, *costs}, key=lambda stage: (rank(stage), stage))
    return {stage: _times(stage, end) | (costs[stage].to_dict() if stage in costs else {}) for stage in stages}


def seconds_between(start: str, stop: str) -> float:
    """Return how many seconds lie between two times in ISO 8601."""
    return round((datetime.fromisoformat(stop) - datetime.fromisoformat(start)).total_seconds(), 3)


def to_json(summary: Mapping[str, Any]) -> bytes:
    """Write a summary as JSON for people."""
    return escaped_json(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)).encode()


def _times(stage: str, end: End) -> dict[str, Any]:
    entered = end.stages.get(stage)
    if entered is None:
        return {}
    later = [time for other, time in end.stages.items() if rank(other) > rank(stage)]
    over = end.over.get(stage, min(later, default=end.at))
    return {"entered_at": entered, "seconds": seconds_between(entered, over)}
