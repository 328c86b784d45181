"""Events that were recorded in another account: read, and made to be about this cloud's resources."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ionfleet_replay.account import Account
from ionfleet_replay.errors import ReplayError
from ionfleet_replay.paths import Json
from ionfleet_replay.stack import Stack

_GENERATED = re.compile(r"(?P<stack>.+)-(?P<logical_id>[A-Za-z0-9]+)-(?P<suffix>[A-Za-z0-9]+)")
"""A name that CloudFormation made."""


class RecordingError(ReplayError):
    """A recording is no event, or is about nothing that this cloud has."""


@dataclass(frozen=True)
class Recorded:
    """An event of EventBridge; `queue` is the ARN of the queue that it was a message of, if it was."""

    event: Mapping[str, Json]
    queue: str | None = None

    @property
    def title(self) -> str:
        """What kind of event it is, and what it is about."""
        detail = self.event["detail"]
        about = detail["object"]["key"] if "object" in detail else f"{detail.get('name')} {detail.get('status')}"
        return f"{self.event['detail-type']}: {about}"

    @property
    def key(self) -> str | None:
        """The key of the object that the event is about, None where it is about something else."""
        written = self.event["detail"].get("object")
        return None if written is None else str(written["key"])


def read_recording(data: bytes, name: str) -> list[Recorded]:
    """Return the events in a file: one of EventBridge, or the messages of a batch that a queue gave to a function.

    Raises
    ------
    RecordingError
        The file is neither; the message names it.
    """
    try:
        value = json.loads(data)
        records = value.get("Records", ()) if isinstance(value, dict) else ()
        found = [Recorded(json.loads(record["body"]), record["eventSourceARN"]) for record in records]
        found = found or [Recorded(value)]
        for recorded in found:
            recorded.event["source"], recorded.event["detail-type"], recorded.event["detail"].get("object")
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise RecordingError(
            f"{name} is no event of EventBridge and no batch of a queue that holds such events "
            f"({type(problem).__name__}: {problem}); give JSON like that in events/."
        ) from problem
    return found


class Localizer:
    """Puts this cloud's account, region and names into recorded events.

    Resources are recognised by their logical ids, which CloudFormation makes part of the names it generates.
    """

    def __init__(self, account: Account, stack: Stack) -> None:
        self._account = account
        queues = (queue.name for queue in stack.queues.values())
        self._names = {_logical_id(name): name for name in (*stack.notifying_buckets, *queues)}
        self._machine = stack.machines[0].name if len(stack.machines) == 1 else None

    def localize(self, recorded: Recorded) -> Recorded:
        """Return a recording as if it had been made here.

        Raises
        ------
        RecordingError
            It is about a bucket or a queue that this cloud does not have.
        """
        bucket = recorded.event["detail"].get("bucket", {}).get("name")
        queue = recorded.queue
        for what, name in (("bucket", bucket), ("queue", queue and queue.rpartition(":")[2])):
            if name is not None and self._name(name) not in self._names.values():
                known = ", ".join(sorted(self._names.values()))
                raise RecordingError(f"The event is about the {what} {name!r}; this cloud has {known}.")
        event = self._value(recorded.event, str(recorded.event.get("account")), str(recorded.event.get("region")))
        return Recorded(event, None if queue is None else self._arn(queue))

    def _value(self, value: Json, account: str, region: str) -> Json:
        if isinstance(value, dict):
            # A key of S3 is the user's text, whatever it looks like.
            return {
                name: entry if name in ("key", "input", "output") else self._value(entry, account, region)
                for name, entry in value.items()
            }
        if isinstance(value, list):
            return [self._value(entry, account, region) for entry in value]
        if not isinstance(value, str):
            return value
        if value.startswith("arn:"):
            return self._arn(value)
        return {account: self._account.id, region: self._account.region}.get(value) or self._name(value)

    def _arn(self, arn: str) -> str:
        prefix, partition, service, region, account, resource = arn.split(":", 5)
        parts = [prefix, partition, service, region and self._account.region, account and self._account.id]
        return ":".join([*parts, *self._resource(service, resource.split(":"))])

    def _resource(self, service: str, names: list[str]) -> Iterable[str]:
        if service == "states" and len(names) > 1 and self._machine is not None:
            return [names[0], self._machine, *names[2:]]
        return map(self._name, names)

    def _name(self, name: str) -> str:
        return self._names.get(_logical_id(name), name)


def _logical_id(name: str) -> str:
    """Return what tells a resource in its generated name; the name itself where it was not generated."""
    match = _GENERATED.fullmatch(name)
    return name if match is None else match["logical_id"].casefold()
