"""Follows the job that a dataset becomes, from its upload to its end."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ionfleet import errors
from ionfleet.brief import plan_key
from ionfleet.errors import InvalidInputError
from ionfleet.plan import Plan
from ionfleet.status import JobStatus, UploadStatus, job_status_key
from ionfleet.uploads import DatasetName
from ionfleet_cli import terminal
from ionfleet_cli.buckets import Bucket
from ionfleet_cli.failures import CommandError, ExitCode
from ionfleet_cli.progress import Progress
from ionfleet_cli.watch import Watch
from ionfleet_replay import Observation, StateEntered, StateExited

FIGURES = {"Partition": "manifests/{}/partition.json", "Merge": "jobs/{}/tables/facts.json"}
"""What these states leave behind in the work bucket, by the name of their execution."""


class Job:
    """A dataset on its way. `heard` is to be called with what the cloud tells."""

    def __init__(self, progress: Progress, work: Bucket) -> None:
        self._progress = progress
        self._work = work
        self._planned = False

    def heard(self, observation: Observation) -> None:
        """Take an observation up; where a stage has left figures behind, have them shown."""
        if isinstance(observation, StateEntered):
            self.tell_plan(observation.execution)
        elif isinstance(observation, StateExited) and observation.state in FIGURES:
            self.tell_figures(observation.state, observation.execution)
        self._progress.observe(observation)

    def follow(self, results: Bucket, name: DatasetName, watch: Watch) -> JobStatus:
        """Wait until a dataset's job has succeeded, and return its status.

        Raises
        ------
        CommandError
            The dataset was rejected or the job failed, with the reason.

        """
        upload = watch.wait(lambda: settled(results.read(name.status_key, UploadStatus)))
        dataset, job, execution = planned_as(upload, name)
        self.tell_plan(execution)
        status = watch.wait(lambda: ended(results.read(job_status_key(dataset, job), JobStatus)))
        return self.conclude(status)

    def conclude(self, status: JobStatus) -> JobStatus:
        """Show how a job ended, and return its status; raises `CommandError` with the reason unless it succeeded."""
        if status.state != "SUCCEEDED":
            self._progress.fail(status.stage)
            place = (f"stage {status.stage}" if status.stage else "", _task(status.task), status.object or "")
            raise failure(status.error or status.state, status.message or "No reason is known.", *place)
        self._progress.end()
        return status

    def tell_plan(self, execution: str) -> None:
        """Have the plan's figures shown, once it is there."""
        plan = None if self._planned else self._work.read(plan_key(execution), Plan)
        if plan is None:
            return
        self._planned = True
        dataset, progress = plan.dataset, self._progress
        peaks = terminal.counted(dataset.points, "peak")
        formulas = terminal.counted(sum(database.formulas for database in plan.databases), "formula")
        progress.describe("plan", f"{terminal.counted(dataset.pixels, 'pixel')}, {peaks}, {formulas}")
        progress.end("plan")
        for name, stage, amount in (("sort", plan.sort, peaks), ("isotopes", plan.isotopes, formulas)):
            if stage.tasks:
                progress.describe(name, amount)
                progress.count(name, 0, stage.tasks)
            else:
                progress.pass_by([name])

    def tell_figures(self, state: str, execution: str) -> None:
        """Take up what a stage counted; where it left nothing behind, it failed."""
        data = self._work.get(FIGURES[state].format(execution))
        if data is None:
            self._progress.fail(state.lower())
        elif state == "Partition":
            self._tell_partition(json.loads(data))
        else:
            self._tell_merge(json.loads(data))

    def _tell_partition(self, facts: Mapping[str, Any]) -> None:
        ions = terminal.counted(facts["ions"], "ion")
        self._progress.describe("partition", f"{terminal.counted(facts['peaks'], 'peak')}, {ions}")
        self._progress.describe("annotate", ions)
        self._progress.count("annotate", 0, facts["tasks"])

    def _tell_merge(self, facts: Mapping[str, Any]) -> None:
        best = sum(levels["10"] for levels in facts["annotations"].values())
        self._progress.describe("merge", f"{terminal.counted(best, 'annotation')} at 10 % FDR")
        self._progress.describe("render", terminal.counted(facts["images"], "image"))
        self._progress.count("render", 0, facts["render_tasks"])


def settled(status: UploadStatus | None) -> UploadStatus | None:
    """Return what became of an upload, None while its files are still coming."""
    return None if status is None or status.state == "waiting" else status


def planned_as(upload: UploadStatus, name: DatasetName) -> tuple[str, str, str]:
    """Return the dataset, job and execution that an upload became.

    Raises
    ------
    CommandError
        It became none, with the reason.

    """
    if upload.dataset is None or upload.job is None or upload.execution is None:
        raise failure(upload.error or upload.state, upload.message or "No reason is known.", f"{name.stem}.imzML")
    return upload.dataset, upload.job, upload.execution


def ended(status: JobStatus | None) -> JobStatus | None:
    """Return the status of a job that has ended, None for any other."""
    return None if status is None or status.state == "RUNNING" else status


def _task(number: int | None) -> str:
    return "" if number is None else f"task {number}"


def failure(error: str, message: str, *place: str) -> CommandError:
    """Return the error that ends a run for a named reason of the cloud's."""
    kind = getattr(errors, error, None)
    invalid = isinstance(kind, type) and issubclass(kind, InvalidInputError)
    where = ", ".join(filter(None, place))
    text = f"{error} ({where}): {message}" if where else f"{error}: {message}"
    return CommandError(text, ExitCode.INVALID_INPUT if invalid else ExitCode.FAILURE)
