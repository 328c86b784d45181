"""The event bus: events in their real shapes, rules, and delivery to targets with retries and dead-letter queues."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from botocore.exceptions import BotoCoreError, ClientError

from ionfleet_replay.account import Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.background import Background
from ionfleet_replay.clock import Clock
from ionfleet_replay.faults import LONGEST_DELAY, Faults, Kind
from ionfleet_replay.hooks import Written
from ionfleet_replay.observations import EventLost, Observer, RuleMatched
from ionfleet_replay.paths import Json
from ionfleet_replay.patterns import Pattern

FIRST_RETRY = 1.0
LONGEST_RETRY = 300.0
"""Seconds between attempts at delivery: doubling from the first to the longest."""

_sequence = itertools.count()


@dataclass(frozen=True)
class Target:
    """Where a rule sends events; `max_age` in seconds, `dead_letters` the ARN of a queue."""

    arn: str
    retries: int = 185
    max_age: float = 24 * 3600.0
    dead_letters: str | None = None


@dataclass(frozen=True)
class Rule:
    """Which events go where."""

    arn: str
    pattern: Pattern
    targets: tuple[Target, ...]


class DeliveryError(Exception):
    """A target did not take an event; `code` as EventBridge reports it to the dead-letter queue."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


Deliver = Callable[[str, str, Mapping[str, Json]], Awaitable[None]]
"""Takes a rule's ARN, its target's ARN and an event; raises `DeliveryError`."""


