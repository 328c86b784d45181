"""Who does what, decided once: claims on uploads, claims on attempts at a job, and how each attempt ended.

Every decision is an object that is created and never changed, so that the first writer decides and everybody else,
a duplicate of the first included, reads the same. docs/architecture.md, Objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from ionfleet import errors
from ionfleet.brief import plan_key
from ionfleet.damage import read_intact
from ionfleet.errors import IonfleetError
from ionfleet.identity import execution_name, timestamp
from ionfleet.store import ObjectMissingError, ObjectStore

STATE_MACHINE = "state machine"
"""Who says so where an execution ends by its own last state."""

State = Literal["SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"]


class Decision(BaseModel):
    """A JSON document that decides something by being there first."""

    model_config = ConfigDict(frozen=True)


Decided = TypeVar("Decided", bound=Decision)


class UploadClaim(Decision):
    """Which message takes up an upload, and since when."""

    message: str
    claimed_at: str


class AttemptClaim(Decision):
    """Which upload's planning makes an attempt, and the message that takes care of it."""

    trigger: str
    message: str


class Refusal(Decision):
    """Why the attempt was given up while it was planned."""

    error: str
    message: str


class Failure(Decision):
    """Why something failed: the named error, its message, and where it happened, as far as that is known.

    `object` is the key of what tells more: in the work bucket, or, for an upload, in the input bucket.
    """

    error: str
    message: str
    stage: str | None = None
    task: int | None = None
    object: str | None = None


class End(Decision):
    """How an attempt ended, or a message that nobody could handle. `by` names the message that decided it.

    `stages` are the times at which the stages were entered, `over` those at which some ended, as far as they are known.
    """

    state: State
    at: str
    by: str
    failure: Failure | None = None
    stages: dict[str, str] = {}
    over: dict[str, str] = {}


@dataclass(frozen=True)
class Attempt:
    """An attempt at a job: whether the upload and message that asked made it, and whether its plan is written."""

    job: str
    number: int
    mine: bool
    planned: bool

    @property
    def execution(self) -> str:
        """Name of its execution."""
        return execution_name(self.job, self.number)


def claim_upload(work: ObjectStore, dataset: str, trigger: str, message: str, now: datetime) -> UploadClaim | None:
    """Claim an upload for a message; None where it belongs to another message, which is left to see to it.

    A message that comes again finds its own claim and goes on from there. The claim of a message that ended in the
    dead-letter queue binds nobody any more.
    """
    mine = UploadClaim(message=message, claimed_at=timestamp(now))
    standing = _decide(work, f"claims/{dataset}/{trigger}.json", mine)
    if standing.message == message or _is_dead(work, standing.message):
        return standing
    return None


def take_attempt(work: ObjectStore, job: str, trigger: str, message: str) -> Attempt:
    """Return the attempt at a job that an upload leads to: the running one, the successful one, or a new one.

    A new attempt is made only after all earlier ones ended in failure, and not for an upload whose own attempt did.
    """
    mine = AttemptClaim(trigger=trigger, message=message)
    number = 1
    while True:
        standing = _decide(work, f"claims/{job}/{number}.json", mine)
        planned = work.head(plan_key(execution_name(job, number))) is not None
        attempt = Attempt(job, number, mine=standing == mine, planned=planned)
        if not _makes_way(work, attempt, standing, trigger):
            return attempt
        number += 1


def _makes_way(work: ObjectStore, attempt: Attempt, claim: AttemptClaim, trigger: str) -> bool:
    """Tell whether an attempt is over so that this upload may have another one."""
    end = read_end(work, attempt.execution)
    if end is not None:
        return end.state != "SUCCEEDED" and claim.trigger != trigger
    if attempt.planned or attempt.mine:
        return False
    return _is_refused(work, attempt) or _is_dead(work, claim.message)


def refuse_attempt(work: ObjectStore, attempt: Attempt, error: IonfleetError) -> None:
    """Give an attempt up that cannot be planned, so that a later upload need not wait for its end."""
    refusal = Refusal(error=error_name(error), message=str(error))
    _decide(work, _refusal_key(attempt), refusal)


def error_name(error: IonfleetError) -> str:
    """Return the name that users know an error by: that of its class, or of the nearest base in `ionfleet.errors`."""
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == errors.__name__)


def end_attempt(work: ObjectStore, execution: str, end: End) -> End:
    """Decide how an attempt ended, or learn how it did: the first who says so decides."""
    return _decide(work, _end_key(execution), end)


def read_end(work: ObjectStore, execution: str) -> End | None:
    """Return how an attempt ended, None while it goes on."""
    return _read(work, _end_key(execution), End)


def end_message(work: ObjectStore, message: str, end: End) -> End:
    """Note that a message ended in a dead-letter queue: what it claimed and did not plan is free again."""
    return _decide(work, _end_key(message), end)


def note_trouble(work: ObjectStore, message: str, receive: int, failure: Failure) -> None:
    """Note why a message could not be handled when it was received for the so-manieth time."""
    work.create(f"{_troubles(message)}{receive:04d}.json", failure.model_dump_json().encode())


def last_trouble(work: ObjectStore, message: str) -> Failure | None:
    """Return why a message could not be handled the last time that its reader lived to say so."""
    keys = sorted(each.key for each in work.list(_troubles(message)))
    return _read(work, keys[-1], Failure) if keys else None


def _troubles(message: str) -> str:
    return f"failures/messages/{message}/"


def _is_dead(work: ObjectStore, message: str) -> bool:
    return work.head(_end_key(message)) is not None


def _is_refused(work: ObjectStore, attempt: Attempt) -> bool:
    return work.head(_refusal_key(attempt)) is not None


def _end_key(name: str) -> str:
    return f"ended/{name}.json"


def _refusal_key(attempt: Attempt) -> str:
    return f"claims/{attempt.job}/{attempt.number}.refused.json"


def _decide(work: ObjectStore, key: str, mine: Decided) -> Decided:
    """Put a decision down, or return the one that stands."""
    if work.create(key, mine.model_dump_json().encode()):
        return mine
    return read_intact(work, key, type(mine).model_validate_json)


def _read(work: ObjectStore, key: str, model: type[Decided]) -> Decided | None:
    try:
        return read_intact(work, key, model.model_validate_json)
    except ObjectMissingError:
        return None
