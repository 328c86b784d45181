"""What a plan will take before any of it runs: tasks, memory, time in the cloud and on this machine, dollars.

The dollars and what they are paid for are `ionfleet.estimate`'s, which refuses a job above its budget by the same
figures. Times are those of an otherwise idle deployment: bench/scale.py simulates what limits large ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ionfleet.costs import JobCost, StageCost
from ionfleet.estimate import (
    LAMBDA,
    LOCAL,
    Deployment,
    Machine,
    PlanFacts,
    drivers,
    estimate,
    expected,
    function_of,
    working_seconds,
)
from ionfleet.progress import rank
from ionfleet.telemetry import init_ms

CONCURRENT = ("sort", "isotopes")
"""Stages that run at the same time, where there are functions enough."""


@dataclass(frozen=True)
class StageForecast:
    """What one stage will take.

    Attributes
    ----------
    tasks, memory_mb
        Calls of its function, and the memory of that.
    cloud_seconds, local_seconds
        From its beginning to its end.
    cost
        What it uses, in all but `peak_mb`, the most memory (MB) of one task; and what that costs in the cloud.

    """

    tasks: int
    memory_mb: int
    cloud_seconds: float
    local_seconds: float
    cost: StageCost

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, ready for JSON; what is in the account of a job has its name from there."""
        times = {"cloud_seconds": round(self.cloud_seconds, 1), "local_seconds": round(self.local_seconds, 1)}
        return {"tasks": self.tasks, "memory_mb": self.memory_mb, **times, **self.cost.to_dict()}


@dataclass(frozen=True)
class Forecast:
    """What a job will take, by stage in their order and in all."""

    stages: dict[str, StageForecast]
    cost: JobCost

    @property
    def cloud_seconds(self) -> float:
        """From the upload's event to the published results."""
        together = max(self.stages[stage].cloud_seconds for stage in CONCURRENT)
        return together + sum(each.cloud_seconds for stage, each in self.stages.items() if stage not in CONCURRENT)

    @property
    def local_seconds(self) -> float:
        """The same on this machine, whose processors all stages share."""
        return sum(each.local_seconds for each in self.stages.values())

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        return {
            "cloud_seconds": round(self.cloud_seconds, 1),
            "local_seconds": round(self.local_seconds, 1),
            "cost": self.cost.to_dict(),
            "stages": {stage: each.to_dict() for stage, each in self.stages.items()},
        }


def forecast(facts: PlanFacts, deployment: Deployment, workers: int) -> Forecast:
    """Return what a job will take on a deployment, and on this machine with so many functions at one time."""
    cost, counts = estimate(facts, deployment), drivers(facts)
    stages = {}
    for stage in sorted(cost.stages, key=lambda stage: (rank(stage), stage)):
        name = function_of(stage)
        memory_mb, tasks = deployment.memory_mb[name], cost.stages[stage].invocations
        used = expected(stage, counts[stage]) if tasks else {}
        width = deployment.concurrency.get(name, max(1, tasks))
        cloud = stage_seconds(stage, tasks, used, memory_mb, width, LAMBDA)
        local = stage_seconds(stage, tasks, used, memory_mb, workers, LOCAL)
        stages[stage] = StageForecast(tasks, memory_mb, cloud, local, cost.stages[stage])
    return Forecast(stages, cost)


def stage_seconds(
    stage: str, tasks: int, used: Mapping[str, float], memory_mb: int, width: int, machine: Machine
) -> float:
    """Return how long a stage takes.

    Parameters
    ----------
    stage, tasks
        Which, and how many tasks it has, all alike; none take no time.
    used
        How much of the quantities of `COEFFICIENTS` they use together.
    memory_mb, width
        Memory of its function, and how many of it run at one time.
    machine
        Where they run.

    """
    if not tasks:
        return 0.0
    starting = init_ms(stage) / 1000 if machine.cold else 0.0
    each = working_seconds(used, memory_mb, machine) / tasks
    return machine.stage_seconds + starting + math.ceil(tasks / width) * each
