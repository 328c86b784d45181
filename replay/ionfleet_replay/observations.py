"""What a running cloud tells whoever watches it. Every observation is immutable."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class StateEntered:
    """A state of an execution's own definition began (states of map children are not reported)."""

    execution: str
    state: str


@dataclass(frozen=True)
class StateExited:
    """A state of an execution's own definition ended, by success or by an error that was caught or not."""

    execution: str
    state: str


@dataclass(frozen=True)
class MapProgress:
    """How far a distributed map is; sent when it starts and whenever an item has ended."""

    execution: str
    state: str
    total: int
    done: int
    failed: int


@dataclass(frozen=True)
class ExecutionEnded:
    """An execution ended as SUCCEEDED, FAILED, TIMED_OUT or ABORTED."""

    execution: str
    status: str
    error: str | None
    cause: str | None


@dataclass(frozen=True)
class Invocation:
    """One invocation of a function: `started` in seconds since the epoch, `duration` in seconds.

    `outcome` is "ok" or the name of the error; `max_rss_mb` the peak resident memory in MiB while it ran.
    """

    function: str
    request_id: str
    started: float
    duration: float
    outcome: str
    max_rss_mb: float
    cold: bool


@dataclass(frozen=True)
class InvocationEnded:
    """A function answered, failed, was killed, or was refused."""

    invocation: Invocation


@dataclass(frozen=True)
class DeadLetter:
    """A message came to a dead-letter queue, because nothing could process or deliver it."""

    queue: str
    body: str


@dataclass(frozen=True)
class EventLost:
    """An event could not be delivered and had no dead-letter queue to go to: on AWS it would vanish in silence."""

    target: str
    reason: str
    event: str


@dataclass(frozen=True)
class AccessDecided:
    """A role, or a service on behalf of a resource, was allowed or denied an action; `context` has condition keys."""

    principal: str
    action: str
    resource: str
    context: Mapping[str, str]
    allowed: bool

    def __str__(self) -> str:
        verdict = "" if self.allowed else "not "
        return f"{self.principal} is {verdict}authorized to perform: {self.action} on resource: {self.resource}"


@dataclass(frozen=True)
class FaultInjected:
    """A fault struck: `kind` is one of `ionfleet_replay.faults.Kind`, `what` the call, event or message it struck."""

    kind: str
    what: str


@dataclass(frozen=True)
class RuleMatched:
    """An event, by its id, goes to the targets of a rule; all of them ARNs."""

    event: str
    rule: str
    targets: tuple[str, ...]


Observation: TypeAlias = (
    StateEntered
    | StateExited
    | MapProgress
    | ExecutionEnded
    | InvocationEnded
    | DeadLetter
    | EventLost
    | AccessDecided
    | FaultInjected
    | RuleMatched
)

Observer: TypeAlias = Callable[[Observation], None]
"""Called from the cloud's own threads: it must return quickly and must not call the cloud."""
