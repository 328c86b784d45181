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

NO_JOB = "–"
UNBOUNDED = 1000
"""Characters of a line that no table needs."""

NAME_LENGTH = 60
READERS = 16
"""Documents that are read at one time."""

REASON_LENGTH = 300
SHOWN_JOBS = 5
"""Jobs that a message lists."""

_JOB = re.compile(r"(?P<job>(?:job-)?[0-9a-f]{4,20})(?:-\d+)?")


def find_job(results: Bucket, text: str) -> JobStatus:
    """Return the status of a job by its id, the beginning of its id, one of its executions, or its dataset's name.

    Raises
    ------
    UsageError
        There is no such job, or more than one.

    """
    found = _by_id(results, text) or _by_name(results, text)
    if not found:
        raise UsageError(f"There is no job {text!r}; `ionfleet jobs` shows what there is.")
    if len(found) > 1:
        listed = ", ".join(f"{status.job} ({status.state})" for status in found[:SHOWN_JOBS])
        more = f" and {len(found) - SHOWN_JOBS:,} more" if len(found) > SHOWN_JOBS else ""
        raise UsageError(f"{text!r} may be any of {len(found):,} jobs: {listed}{more}; give the id of one.")
    return found[0]


def list_jobs(results: Bucket, limit: int, console: Console) -> None:
    """Print the latest jobs, the uploads that did not become one, and beneath them why any of them has no results."""
    jobs = _read_statuses(results, _job_folders(results))
    uploads = _read_all(results, list(results.keys(f"inputs/{DATASETS}")), UploadStatus)
    entries = [(job.claimed_at, _job_entry(job)) for job in jobs]
    entries += [(upload.at, _upload_entry(upload)) for upload in uploads if upload.job is None]
    if not entries:
        console.print("There are no jobs yet; `ionfleet submit DATASET.imzML` starts one.")
        return
    shown = [entry for _, entry in sorted(entries, reverse=True)[:limit]]
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("job", "dataset", "state", "stage", "since (UTC)", "10 % FDR", "cost"):
        table.add_column(name, justify="right" if name in ("10 % FDR", "cost") else "left", no_wrap=name != "dataset")
    for cells, _ in shown:
        table.add_row(*map(terminal.styled, cells))
    # Ids that are cut off are of no use: neither in a pipe, which counts as narrow, nor in a narrow terminal.
    needed = console.measure(table, options=console.options.update(width=UNBOUNDED)).maximum
    console.width = max(needed, console.width)
    console.print(table, crop=False)
    for cells, reason in shown:
        if reason:
            console.print(terminal.styled(f"{cells[1] if cells[0] == NO_JOB else cells[0]}: {reason}"), soft_wrap=True)
    if len(entries) > limit:
        console.print(f"{len(entries) - limit:,} earlier ones are not shown; --limit {len(entries)} shows all.")


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
    report.show(folder.path, seconds, console, here=deployment.is_local)
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


def _by_id(results: Bucket, text: str) -> list[JobStatus]:
    match = _JOB.fullmatch(text)
    if match is None:
        return []
    beginning = match["job"] if match["job"].startswith("job-") else f"job-{match['job']}"
    folders = [folder for folder in _job_folders(results) if folder.split("/")[2].startswith(beginning)]
    return _read_statuses(results, folders)


def _by_name(results: Bucket, text: str) -> list[JobStatus]:
    """Return the jobs of datasets of a name, the latest first."""
    named = [status for status in _read_statuses(results, _job_folders(results)) if status.name == text]
    return sorted(named, key=lambda status: status.claimed_at, reverse=True)


def _read_statuses(results: Bucket, folders: Iterable[str]) -> list[JobStatus]:
    return _read_all(results, [f"{folder}status.json" for folder in folders], JobStatus)


def _job_folders(results: Bucket) -> list[str]:
    """Return the folders of all jobs, such as `results/ds-…/job-…/`."""
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda dataset: list(results.folders(dataset)), results.folders("results/"))
        return [job for jobs in found for job in jobs]


def _read_all(results: Bucket, keys: Sequence[str], model: type[Document]) -> list[Document]:
    """Read documents; a job that is being planned has none yet."""
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda key: results.read(key, model), keys)
        return [document for document in found if document is not None]


def _job_entry(job: JobStatus) -> tuple[tuple[str, ...], str]:
    """Return the cells of a job's row, and why it failed."""
    found = sum(levels["10"] for levels in (job.annotations or {}).values())
    cells = (
        job.execution,
        shortened(job.name, NAME_LENGTH),
        job.state,
        (job.stage or "") if job.state != "SUCCEEDED" else "",
        _minute(job.claimed_at),
        f"{found:,}" if job.annotations is not None else "",
        in_dollars(job.cost_usd) if job.cost_usd is not None else "",
    )
    return cells, _reason(job.error, job.message)


def _upload_entry(upload: UploadStatus) -> tuple[tuple[str, ...], str]:
    """Return the cells of an upload's row, and why it is no job."""
    waits = upload.state == "waiting"
    reason = f"it waits for {upload.waiting_for}" if waits else _reason(upload.error, upload.message)
    return (NO_JOB, shortened(upload.name, NAME_LENGTH), upload.state, "", _minute(upload.at), "", ""), reason


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _reason(error: str | None, message: str | None) -> str:
    return shortened(": ".join(filter(None, (error, message))), REASON_LENGTH)
