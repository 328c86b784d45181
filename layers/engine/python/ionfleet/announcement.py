"""What people are told of a job that ended: the subject and the text of a mail. Programs are told its JSON."""

from __future__ import annotations

from collections.abc import Iterator

from ionfleet.costs import in_dollars
from ionfleet.status import JobStatus
from ionfleet.text import printable, shortened

DEFAULT_STACK = "Ionfleet"
NAME_LENGTH = 60

_HEADLINES = {
    "SUCCEEDED": "{} was annotated.",
    "FAILED": "{} could not be annotated.",
    "ABORTED": "The annotation of {} was stopped.",
    "TIMED_OUT": "The annotation of {} took longer than a job may.",
}


def subject(status: JobStatus) -> str:
    """Return the subject of a mail about a job: ASCII without line breaks, fewer than 100 characters, as SNS asks."""
    name = shortened(printable(status.name), NAME_LENGTH).encode("ascii", "replace").decode()
    return f"Ionfleet: {status.state} {name}"


def letter(status: JobStatus, bucket: str, stack: str) -> str:
    """Return the text of a mail about a job that ended.

    Parameters
    ----------
    status
        How it ended.
    bucket
        Name of the bucket with its results.
    stack
        Name of the stack, which commands are told unless it is the default.

    """
    name = printable(status.name)
    told = _success(status, bucket, stack) if status.state == "SUCCEEDED" else _failure(status, stack)
    lines = [_HEADLINES[status.state].format(name), "", *told, "", *_facts(status)]
    return "\n".join(map(printable, lines)) + "\n"


def _success(status: JobStatus, bucket: str, stack: str) -> Iterator[str]:
    for database, counts in (status.annotations or {}).items():
        levels = ", ".join(f"{count:,} at {level} %" for level, count in counts.items())
        yield f"Annotations with {database}, by FDR: {levels}"
    yield ""
    yield "Bring the results to your machine, or make a page of them to look at:"
    yield f"  {_command('fetch', status, stack)}"
    yield f"  {_command('report', status, stack)}"
    yield f"They are in s3://{bucket}/{status.results}"


def _failure(status: JobStatus, stack: str) -> Iterator[str]:
    yield ": ".join(filter(None, (status.error, status.message))) or "No reason is known."
    place = [f"stage {status.stage}"] if status.stage else []
    place += [f"task {status.task}"] if status.task is not None else []
    if place:
        yield f"It ended in {', '.join(place)}."
    yield ""
    yield "Once the cause is mended, try it again; what was computed already is used:"
    yield f"  {_command('redrive', status, stack)}"
    if status.links:
        yield ""
        yield "Where to look further:"
        yield from (f"  {name}: {address}" for name, address in status.links.items())


def _facts(status: JobStatus) -> Iterator[str]:
    attempt = f", attempt {status.attempt}" if status.attempt > 1 else ""
    yield f"Job: {status.job}{attempt}"
    if status.ended_at is not None:
        yield f"Submitted: {status.claimed_at}, ended: {status.ended_at}"
    if status.cost_usd is not None:
        expected = "" if status.estimated_usd is None else f" ({in_dollars(status.estimated_usd)} was expected)"
        yield f"Cost: {in_dollars(status.cost_usd)}{expected}"


def _command(name: str, status: JobStatus, stack: str) -> str:
    return f"ionfleet {name} {status.job}" + ("" if stack == DEFAULT_STACK else f" --stack {stack}")
