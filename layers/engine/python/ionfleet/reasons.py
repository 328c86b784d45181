"""Why a job failed, in words: what Step Functions and Lambda say, and what can be done about it.

Errors of `ionfleet.errors` carry their advice with them. Lambda's and Step Functions' own do not: a function that was
killed had no time to say anything, and who stopped an execution need not have given a reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from ionfleet.jobs import Failure
from ionfleet.status import MAX_MESSAGE
from ionfleet.text import shortened

_TASK_SIZES = {"sort": "sort_task_peaks", "isotopes": "isotope_task_formulas", "annotate": "segment_peaks"}
"""The field of `planning` that decides how large a stage's tasks are."""

_AGAIN = "Upload one of the dataset's files again for another attempt; what is computed already is not computed again."
_KILLED = "The function was killed, most likely for needing more memory than it has."
_SLOW = "The function was killed for taking longer than it may."
_STOPPED = f"Somebody stopped the execution. {_AGAIN}"
_LATE = f"The job did not end within the time that the state machine allows. {_AGAIN}"
_CROWDED = (
    "The functions' concurrency stayed used up by other jobs. Deploy with a lower maxConcurrency, or ask AWS for a "
    f"higher quota. {_AGAIN}"
)

_MEANINGS = {
    "Runtime.ExitError": _KILLED,
    "Runtime.OutOfMemory": _KILLED,
    "Sandbox.Timedout": _SLOW,
    "States.Timeout": _SLOW,
    "Lambda.TooManyRequestsException": _CROWDED,
    "ABORTED": _STOPPED,
    "TIMED_OUT": _LATE,
}


def failure_of(error: str, cause: str, stage: str | None) -> Failure:
    """Return the named error and its message in what Step Functions says of a failure in a stage.

    A function's cause is JSON with both in it.
    """
    said = _function_error(cause)
    if said is not None:
        error, cause = str(said.get("errorType") or error), str(said["errorMessage"])
    meaning = _MEANINGS.get(error)
    parts = [cause] if cause else []
    if meaning is not None:
        parts.append(meaning)
        parts += [_smaller(stage)] if meaning in (_KILLED, _SLOW) else []
    message = shortened(" ".join(parts), MAX_MESSAGE) or "Step Functions gives no cause."
    return Failure(error=error, message=message, stage=stage)


def _function_error(cause: str) -> Mapping[str, object] | None:
    """Return Lambda's error object; None where the cause is something else."""
    try:
        said = json.loads(cause)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) and "errorMessage" in said else None


def _smaller(stage: str | None) -> str:
    field = _TASK_SIZES.get(stage or "")
    if field is None:
        return f"Its log says how much it used. {_AGAIN}"
    return (
        f"Its log says how much it used. Set planning.{field} in the job's configuration to make its tasks smaller; "
        "the configuration's upload begins another attempt."
    )
