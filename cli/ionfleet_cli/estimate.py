"""`ionfleet estimate`: what a run would take here and in the cloud, told before anything runs.

The planner itself plans the job, for the deployment of the template, over an input bucket that is the files and two
others that are forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from ionfleet.brief import plan_key
from ionfleet.costs import in_dollars
from ionfleet.estimate import Deployment
from ionfleet.forecast import Forecast, forecast
from ionfleet.models import model_key
from ionfleet.plan import Plan, Stores, read_plan
from ionfleet.stages.plan import facts_of
from ionfleet.stages.planner import take_up
from ionfleet.status import UploadStatus, read_status
from ionfleet.store import MemoryStore, ObjectInfo
from ionfleet_cli import terminal
from ionfleet_cli.breakdown import dollar_table
from ionfleet_cli.display import LineDisplay
from ionfleet_cli.failures import CommandError
from ionfleet_cli.job import failure
from ionfleet_cli.local_cloud import synthesized
from ionfleet_cli.run import Request
from ionfleet_cli.submission import configuration_object, database_key, dataset_name, dataset_objects
from ionfleet_replay.assembly import load

VARIABLE = "DEPLOYMENT"
"""The variable of the planner's environment that says what it plans for."""

MESSAGE = "estimate"
"""Stands for the id of the message that the planner would be called with."""


@dataclass(frozen=True)
class Estimated:
    """A plan, what it will take, and how many functions would run here at one time."""

    plan: Plan
    forecast: Forecast
    workers: int

    def to_json(self) -> str:
        """Return everything that is shown, and more, for programs."""
        dataset = self.plan.dataset
        facts = {"dataset": dataset.name, "spectra": dataset.spectra, "peaks": dataset.points, "workers": self.workers}
        return json.dumps(facts | self.forecast.to_dict(), indent=2)


class InputFiles(MemoryStore):
    """An input bucket of which some objects are files, read where they are."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        super().__init__()
        self._files = files

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return `length` bytes from `start`; fewer only where the object ends."""
        if key not in self._files:
            return super().get_range(key, start, length)
        with self._files[key].open("rb") as file:
            file.seek(start)
            return file.read(length)

    def head(self, key: str) -> ObjectInfo | None:
        """Return what is known about an object, None where there is none; a file's etag tells when it was changed."""
        if key not in self._files:
            return super().head(key)
        known = self._files[key].stat()
        return ObjectInfo(key, known.st_size, f"{known.st_size}-{known.st_mtime_ns}", "null")

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Yield the objects whose keys begin with `prefix`, in order of their keys."""
        for key in sorted({*self.objects, *self._files}):
            info = self.head(key)
            if key.startswith(prefix) and info is not None:
                yield info


def deployment_of(assembly: Path) -> Deployment:
    """Return what the planner of a template plans for.

    Raises
    ------
    CommandError
        No function of the template is told so: it is of another version.

    """
    for resource in load(assembly).template["Resources"].values():
        variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        if VARIABLE in variables:
            return Deployment.model_validate_json(variables[VARIABLE])
    raise CommandError(f"No function of {assembly} is told its {VARIABLE}; synthesize the template anew.")


def planned(request: Request, deployment: Deployment) -> Plan:
    """Return the plan that a request would become on a deployment that has never seen its dataset.

    Raises
    ------
    CommandError
        The dataset or a database would be rejected, with the reason.

    """
    files = dataset_objects(request.dataset, request.picture)
    stores, now = Stores(InputFiles(files), MemoryStore(), MemoryStore()), datetime.now(UTC)
    for database in request.databases:
        stores.input.replace(database_key(database), database.path.read_bytes())
        (imported,) = take_up(stores, database_key(database), MESSAGE, now, deployment)
        if imported.state == "rejected" and not request.configuration.skip_invalid:
            raise failure("InvalidDatabaseError", imported.message or "", database.path.name)
    if request.model is not None:
        stores.input.replace(model_key(request.model.name), request.model.data)
    stores.input.replace(*configuration_object(request.dataset, request.configuration))
    (outcome,) = take_up(stores, list(files)[-1], MESSAGE, now, deployment)
    if outcome.execution is None:
        status = read_status(stores.results, dataset_name(request.dataset).status_key, UploadStatus)
        error = status.error if status is not None and status.error is not None else outcome.state
        raise failure(error, outcome.message or "No reason is known.", request.dataset.imzml.name)
    return read_plan(stores.work, plan_key(outcome.execution))


def estimated(request: Request, assembly: Path | None, workers: int | None) -> Estimated:
    """Return the plan of a request and what it will take.

    Parameters
    ----------
    request
        What to annotate with what.
    assembly
        The template to plan for, None to synthesize it.
    workers
        How many functions would run here at one time, None for as many as there are processors.

    Raises
    ------
    CommandError
        The dataset or a database would be rejected, with the reason.

    """
    deployment = deployment_of(assembly or synthesized(LineDisplay(terminal.errors())))
    plan, wide = planned(request, deployment), workers or len(os.sched_getaffinity(0))
    return Estimated(plan, forecast(facts_of(plan), plan.deployment, wide), wide)


def show(found: Estimated, console: Console) -> None:
    """Print an estimate for people."""
    dataset, made = found.plan.dataset, found.forecast
    document = made.to_dict()
    console.print(_work_table(document["stages"]))
    console.print(dollar_table(document["stages"], document["cost"]))
    here = f"≈ {terminal.elapsed(made.local_seconds)}, {terminal.counted(found.workers, 'function')} at a time"
    prices, kept = made.cost.prices, terminal.counted(found.plan.estimate.retention_days, "day")
    facts = {
        "dataset": f"{dataset.name}: {dataset.spectra:,} spectra, {dataset.points:,} peaks",
        "in the cloud": f"≈ {terminal.elapsed(made.cloud_seconds)}, {in_dollars(made.cost.usd)}",
        "on this machine": here,
        "prices": f"those of {prices.region}, {prices.date}; sorted runs are stored for {kept}",
    }
    terminal.print_facts(facts, console)


def _work_table(stages: Mapping[str, Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for name in ("tasks", "function", "peak memory", "CPU", "in the cloud", "here"):
        table.add_column(name, justify="right", no_wrap=True)
    for stage, figures in stages.items():
        memory = [f"{figures[name]:,} MB" for name in ("memory_mb", "peak_mb")]
        times = [figures[name] for name in ("cpu_seconds", "cloud_seconds", "local_seconds")]
        table.add_row(*map(terminal.styled, [stage, f"{figures['tasks']:,}", *memory, *map(terminal.elapsed, times)]))
    return table
