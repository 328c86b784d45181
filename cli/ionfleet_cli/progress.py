"""How far a job is, stage by stage: what the cloud's observations come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ionfleet_replay import MapProgress, Observation, StateEntered, StateExited

STAGES = ("plan", "sort", "isotopes", "partition", "annotate", "merge", "render", "publish")
"""The stages of a job in their order; all but the first are states of the state machine, of the same names."""

_RANKS = {name: rank for rank, name in enumerate(STAGES)} | {"isotopes": STAGES.index("sort")}

StageState = Literal["waiting", "running", "done", "passed by", "failed"]


@dataclass
class Stage:
    """How far a stage is. `total` is None where it is one task; `amount` says in words what it works on."""

    name: str
    state: StageState = "waiting"
    done: int = 0
    total: int | None = None
    failed: int = 0
    amount: str = ""
    began: float = 0.0
    ended: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it has been running, or ran."""
        if self.state in ("waiting", "passed by"):
            return 0.0
        return (time.monotonic() if self.state == "running" else self.ended) - self.began


class Progress:
    """The stages of a job. `changed` is called with each stage that changes."""

    def __init__(self, changed: Callable[[Stage], None]) -> None:
        self.stages = {name: Stage(name) for name in STAGES}
        self._changed = changed

    def seconds(self) -> dict[str, float]:
        """Return how long the stages ran that did, by name."""
        return {stage.name: stage.seconds for stage in self.stages.values() if stage.began}

    def begin(self, name: str) -> None:
        """Note that a stage runs; stages before it that never did had nothing to do."""
        stage = self.stages[name]
        if stage.state != "waiting":
            return
        self.pass_by(other for other in STAGES if _RANKS[other] < _RANKS[name])
        stage.state, stage.began = "running", time.monotonic()
        self._changed(stage)

    def end(self, *names: str) -> None:
        """Note that stages ran to their end; without a name, those that run."""
        for stage in self.stages.values():
            if stage.state == "running" and (not names or stage.name in names):
                self._end(stage, "done")

    def fail(self, name: str | None = None) -> None:
        """Note that a stage failed, even if it seemed to be done; without a name, those that run."""
        for stage in self.stages.values():
            if stage.name == name or (name is None and stage.state == "running"):
                self._end(stage, "failed")

    def pass_by(self, names: Iterable[str]) -> None:
        """Note that stages have nothing to do, those of them that have not begun."""
        for name in names:
            stage = self.stages[name]
            if stage.state == "waiting":
                stage.state = "passed by"
                self._changed(stage)

    def count(self, name: str, done: int, total: int, failed: int = 0) -> None:
        """Note how many of a stage's tasks are done, and how many of these failed."""
        stage = self.stages[name]
        stage.done, stage.total, stage.failed = done, total, failed
        self._changed(stage)

    def describe(self, name: str, amount: str) -> None:
        """Say in words how much a stage has to do, or has done."""
        self.stages[name].amount = amount

    def observe(self, observation: Observation) -> None:
        """Take up what the cloud tells about the states of an execution."""
        if not isinstance(observation, StateEntered | StateExited | MapProgress):
            return
        name = observation.state.lower()
        if name not in self.stages:
            return
        if isinstance(observation, StateEntered):
            self.begin(name)
        elif isinstance(observation, MapProgress):
            self.count(name, observation.done, observation.total, observation.failed)
        elif self.stages[name].failed:
            self.fail(name)
        else:
            self.end(name)

    def _end(self, stage: Stage, state: StageState) -> None:
        if stage.state == "running":
            stage.ended = time.monotonic()
        stage.state = state
        self._changed(stage)
