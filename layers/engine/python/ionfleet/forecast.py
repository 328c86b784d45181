"""What a plan will take before any of it runs: tasks, memory, time in the cloud and on this machine, dollars.

The dollars and what they are paid for are `ionfleet.estimate`'s, which refuses a job above its budget by the same
figures. Times are those of an otherwise idle deployment: bench/scale.py simulates what limits large ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
    work_of,
)
from ionfleet.progress import rank
from ionfleet.telemetry import init_ms

SECOND_USD = 1e-3
"""What a second of waiting is worth (US dollars) where quicker cuts would be dearer: 3.60 an hour."""

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
    def weight(self) -> float:
        """What is to be small: the dollars, and what waiting for the job is worth."""
        return self.cost.dollars.total + SECOND_USD * self.cloud_seconds

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


def cheapest(
    deployment: Deployment, cut_for: Callable[[Deployment], PlanFacts], workers: int = 1
) -> tuple[Deployment, Forecast]:
    """Weigh all sizes of the sort and the annotate function.

    Parameters
    ----------
    deployment
        With all sizes that there are.
    cut_for
        Cuts the job for the sizes that stand in the place of the functions' own.
    workers
        Functions at one time on this machine.

    Returns
    -------
    tuple
        The deployment with the sizes of the least weight, and with no more annotate functions at one time than S3 can
        answer; and what the job will take there; among equals the smaller.

    """
    made = []
    for choice in [choice for sorting in deployment.choices("sort") for choice in sorting.choices("annotate")]:
        facts = cut_for(choice)
        answered = _answered(choice, facts, "annotate")
        made.append((answered, forecast(facts, answered, workers)))
    return min(made, key=lambda each: each[1].weight)


def _answered(deployment: Deployment, facts: PlanFacts, stage: str) -> Deployment:
    """Return a deployment with no more functions for a stage than S3 can answer: others would be paid for waiting."""
    counts = drivers(facts)[stage]
    used, tasks = expected(stage, counts), int(counts["tasks"])
    seconds = work_of(stage, tasks, used, deployment.memory_mb[stage], LAMBDA).seconds
    most = max(1, math.ceil(LAMBDA.reads_per_second(stage) * seconds / used["reads"]))
    width = min(most, deployment.concurrency.get(stage, most))
    if width >= tasks:
        return deployment
    return deployment.model_copy(update={"concurrency": {**deployment.concurrency, stage: width}})


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
    each = work_of(stage, tasks, used, memory_mb, machine).seconds / tasks
    answering = used["reads"] / machine.reads_per_second(stage)
    return machine.stage_seconds + starting + max(math.ceil(tasks / width) * each, answering)
