"""The functions of a cloud: who they are, and how many of their handlers run at one time."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ionfleet_replay.account import Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.background import Background
from ionfleet_replay.environment import (
    PAYLOAD_LIMIT,
    Environment,
    Function,
    Request,
    Result,
    Surroundings,
)
from ionfleet_replay.errors import ReplayError
from ionfleet_replay.faults import Faults, Kind
from ionfleet_replay.memory import Expectations, available_mb
from ionfleet_replay.observations import Invocation, InvocationEnded, Observer
from ionfleet_replay.paths import Json
from ionfleet_replay.slots import Slots

INVOCATION = "invocation of "
"""How the tally of what is in flight names invocations, before the function's logical id."""

IDLE_PER_WORKER = 4
"""Warm environments kept for each handler that may run at one time."""


@dataclass(frozen=True)
class Answer:
    """What an invocation gave: a payload, or an error in Lambda's shape, from a version of the function."""

    payload: Json
    error: Mapping[str, Json] | None
    version: str


class InvokeRefusedError(Exception):
    """The Lambda API gives no answer of the function, but an error of its own, by `name`."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def _ignore() -> None:
    """Nobody wants to know."""


class Functions:
    """The registry of functions. `workers` and its memory bound how many handlers run at one time on this machine."""

    def __init__(
        self,
        account: Account,
        workers: int,
        background: Background,
        activity: Activity,
        observer: Observer,
        faults: Faults,
    ) -> None:
        self.invocations: list[Invocation] = []
        self.workers = workers
        self._account = account
        self._background = background
        self._slots = Slots(workers, available_mb())
        self._expected = Expectations()
        self._activity = activity
        self._observer = observer
        self._faults = faults
        self._surroundings: Surroundings | None = None
        self._functions: dict[str, Function] = {}
        self._versions: dict[str, int] = {}
        self._running: Counter[str] = Counter()
        self._idle: list[Environment] = []
        self._busy: dict[str, Environment] = {}

    def open(self, surroundings: Surroundings) -> None:
        """Say where environments are to run; nothing can be invoked before."""
        self._surroundings = surroundings

    def add(self, function: Function, versions: int = 0) -> None:
        """Make a function known, with how many versions of it are published."""
        self._functions[function.arn] = function
        self._versions[function.arn] = versions

    def resolve(self, reference: str) -> tuple[Function, str]:
        """Return a function and its version by name, logical id or ARN, with or without a qualifier.

        Raises
        ------
        ReplayError
            No function is called that.
        """
        for function in self._functions.values():
            for known in (function.arn, function.name, function.logical_id):
                if reference == known:
                    return function, "$LATEST"
                qualifier = reference.removeprefix(f"{known}:")
                if qualifier != reference and self._has(function, qualifier):
                    return function, qualifier
        known_ids = ", ".join(function.logical_id for function in self._functions.values()) or "none"
        raise ReplayError(f"There is no function {reference!r}; there are: {known_ids}.")

    def _has(self, function: Function, qualifier: str) -> bool:
        published = self._versions[function.arn]
        return qualifier == "$LATEST" or (qualifier.isdecimal() and 1 <= int(qualifier) <= published)

    def worker(self, access_key: str) -> tuple[str, Callable[[], None]] | None:
        """Return who runs a handler and signs with an access key: the function's logical id, and what kills it."""
        environment = self._busy.get(access_key)
        return None if environment is None else (environment.function.logical_id, environment.interrupt)

    async def invoke(
        self,
        reference: str,
        payload: Json,
        *,
        begun: Callable[[], None] = _ignore,
        urgent: bool = True,
        faulty: bool = True,
    ) -> Answer:
        """Invoke a function and wait for its answer. Cancelling the wait does not stop the function, as on AWS.

        This machine has fewer places than AWS: `begun` is called once the function has one, and `urgent` calls get
        theirs first. Unless `faulty`, no fault strikes the call itself.

        Raises
        ------
        InvokeRefusedError
            The payload is too large, the function's reserved concurrency is used up, or a fault struck.
        """
        function, version = self.resolve(reference)
        event = json.dumps(payload)
        if len(event.encode()) > PAYLOAD_LIMIT:
            raise InvokeRefusedError("RequestTooLargeException", f"The event has over {PAYLOAD_LIMIT} bytes of JSON.")
        if function.reserved is not None and self._running[function.arn] >= function.reserved:
            raise InvokeRefusedError("TooManyRequestsException", "Rate Exceeded.")
        if faulty:
            self._fail(function)
        self._running[function.arn] += 1
        self._activity.begin(f"{INVOCATION}{function.logical_id}")
        request = Request(str(uuid.uuid4()), version, event)
        answer: Answer = await asyncio.shield(
            self._background.start(self._run(function, request, begun, urgent=urgent))
        )
        if faulty and self._faults.strike(Kind.CALL_UNANSWERED, function.logical_id) is not None:
            raise InvokeRefusedError("SdkClientException", "The connection was lost (injected fault).")
        return answer

    def _fail(self, function: Function) -> None:
        """Refuse a call that a fault strikes before any handler runs."""
        if self._faults.strike(Kind.CALL_THROTTLED, function.logical_id) is not None:
            raise InvokeRefusedError("TooManyRequestsException", "Rate Exceeded (injected fault).")
        if self._faults.strike(Kind.CALL_FAILED, function.logical_id) is not None:
            raise InvokeRefusedError("ServiceException", "Lambda failed (injected fault).")

    async def _run(self, function: Function, request: Request, begun: Callable[[], None], *, urgent: bool) -> Answer:
        try:
            memory = partial(self._expected.of, function.arn, function.memory_mb)
            async with self._slots.place(urgent=urgent, memory=memory):
                begun()
                environment = self._environment(function, request.version)
                self._busy[environment.access_key] = environment
                result = await environment.call(request)
                del self._busy[environment.access_key]
                if environment.alive:
                    await self._keep(environment)
            self._expected.learn(function.arn, result.peak_mb)
            self._record(function, request, result)
            return Answer(result.payload, result.error, request.version)
        finally:
            self._running[function.arn] -= 1
            self._activity.end(f"{INVOCATION}{function.logical_id}")

    def _environment(self, function: Function, version: str) -> Environment:
        """Return the environment of the function's version that was used last, or a new one."""
        for environment in reversed(self._idle):
            if (environment.function.arn, environment.version) == (function.arn, version):
                self._idle.remove(environment)
                return environment
        if self._surroundings is None:
            raise ReplayError(f"The function {function.logical_id!r} was invoked before the cloud was started.")
        return Environment(function, version, self._account.session(function.role), self._surroundings)

    async def _keep(self, environment: Environment) -> None:
        self._idle.append(environment)
        if len(self._idle) > IDLE_PER_WORKER * self.workers:
            await self._idle.pop(0).close()

    def _record(self, function: Function, request: Request, result: Result) -> None:
        invocation = Invocation(
            function=function.logical_id,
            request_id=request.request_id,
            started=result.started,
            duration=result.duration,
            outcome="ok" if result.error is None else str(result.error["errorType"]),
            max_rss_mb=result.peak_mb,
            cold=result.cold,
        )
        self.invocations.append(invocation)
        self._observer(InvocationEnded(invocation))
