"""Datasets of known shapes, made from a seed, and what `ionfleet run` used for each: for the other commands here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from speed import probe

from ionfleet.colocalization import most_compared
from ionfleet.databases import bundled_database
from ionfleet.estimate import Deployment, PlanFacts
from ionfleet.stages.plan import facts_of
from ionfleet_cli.display import LineDisplay
from ionfleet_cli.estimate import deployment_of, planned
from ionfleet_cli.local_cloud import synthesized
from ionfleet_cli.run import prepare
from ionfleet_cli.terminal import errors
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import Simulation

IONFLEET = Path(sys.executable).with_name("ionfleet")


@dataclass(frozen=True)
class Shape:
    """A dataset, the number of formulas it is annotated with, and how its work is cut where that is not as usual."""

    name: str
    simulation: Simulation
    formulas: int
    planning: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """A job that was planned and run: the plan's facts, the same with what came true, and what its stages used.

    `probe` is how slow the machine was meanwhile (`speed.probe`).
    """

    expected: PlanFacts
    facts: PlanFacts
    summary: Mapping[str, Any]
    probe: float

    @property
    def stages(self) -> dict[str, dict[str, float]]:
        """What each stage that was called used, by the names of its account."""
        return {name: each for name, each in self.summary["stages"].items() if each.get("invocations")}


def local_deployment() -> Deployment:
    """Return what the planner of this repository's template plans for."""
    return deployment_of(synthesized(LineDisplay(errors())))


def measured(shape: Shape, folder: Path, deployment: Deployment) -> Measured:
    """Simulate a dataset, plan it, run it in a local cloud with nothing cached, and read what it used."""
    imzml = write_dataset(shape.simulation, folder, "dataset").imzml
    database = write_database(folder / "formulas.tsv", shape.formulas)
    job = Job(imzml, database, {"planning": dict(shape.planning)}, deployment)
    command = [IONFLEET, "run", imzml, "--database", database, "--out", folder / "results"]
    for key, value in shape.planning.items():
        command += ["--plan", f"{key}={value}"]
    # Whatever a user of this machine keeps in caches is not found there.
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    subprocess.run(list(map(str, command)), check=True, env=environment, stdout=subprocess.DEVNULL)
    return job.done(json.loads((folder / "results" / "summary.json").read_bytes()))


class Job:
    """A job that is planned as `ionfleet estimate` does, to be compared with what it uses: made just before it runs.

    `overrides` are fields of its configuration.
    """

    def __init__(
        self, imzml: Path, database: Path, overrides: Mapping[str, Any], deployment: Deployment | None = None
    ) -> None:
        self._plan = planned(prepare(imzml, [database], None, overrides), deployment or local_deployment())
        self._before = probe()

    def done(self, summary: Mapping[str, Any]) -> Measured:
        """Return what became of it, just after it has run."""
        expected = facts_of(self._plan)
        return Measured(expected, _came_true(expected, summary), summary, (self._before + probe()) / 2)


def write_database(path: Path, formulas: int) -> Path:
    """Write that many distinct formulas: those of ionfleet-core, then the same with more and more methylene."""
    core = sorted({line.split("\t")[2] for line in bundled_database().decode().splitlines()[1:]})
    step = max(1, len(core) // formulas)
    rows: dict[str, None] = {}
    longer = 0
    while len(rows) < formulas:
        rows.update(dict.fromkeys(map(_lengthened, core[::step], [longer] * len(core))))
        longer += 1
    lines = [f"{number}\tmolecule {number}\t{formula}\n" for number, formula in enumerate([*rows][:formulas], 1)]
    path.write_text("".join(["id\tname\tformula\n", *lines]))
    return path


def _lengthened(formula: str, methylenes: int) -> str:
    """Add CH2 to a formula; one without carbon or hydrogen stays as it is."""
    for element, each in (("C", 1), ("H", 2)):
        formula = re.sub(
            rf"{element}(?![a-z])(\d*)",
            lambda match, element=element, each=each: f"{element}{int(match[1] or 1) + each * methylenes}",
            formula,
        )
    return formula


def _came_true(facts: PlanFacts, summary: Mapping[str, Any]) -> PlanFacts:
    """Put what a job found in place of what was expected."""
    called = {stage: each.get("invocations", 0) for stage, each in summary["stages"].items()}
    shown = sum(counts["50"] for counts in summary["annotations"].values())
    return replace(
        facts,
        annotate_tasks=called["annotate"],
        isotope_tasks=called.get("isotopes", 0),
        shown=shown,
        compared=min(shown, most_compared(facts.pixels)),
        render_tasks=called.get("render", 0),
    )
