"""Lambda's asynchronous invocation: an event accepted at once, tried again where the function fails."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ionfleet_replay.account import Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.background import Background
from ionfleet_replay.clock import Clock
from ionfleet_replay.environment import Function
from ionfleet_replay.events import DeliveryError, send_message
from ionfleet_replay.functions import Functions, InvokeRefusedError
from ionfleet_replay.observations import EventLost, Observer
from ionfleet_replay.paths import Json

RETRY_DELAYS = (60.0, 120.0)
"""Seconds before the first and the second retry of a function that failed."""

LONGEST_THROTTLE = 300.0
"""Seconds between attempts while the function has no concurrency left: doubling from 1 up to this."""


class AsynchronousInvocations:
    """Takes events for functions; what a function fails on for good goes to its dead-letter queue."""

    def __init__(
        self,
        account: Account,
        functions: Functions,
        background: Background,
        clock: Clock,
        activity: Activity,
        observer: Observer,
    ) -> None:
        self._account = account
        self._functions = functions
        self._background = background
        self._clock = clock
        self._activity = activity
        self._observer = observer

    async def accept(self, _rule: str, arn: str, event: Mapping[str, Json]) -> None:
        """Take an event; it is processed after this has returned."""
        function, _ = self._functions.resolve(arn)
        self._activity.begin(f"asynchronous event of {function.logical_id}")
        self._background.start(self._process(function, arn, event))

    async def _process(self, function: Function, arn: str, event: Mapping[str, Json]) -> None:
        try:
            reason = await self._attempts(function, arn, event)
            if reason is not None:
                await self._give_up(function, event, reason)
        finally:
            self._activity.end(f"asynchronous event of {function.logical_id}")

    async def _attempts(self, function: Function, arn: str, event: Mapping[str, Json]) -> str | None:
        """Return None once the function has succeeded, else why it was given up."""
        policy = function.asynchronous
        started, failures, throttles = self._clock.now(), 0, 0
        while True:
            try:
                answer = await self._functions.invoke(arn, event)
                if answer.error is None:
                    return None
                reason = f"{answer.error['errorType']}: {answer.error['errorMessage']}"
                if failures >= policy.retries:
                    return reason
                wait = RETRY_DELAYS[failures]
                failures += 1
            except InvokeRefusedError as refused:
                reason = f"{refused.name}: {refused}"
                wait = min(2.0**throttles, LONGEST_THROTTLE)
                throttles += 1
            if self._clock.now() + wait - started > policy.max_age:
                return reason
            await self._clock.sleep(wait)

    async def _give_up(self, function: Function, event: Mapping[str, Json], reason: str) -> None:
        target = function.asynchronous.dead_letters
        if target is None:
            self._observer(EventLost(function.arn, reason, json.dumps(event)))
            return
        code, _, message = reason.partition(": ")
        try:
            facts = {"ErrorCode": code, "ErrorMessage": message}
            await send_message(self._account, function.role, target, json.dumps(event), facts)
        except DeliveryError as problem:
            self._observer(EventLost(target, f"{problem.code}: {problem}", json.dumps(event)))
