"""How far a job is: which of its stages' tasks are done, of those planned so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from ionfleet.brief import PlanBrief
from ionfleet.damage import read_counts
from ionfleet.errors import DamagedObjectError
from ionfleet.store import ObjectStore
from ionfleet.telemetry import Invocation

PLANNED = "plan"
"""The stage of a job whose execution has not begun."""

# Stages in the order of the state machine; those of one line run side by side.
_ORDER = (
    (PLANNED,),
    ("launch",),
    ("sort", "isotopes"),
    ("partition",),
    ("annotate",),
    ("merge",),
    ("render",),
    ("publish",),
)
_RANK = {stage: rank for rank, stages in enumerate(_ORDER) for stage in stages}

_CUTS = {"annotate": ("manifests/{}/partition.json", "tasks"), "render": ("jobs/{}/tables/facts.json", "render_tasks")}
"""The stages that are cut while the job runs: the object that says so, by the execution, and its field."""


class StageProgress(BaseModel):
    """How many tasks of a stage are done, of how many."""

    model_config = ConfigDict(frozen=True)

    done: int
    tasks: int


def rank(stage: str) -> int:
    """Return a stage's place in the order of stages, the same for those that run side by side."""
    return _RANK.get(stage, len(_ORDER))


def first_tasks(plan: PlanBrief) -> dict[str, int]:
    """Return the number of tasks of each stage that the plan knows."""
    return {"sort": plan.sort.tasks, "isotopes": plan.isotopes.tasks, "partition": 1, "merge": 1}


def planned_tasks(work: ObjectStore, plan: PlanBrief) -> dict[str, int]:
    """Return the number of tasks of each stage, in their order; a stage that is not cut yet is not in it.

    Nor is one whose cut is damaged: the stage that needs it names the damage, and the job's end is still told.
    """
    tasks = first_tasks(plan)
    for stage, (key, field) in _CUTS.items():
        written = key.format(plan.execution)
        if work.head(written) is not None:
            with suppress(DamagedObjectError):
                tasks[stage] = read_counts(work, written, field)[field]
    return dict(sorted(tasks.items(), key=lambda item: rank(item[0])))


def progress_on_entering(tasks: Mapping[str, int], stage: str) -> dict[str, StageProgress]:
    """Return the progress of a job that enters a stage: the state machine lets it only once all before is done."""
    return {name: StageProgress(done=count * (rank(name) < rank(stage)), tasks=count) for name, count in tasks.items()}


def progress_within(
    tasks: Mapping[str, int], stage: str | None, invocations: Iterable[Invocation]
) -> dict[str, StageProgress]:
    """Return the progress of a job that ended within a stage, or nobody knows where.

    Tasks that succeeded are counted by what their invocations noted of themselves; of the stages before `stage` all
    have, and of those after it none.
    """
    succeeded: dict[str, set[int]] = {}
    for invocation in invocations:
        if not invocation.failed:
            succeeded.setdefault(invocation.stage, set()).add(invocation.task)
    counted = {name: min(len(succeeded.get(name, ())), count) for name, count in tasks.items()}
    if stage is None:
        return {name: StageProgress(done=counted[name], tasks=count) for name, count in tasks.items()}
    around = progress_on_entering(tasks, stage)
    here = {name: StageProgress(done=counted[name], tasks=tasks[name]) for name in tasks if rank(name) == rank(stage)}
    return around | here