def envelope(account: Account, source: str, kind: str, moment: float, resources: list[str], detail: Json) -> Json:
    """Return an event as EventBridge delivers it."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": kind,
        "source": source,
        "account": account.id,
        "time": datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": account.region,
        "resources": resources,
        "detail": detail,
    }


def object_created(account: Account, written: Written, moment: float) -> Json:
    """Return the event of an object that was written; later writes have greater sequencers."""
    described: dict[str, Json] = {"key": written.key, "size": written.size, "etag": written.etag}
    if written.version is not None:
        described["version-id"] = written.version
    described["sequencer"] = f"{int(moment):016X}{next(_sequence):08X}"
    detail = {
        "version": "0",
        "bucket": {"name": written.bucket},
        "object": described,
        "request-id": secrets.token_hex(8).upper(),
        "requester": account.id,
        "source-ip-address": "127.0.0.1",
        "reason": written.reason,
    }
    return envelope(account, "aws.s3", "Object Created", moment, [f"arn:aws:s3:::{written.bucket}"], detail)


@dataclass(frozen=True)
class ExecutionStatus:
    """What an execution status event tells; times in seconds since the epoch, input and output as JSON text."""

    arn: str
    machine: str
    name: str
    status: str
    started: float
    input: str
    stopped: float | None = None
    output: str | None = None
    error: str | None = None
    cause: str | None = None


def execution_status_changed(account: Account, execution: ExecutionStatus, moment: float) -> Json:
    """Return the event of an execution that started or ended."""
    unsuccessful = execution.status in ("FAILED", "TIMED_OUT", "ABORTED")
    detail = {
        "executionArn": execution.arn,
        "stateMachineArn": execution.machine,
        "name": execution.name,
        "status": execution.status,
        "startDate": int(execution.started * 1000),
        "stopDate": None if execution.stopped is None else int(execution.stopped * 1000),
        "input": execution.input,
        "output": execution.output,
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": 0,
        "redriveDate": None,
        "redriveStatus": "REDRIVABLE" if unsuccessful else "NOT_REDRIVABLE",
        "redriveStatusReason": None if unsuccessful else f"Execution is {execution.status} and cannot be redriven",
        "inputDetails": {"included": True},
        "outputDetails": None if execution.output is None else {"included": True},
        "error": execution.error,
        "cause": execution.cause,
    }
    return envelope(account, "aws.states", "Step Functions Execution Status Change", moment, [execution.arn], detail)


class EventBus:
    """Delivers each event at least once to every target whose rule matches it."""

    def __init__(
        self,
        account: Account,
        background: Background,
        clock: Clock,
        activity: Activity,
        observer: Observer,
        faults: Faults,
    ) -> None:
        self.rules: list[Rule] = []
        self._account = account
        self._background = background
        self._clock = clock
        self._activity = activity
        self._observer = observer
        self._faults = faults
        self._services: dict[str, Deliver] = {"sqs": self._to_queue}

    def serve(self, service: str, deliver: Deliver) -> None:
        """Say how targets of a service get their events."""
        self._services[service] = deliver

    def publish(self, event: Mapping[str, Json]) -> None:
        """Deliver an event soon; may be called from any thread."""
        self._activity.begin("event")
        self._background.start_soon(lambda: self._dispatch(event))

    async def _dispatch(self, event: Mapping[str, Json]) -> None:
        try:
            matching = [rule for rule in self.rules if rule.pattern(event)]
            for rule in matching:
                self._observer(RuleMatched(event["id"], rule.arn, tuple(target.arn for target in rule.targets)))
            await asyncio.gather(
                *(
                    self._deliver(rule, target, event, delay)
                    for rule in matching
                    for target in rule.targets
                    for delay in self._delays(event)
                )
            )
        finally:
            self._activity.end("event")

    def _delays(self, event: Mapping[str, Json]) -> list[float]:
        """Return after how many seconds each delivery of an event is made: one, at once, unless a fault strikes."""
        what = _subject(event)
        late = self._faults.strike(Kind.EVENT_DELAYED, what)
        again = self._faults.strike(Kind.EVENT_DUPLICATED, what)
        return [LONGEST_DELAY * (late or 0.0), *([] if again is None else [LONGEST_DELAY * again])]

    async def _deliver(self, rule: Rule, target: Target, event: Mapping[str, Json], delay: float) -> None:
        if delay:
            await self._clock.sleep(delay)
        deliver = self._services[target.arn.split(":")[2]]
        started, attempt = self._clock.now(), 0
        while True:
            try:
                return await deliver(rule.arn, target.arn, event)
            except DeliveryError as failure:
                wait = min(FIRST_RETRY * 2**attempt, LONGEST_RETRY)
                aged = self._clock.now() + wait - started > target.max_age
                if aged or attempt >= target.retries:
                    condition = "MaximumEventAgeInSeconds" if aged else "MaximumRetryAttempts"
                    return await self._give_up(rule, target, event, failure, attempt, condition)
            await self._clock.sleep(wait)
            attempt += 1

    async def _give_up(
        self, rule: Rule, target: Target, event: Mapping[str, Json], failure: DeliveryError, retries: int, limit: str
    ) -> None:
        if target.dead_letters is None:
            self._observer(EventLost(target.arn, f"{failure.code}: {failure}", json.dumps(event)))
            return
        facts = {
            "RULE_ARN": rule.arn,
            "TARGET_ARN": target.arn,
            "ERROR_CODE": failure.code,
            "ERROR_MESSAGE": str(failure),
            "EXHAUSTED_RETRY_CONDITION": limit,
            "RETRY_ATTEMPTS": str(retries),
        }
        try:
            await self._to_queue(rule.arn, target.dead_letters, event, facts)
        except DeliveryError as problem:
            self._observer(EventLost(target.dead_letters, f"{problem.code}: {problem}", json.dumps(event)))

    async def _to_queue(
        self, rule: str, arn: str, event: Mapping[str, Json], facts: Mapping[str, str] | None = None
    ) -> None:
        await send_message(self._account, rule, arn, json.dumps(event), facts or {})


def _subject(event: Mapping[str, Json]) -> str:
    """Return what kind of event it is and what it is about."""
    detail = event["detail"]
    about = detail["object"]["key"] if "object" in detail else f"{detail.get('name')} {detail.get('status')}"
    return f"{event['detail-type']}: {about}"


def queue_url(account: Account, arn: str) -> str:
    """Return the URL of a queue of this cloud."""
    return f"{account.endpoint_url}/{account.id}/{arn.rpartition(':')[2]}"


async def send_message(account: Account, principal: str, arn: str, body: str, facts: Mapping[str, str]) -> None:
    """Put a message into a queue through the API, with attributes, as a principal; raises `DeliveryError`."""
    attributes = {name: {"DataType": "String", "StringValue": value[:1024]} for name, value in facts.items() if value}
    try:
        await account.call(
            "sqs",
            principal,
            "send_message",
            QueueUrl=queue_url(account, arn),
            MessageBody=body,
            MessageAttributes=attributes,
        )
    except ClientError as problem:
        raise DeliveryError(problem.response["Error"]["Code"], str(problem)) from problem
    except BotoCoreError as problem:
        raise DeliveryError("SDK_CLIENT_ERROR", str(problem)) from problem
