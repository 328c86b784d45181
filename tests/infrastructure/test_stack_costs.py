"""The state machine takes as many transitions as jobs are charged for."""

from __future__ import annotations

from typing import Any

import pytest

from ionfleet.costs import FAILED_TASK_STATES, STATES, count_transitions
from ionfleet.telemetry import StageUse

CALLED_ONCE = ("partition", "merge", "publish")


def walk(machine: dict[str, Any], tasks: dict[str, int]) -> int:
    """Count the states that a success enters with so many tasks of each map, those of the maps' items included."""
    count, name = 0, machine["StartAt"]
    while name is not None:
        state = machine["States"][name]
        count += 1
        following = state.get("Next")
        if state["Type"] == "Choice":
            choice = state["Choices"][0]
            subject = choice["Variable"].split(".")[1]
            # Whichever size is chosen, it is one call.
            taken = subject in ("execution", "memory_mb") or tasks[subject] > 0
            following = choice["Next"] if taken else state["Default"]
        for branch in state.get("Branches", []):
            count += walk(branch, tasks)
        if state["Type"] == "Map":
            count += tasks[state["Label"].lower()] * walk(state["ItemProcessor"], tasks)
        name = following
    return count


def catch_path(machine: dict[str, Any], name: str) -> list[str]:
    """Return the states that come after one that fails, up to the end."""
    path = []
    state = machine["States"][name]
    following = state["Catch"][0]["Next"]
    while following is not None:
        path.append(following)
        following = machine["States"][following].get("Next")
    return path


def charged(entered: set[str], calls: dict[str, int]) -> int:
    uses = {stage: StageUse(number, 0, 0.0, 0.0, 0, 0, 0, 0, 0) for stage, number in calls.items()}
    return sum(count_transitions(entered, uses).values())


@pytest.mark.parametrize(
    "tasks",
    [
        {"sort": 3, "isotopes": 12, "annotate": 5, "render": 7},
        {"sort": 0, "isotopes": 0, "annotate": 1, "render": 0},
        {"sort": 1, "isotopes": 1, "annotate": 1, "render": 0},
    ],
    ids=["all", "nothing to sort, compute or render", "nothing to render"],
)
def test_a_success_takes_the_transitions_it_is_charged_for(definition: dict[str, Any], tasks: dict[str, int]) -> None:
    entered = STATES.keys() - {"report"} - ({"render"} if not tasks["render"] else set())
    assert charged(entered, tasks | dict.fromkeys(CALLED_ONCE, 1)) == walk(definition, tasks)


@pytest.mark.parametrize("stage", ["Sort", "Isotopes", "Annotate", "Render"])
def test_a_failed_task_takes_the_transitions_it_is_charged_for(definition: dict[str, Any], stage: str) -> None:
    machines = [definition, *definition["States"]["Sort and isotopes"]["Branches"]]
    (item,) = [machine["States"][stage]["ItemProcessor"] for machine in machines if stage in machine["States"]]
    for name, state in item["States"].items():
        if state.get("Resource", "").endswith("lambda:invoke"):
            assert len(catch_path(item, name)) == FAILED_TASK_STATES


@pytest.mark.parametrize("stage", ["Sort and isotopes", "Partition", "Annotate", "Merge", "Render"])
def test_a_report_takes_the_transitions_it_is_charged_for(definition: dict[str, Any], stage: str) -> None:
    assert len(catch_path(definition, stage)) == charged({"report"}, {"report": 1})
