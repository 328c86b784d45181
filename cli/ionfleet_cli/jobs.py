"""The jobs of a deployment: found, listed, fetched, stopped, and tried again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from botocore.exceptions import ClientError
from rich import box
from rich.console import Console
from rich.table import Table

from ionfleet.brief import plan_key
from ionfleet.costs import in_dollars
from ionfleet.plan import InputFile, Plan
from ionfleet.status import JobStatus, UploadStatus
from ionfleet.text import shortened
from ionfleet.uploads import CONFIGURATION, DATASETS, DatasetName, understand
from ionfleet_cli import report, terminal
from ionfleet_cli.buckets import Bucket, Document
from ionfleet_cli.deployment import Deployment
from ionfleet_cli.display import display_on
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.job import ended
from ionfleet_cli.results import SUMMARY, ResultsFolder, download
from ionfleet_cli.submit import Planned, await_plan, last_told
from ionfleet_cli.watch import Polling

READERS = 16
"""Documents that are read at one time."""

REASON_LENGTH = 200
_JOB = re.compile(r"(?P<job>(?:job-)?[0-9a-f]{4,20})(?:-\d+)?")


def find_job(results: Bucket, text: str) -> JobStatus:
    """Return the status of a job by its id, the beginning of its id, or the name of one of its executions.

    Raises
    ------
    UsageError
        There is no such job, or more than one.

    """
    match = _JOB.fullmatch(text)
    if match is None:
        raise UsageError(f"{text!r} is no job; give an id such as job-4f2a…, or at least 4 digits of one.")
    beginning = match["job"] if match["job"].startswith("job-") else f"job-{match['job']}"
    found = [folder for folder in _job_folders(results) if folder.split("/")[2].startswith(beginning)]
    if len(found) > 1:
        raise UsageError(f"{text!r} begins the ids of {len(found)} jobs; give more digits.")
    status = results.read(f"{found[0]}status.json", JobStatus) if found else None
    if status is None:
        raise UsageError(f"There is no job {text!r}; `ionfleet jobs` shows what there is.")
    return status


def list_jobs(results: Bucket, limit: int, console: Console) -> None:
    """Print the latest jobs, and the uploads that did not become one."""
    with ThreadPoolExecutor(READERS) as pool:
        jobs = _read_all(pool, results, [f"{folder}status.json" for folder in _job_folders(results)], JobStatus)
        uploads = _read_all(pool, results, list(results.keys(f"inputs/{DATASETS}")), UploadStatus)
    rows = [(job.claimed_at, _job_row(job)) for job in jobs]
    rows += [(upload.at, _upload_row(upload)) for upload in uploads if upload.job is None]
    if not rows:
        console.print("There are no jobs yet; `ionfleet submit DATASET.imzML` starts one.")
        return
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("job", "dataset", "state", "stage", "since", "10 % FDR", "cost"):
        table.add_column(name, justify="right" if name in ("10 % FDR", "cost") else "left", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for _, row in sorted(rows, reverse=True)[:limit]:
        table.add_row(*map(terminal.styled, row))
    console.print(table)


def fetch(deployment: Deployment, status: JobStatus, out: Path | None, console: Console, *, force: bool) -> Path:
    """Bring the results of a job that has succeeded into a folder, show what they are, and return the folder.

    Raises
    ------
    CommandError
        It has not succeeded, or the folder holds something else.

    """
    if status.state != "SUCCEEDED":
        why = "watch it, and fetch it then" if status.state == "RUNNING" else f"{status.error}: {status.message}"
        raise CommandError(f"{status.job} is {status.state}, so there are no results: {why}")
    folder = ResultsFolder(out or Path(f"{status.job}-results"), force=force)
    folder.check()
    display_on(console).note(f"Fetching the results of {status.job} from {deployment.title}")
    with folder.filling() as results:
        download(deployment.buckets.results, status.results, results)
    stages = json.loads((folder.path / SUMMARY).read_bytes())["stages"]
    seconds = {name: account["seconds"] for name, account in stages.items() if "seconds" in account}
    report.show(folder.path, seconds, console)
    return folder.path


def cancel(deployment: Deployment, status: JobStatus, reason: str) -> JobStatus:
    """Stop a job's execution, and return its status once that says so.

    Raises
    ------
    CommandError
        It has ended, or has not begun.

    """
    if status.state != "RUNNING":
        raise CommandError(f"{status.job} has ended already: {status.state}.")
    arn = deployment.execution(status.execution)
    try:
        deployment.client("stepfunctions").stop_execution(executionArn=arn, error="Cancelled", cause=reason)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
            raise
        raise CommandError(
            f"The execution of {status.job} has not begun, so there is nothing to stop; try again in a moment."
        ) from None
    key = f"{status.results}status.json"
    return Polling().wait(lambda: ended(deployment.buckets.results.read(key, JobStatus)))


def redrive(deployment: Deployment, status: JobStatus) -> Planned:
    """Start another attempt at a job that ended in failure, by putting its configuration in once more.

    Raises
    ------
    CommandError
        It runs or has succeeded, its files are not the ones of then any more, or it became another job.

    """
    if status.state in ("RUNNING", "SUCCEEDED"):
        raise CommandError(f"{status.job} is {status.state}; only a job that ended in failure is tried again.")
    buckets = deployment.buckets
    plan = buckets.work.read(plan_key(status.execution), Plan)
    if plan is None:
        raise CommandError(f"The plan of {status.execution} has expired; submit the dataset again.")
    _check_there(buckets.input, (plan.dataset.imzml, plan.dataset.ibd))
    name = understand(plan.dataset.imzml.key)
    if not isinstance(name, DatasetName):
        raise CommandError(f"The plan of {status.execution} names {plan.dataset.imzml.key!r}, which is no dataset.")
    planned = _put_in_again(deployment, name, f"{plan.dataset.imzml.key.rpartition('.')[0]}.{CONFIGURATION}")
    if planned.job != status.job:
        raise CommandError(
            f"The configuration or a database is another than that of {status.job}: the dataset was taken up as "
            f"{planned.job}, which runs now."
        )
    return planned


def _put_in_again(deployment: Deployment, name: DatasetName, key: str) -> Planned:
    """Put a dataset's configuration in once more, as its own, and return what the dataset became.

    In a new version the same bytes are another upload, and another upload is another attempt. What only the folder, or
    nothing, said of the dataset is its own configuration no longer than that takes.
    """
    bucket, since = deployment.buckets.input, last_told(deployment, name)
    own = bucket.get(key)
    shared = bucket.get(f"{name.folder}{CONFIGURATION}") if own is None else own
    bucket.put(key, b"{}" if shared is None else shared)
    try:
        return await_plan(deployment, name, since)
    finally:
        if own is None:
            bucket.remove(key)


def _check_there(input_bucket: Bucket, files: Iterable[InputFile]) -> None:
    for file in files:
        if input_bucket.etag(file.key) != file.etag.strip('"'):
            raise CommandError(f"{file.key!r} was replaced or deleted since the job was planned; submit it again.")


def _job_folders(results: Bucket) -> list[str]:
    """Return the folders of all jobs, such as `results/ds-…/job-…/`."""
    return [job for dataset in results.folders("results/") for job in results.folders(dataset)]


def _read_all(pool: ThreadPoolExecutor, results: Bucket, keys: Sequence[str], model: type[Document]) -> list[Document]:
    """Read documents; a job that is being planned has none yet."""
    found = pool.map(lambda key: results.read(key, model), keys)
    return [document for document in found if document is not None]


def _job_row(job: JobStatus) -> tuple[str, ...]:
    found = sum(levels["10"] for levels in (job.annotations or {}).values())
    return (
        job.execution,
        job.name,
        job.state,
        (job.stage or "") if job.state != "SUCCEEDED" else "",
        job.claimed_at[:19],
        f"{found:,}" if job.annotations is not None else "",
        in_dollars(job.cost_usd) if job.cost_usd is not None else "",
        _reason(job.error, job.message),
    )


def _upload_row(upload: UploadStatus) -> tuple[str, ...]:
    reason = f"for {upload.waiting_for}" if upload.state == "waiting" else _reason(upload.error, upload.message)
    return ("–", upload.name, upload.state, "", upload.at[:19], "", "", reason)


def _reason(error: str | None, message: str | None) -> str:
    return shortened(": ".join(filter(None, (error, message))), REASON_LENGTH)
