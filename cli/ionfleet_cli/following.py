"""Follows a job of a deployment by its documents and map runs, and shows how far it is and what it has cost."""

from __future__ import annotations

import time
from collections.abc import Collection

from botocore.exceptions import ClientError

from ionfleet.brief import PlanBrief, plan_key
from ionfleet.costs import STATES, count_transitions, in_dollars, price_stages
from ionfleet.progress import PLANNED, rank
from ionfleet.status import JobStatus, job_status_key
from ionfleet.telemetry import parse_key, summarize
from ionfleet_cli.buckets import Bucket
from ionfleet_cli.deployment import Deployment
from ionfleet_cli.display import Display
from ionfleet_cli.failures import CommandError
from ionfleet_cli.job import FIGURES, Job, ended
from ionfleet_cli.progress import STAGES, Progress
from ionfleet_cli.watch import Polling

COST_INTERVAL = 10.0
"""Seconds at least between two looks at what a job has cost: each lists all its invocations."""


class Following:
    """One attempt at a job as it is seen from outside."""

    def __init__(self, deployment: Deployment, display: Display) -> None:
        self.progress = Progress(display.changed)
        self._deployment = deployment
        self._display = display
        self._job = Job(self.progress, deployment.buckets.work)
        self._stage = ""
        self._cost = ""
        self._cost_known = -COST_INTERVAL

    def to_end(self, dataset: str, job: str) -> JobStatus:
        """Show a job until it has succeeded, and return its status.

        Raises
        ------
        CommandError
            It failed: the reason, and where its log is.

        """
        results, key = self._deployment.buckets.results, job_status_key(dataset, job)

        def look() -> JobStatus | None:
            status = results.read(key, JobStatus)
            if status is not None:
                self.tell(status)
            return ended(status)

        with self._display.showing(self.progress.stages, lambda: self._cost):
            status = Polling().wait(look)
            try:
                self._job.conclude(status)
            except CommandError as error:
                raise CommandError(failed_with_links(str(error), status), error.exit_code) from error
        if status.cost_usd is not None:
            self._display.note(f"It cost {in_dollars(status.cost_usd)}{_expected(status)}")
        return status

    def tell(self, status: JobStatus) -> None:
        """Take up how a job stands."""
        self.progress.begin(PLANNED)
        self._job.tell_plan(status.execution)
        self._reach(status.stage or PLANNED, status.execution)
        if status.cost_usd is not None:
            self._cost = f"{status.name}, {status.execution}: {in_dollars(status.cost_usd)} in all"
        elif status.state == "RUNNING":
            self._count(status.execution)
            if time.monotonic() - self._cost_known >= COST_INTERVAL:
                spent = cost_so_far(self._deployment.buckets.work, status.execution)
                self._cost = f"{status.name}, {status.execution}: {in_dollars(spent)} so far"
                self._cost_known = time.monotonic()

    def _reach(self, stage: str, execution: str) -> None:
        """Show that a job is in a stage: those before it are over, also the ones that nobody saw it in."""
        if stage == self._stage or stage not in STAGES:
            return
        self._stage = stage
        progress = self.progress
        for name in STAGES[1:]:
            if rank(name) < rank(stage) and progress.stages[name].state == "waiting" and self._has_tasks(name):
                progress.begin(name)
            if rank(name) < rank(stage):
                self._finish(name, execution)
        if stage == "sort" and self._has_tasks("isotopes"):
            progress.begin("isotopes")
        if self._has_tasks(stage):
            progress.begin(stage)

    def _has_tasks(self, name: str) -> bool:
        return self.progress.stages[name].total != 0

    def _finish(self, name: str, execution: str) -> None:
        """Show that a stage is over, with the figures that it left behind."""
        stage = self.progress.stages[name]
        if stage.state != "running":
            return
        if name.capitalize() in FIGURES:
            self._job.tell_figures(name.capitalize(), execution)
        if stage.total:
            self.progress.count(name, stage.total, stage.total)
        self.progress.end(name)

    def _count(self, execution: str) -> None:
        """Show how many tasks of the running maps are done."""
        running = {stage.name for stage in self.progress.stages.values() if stage.state == "running" and stage.total}
        for name, counts in self._map_runs(execution, running).items():
            done = counts["succeeded"] + counts["failed"] + counts["aborted"]
            self.progress.count(name, done, counts["total"], counts["failed"])

    def _map_runs(self, execution: str, names: Collection[str]) -> dict[str, dict[str, int]]:
        """Return how many items of the maps of some stages are where."""
        client, arn = self._deployment.client("stepfunctions"), self._deployment.execution(execution)
        if not names:
            return {}
        try:
            listed = client.list_map_runs(executionArn=arn)["mapRuns"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return {}
        arns = {each["mapRunArn"].rpartition("/")[2].partition(":")[0].lower(): each["mapRunArn"] for each in listed}
        return {
            name: client.describe_map_run(mapRunArn=run)["itemCounts"] for name, run in arns.items() if name in names
        }


def cost_so_far(work: Bucket, execution: str) -> float:
    """Return what the invocations of an execution that have ended, and the states it went through, cost in dollars."""
    plan = work.read(plan_key(execution), PlanBrief)
    if plan is None:
        return 0.0
    found = (parse_key(key) for key in work.keys(f"telemetry/{execution}/"))
    uses = summarize(invocation for invocation in found if invocation is not None)
    transitions = count_transitions(uses.keys() & STATES.keys(), uses)
    return price_stages(uses, transitions, plan.estimate.retention_days).usd


def failed_with_links(message: str, status: JobStatus) -> str:
    """Return the message of a failure with the addresses that tell more."""
    links = [f"{name}: {address}" for name, address in (status.links or {}).items()]
    return "\n".join([message, *links])


def _expected(status: JobStatus) -> str:
    return "" if status.estimated_usd is None else f" ({in_dollars(status.estimated_usd)} was expected)"
