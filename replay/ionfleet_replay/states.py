"""The interpreter of state machine definitions.

One coroutine per execution, branch or map child. The clock, the randomness of retries and the services are given,
so that a test can run any definition without a cloud.
"""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from ionfleet_replay import definition as asl
from ionfleet_replay.clock import Clock, cancel, within
from ionfleet_replay.map_runs import MapRunRecord, MapRuns
from ionfleet_replay.observations import MapProgress, Observer, StateEntered, StateExited
from ionfleet_replay.paths import Expression, Json, Path, StateError, compact

PAYLOAD_LIMIT = 256 * 1024
"""Bytes of UTF-8 JSON that a state may take or give."""

UNCATCHABLE = frozenset({"States.Runtime"})
"""Errors that neither Retry nor Catch sees."""

NOT_IN_ALL = frozenset({"States.Runtime", "States.DataLimitExceeded"})
"""Errors that `States.ALL` does not mean."""


class Services(Protocol):
    """What Task states and item readers call; failures are `StateError`."""

    async def call(self, integration: str, parameters: Json, begun: Callable[[], None]) -> Json:
        """Call a service integration and return its result; `begun` is to be called once the work begins."""

    async def read(self, bucket: str, key: str) -> bytes:
        """Return an object of S3."""


@dataclass(frozen=True)
class Scope:
    """The execution that a state runs in: its context object, and its name where its states are reported."""

    context: Mapping[str, Json]
    reported_as: str | None

    def at(self, state: str, entered: str, retries: int) -> Mapping[str, Json]:
        """Return the context object as a state sees it."""
        return {**self.context, "State": {"Name": state, "EnteredTime": entered, "RetryCount": retries}}


def timestamp(moment: float) -> str:
    """Return seconds since the epoch as Step Functions writes times."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def matches(error: str, names: Sequence[str]) -> bool:
    """Return whether an `ErrorEquals` list means an error."""
    if error in UNCATCHABLE:
        return False
    if error in names:
        return True
    if error in NOT_IN_ALL:
        return False
    return "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout")


def limited(value: Json, what: str) -> Json:
    """Return `value`, or fail where its JSON is longer than `PAYLOAD_LIMIT`."""
    size = len(compact(value).encode())
    if size > PAYLOAD_LIMIT:
        cause = f"{what} is {size} bytes of JSON, more than the limit of {PAYLOAD_LIMIT}"
        raise StateError("States.DataLimitExceeded", cause)
    return value


def _selected(path: Path | None, data: Json, context: Mapping[str, Json]) -> Json:
    return {} if path is None else path.evaluate(data, context)


def _templated(template: Expression | None, data: Json, context: Mapping[str, Json]) -> Json:
    return data if template is None else template.evaluate(data, context)


def _placed(path: Path | None, data: Json, result: Json) -> Json:
    return data if path is None else path.insert(data, result)


@dataclass
class Interpreter:
    """Runs definitions.

    `observer` hears of states and maps. `width` bounds the children that a map runs at one time beside its
    MaxConcurrency: more than the machine can work on would only wait. `random` decides the jitter of retries, and
    `map_runs` keeps what maps came to.
    """

    clock: Clock
    services: Services
    observer: Observer
    width: int | None = None
    random: random.Random = field(default_factory=random.Random)
    map_runs: MapRuns = field(default_factory=MapRuns)

    async def run(self, machine: asl.Machine, data: Json, scope: Scope) -> Json:
        """Run a machine on its input and return its output.

        Raises
        ------
        StateError
            The error that ended it.
        """
        name: str | None = machine.start
        while name is not None:
            state = machine.states[name]
            self._report(StateEntered, scope, state)
            try:
                data, name = await self._step(state, data, scope)
                limited(data, f"The output of state {state.name!r}")
            finally:
                self._report(StateExited, scope, state)
        return data

    def _report(self, kind: Callable[[str, str], StateEntered | StateExited], scope: Scope, state: asl.State) -> None:
        if scope.reported_as is not None:
            self.observer(kind(scope.reported_as, state.name))

    async def _step(self, state: asl.State, data: Json, scope: Scope) -> tuple[Json, str | None]:
        entered = timestamp(self.clock.stamp())
        if isinstance(state, asl.Working):
            return await self._work(state, data, scope, entered)
        context = scope.at(state.name, entered, 0)
        chosen = _selected(state.input_path, data, context)
        target = state.next
        match state:
            case asl.Pass():
                result = _templated(state.result, _templated(state.parameters, chosen, context), context)
                chosen = _placed(state.result_path, data, result)
            case asl.Choice():
                target = self._choose(state, chosen, context)
            case asl.Wait():
                await self.clock.sleep(_seconds(state.seconds.evaluate(chosen, context)))
            case asl.Fail():
                raise StateError(
                    state.error.evaluate(chosen, context) or "",
                    state.cause.evaluate(chosen, context) or "",
                )
        return _selected(state.output_path, chosen, context), target

    def _choose(self, state: asl.Choice, data: Json, context: Mapping[str, Json]) -> str:
        for condition, target in state.rules:
            if condition.holds(data, context):
                return target
        if state.default is None:
            raise StateError("States.NoChoiceMatched", f"No rule of {state.name!r} holds and it has no Default")
        return state.default

    async def _work(self, state: asl.Working, data: Json, scope: Scope, entered: str) -> tuple[Json, str | None]:
        retries: Counter[int] = Counter()
        while True:
            context = scope.at(state.name, entered, retries.total())
            try:
                return await self._attempt(state, data, context, scope), state.next
            except StateError as failure:
                delay = self._delay(state, failure, retries)
                if delay is None:
                    return self._caught(state, data, failure)
            await self.clock.sleep(delay)

    async def _attempt(self, state: asl.Working, data: Json, context: Mapping[str, Json], scope: Scope) -> Json:
        chosen = _selected(state.input_path, data, context)
        parameters = _templated(state.parameters, chosen, context)
        match state:
            case asl.Task():
                result = await self._task(state, parameters)
            case asl.Parallel():
                result = await self._parallel(state, parameters, scope)
            case asl.Map():
                result = await self._map(state, parameters, context, scope)
            case _:
                raise TypeError(f"{type(state).__name__} is not a state that works")
        limited(result, f"The result of state {state.name!r}")
        selected = _templated(state.result_selector, result, context)
        return _selected(state.output_path, _placed(state.result_path, data, selected), context)

    def _delay(self, state: asl.Working, failure: StateError, retries: Counter[int]) -> float | None:
        for index, retrier in enumerate(state.retry):
            if matches(failure.error, retrier.errors):
                if retries[index] >= retrier.attempts:
                    return None
                longest = retrier.delay(retries[index])
                retries[index] += 1
                return self.random.uniform(0, longest) if retrier.full_jitter else longest
        return None

    def _caught(self, state: asl.Working, data: Json, failure: StateError) -> tuple[Json, str]:
        for catcher in state.catch:
            if matches(failure.error, catcher.errors):
                error = {"Error": failure.error, "Cause": failure.cause}
                return _placed(catcher.result_path, data, error), catcher.next
        raise failure

    async def _task(self, state: asl.Task, parameters: Json) -> Json:
        begun = asyncio.Event()
        work = self.services.call(state.integration, parameters, begun.set)
        try:
            return await within(self.clock, state.timeout, work, since=begun)
        except TimeoutError as problem:
            raise StateError("States.Timeout", f"State {state.name!r} was {problem}") from problem

    async def _parallel(self, state: asl.Parallel, data: Json, scope: Scope) -> list[Json]:
        return await _together([self.run(branch, data, scope) for branch in state.branches])

    async def _map(self, state: asl.Map, data: Json, context: Mapping[str, Json], scope: Scope) -> list[Json]:
        inputs = self._batched(state, await self._items(state, data, context), data, context)
        width = state.max_concurrency.evaluate(data, context)
        if not isinstance(width, int) or width < 0:
            raise StateError("States.Runtime", f"The concurrency of {state.name!r} is {width!r}, which is no count.")
        return await MapRun(self, state, inputs, scope, width).results()

    async def _items(self, state: asl.Map, data: Json, context: Mapping[str, Json]) -> list[Json]:
        if state.reader is None:
            items = state.items_path.evaluate(data, context)
            if not isinstance(items, list):
                raise StateError("States.Runtime", f"ItemsPath {state.items_path.text!r} does not lead to an array")
        else:
            source = state.reader.evaluate(data, context)
            items = _json_lines(await self.services.read(source["Bucket"], source["Key"]), source["Key"])
        items = items[: state.max_items]
        if state.selector is None:
            return items
        return [
            state.selector.evaluate(data, {**context, "Map": {"Item": {"Index": index, "Value": item}}})
            for index, item in enumerate(items)
        ]

    def _batched(self, state: asl.Map, items: list[Json], data: Json, context: Mapping[str, Json]) -> list[Json]:
        if state.batcher is None:
            return items
        shared = {} if state.batcher.shared is None else {"BatchInput": state.batcher.shared.evaluate(data, context)}
        batches: list[Json] = []
        for item in items:
            if not batches or not _fits(state.batcher, batches[-1], item):
                batches.append({**shared, "Items": []})
            batches[-1]["Items"].append(item)
        return batches


def _seconds(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise StateError("States.Runtime", f"{value!r} is not a number of seconds to wait")
    return float(value)


def _fits(batcher: asl.Batcher, batch: Json, item: Json) -> bool:
    if batcher.items is not None and len(batch["Items"]) >= batcher.items:
        return False
    limit = PAYLOAD_LIMIT if batcher.size is None else batcher.size
    return len(compact({**batch, "Items": [*batch["Items"], item]}).encode()) <= limit


def _json_lines(content: bytes, key: str) -> list[Json]:
    try:
        return [json.loads(line) for line in content.splitlines() if line.strip()]
    except ValueError as problem:
        raise StateError("States.ItemReaderFailed", f"{key!r} is not JSON Lines: {problem}") from problem


async def _together(work: Sequence[Coroutine[None, None, Json]]) -> list[Json]:
    """Run coroutines side by side; the first that fails cancels the others and fails the whole."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await cancel(*tasks)


class MapRun:
    """One run of a distributed map: children side by side, up to the map's MaxConcurrency."""

    def __init__(
        self, interpreter: Interpreter, state: asl.Map, inputs: list[Json], scope: Scope, max_concurrency: int
    ) -> None:
        self._interpreter = interpreter
        self._state = state
        self._inputs = inputs
        self._scope = scope
        self._waiting = deque(range(len(inputs)))
        self._outputs: dict[int, Json] = {}
        self._failed = 0
        self._record = MapRunRecord(
            execution=scope.context["Execution"]["Id"],
            label=state.label,
            sizes=[1 if state.batcher is None else len(batch["Items"]) for batch in inputs],
            max_concurrency=max_concurrency,
            tolerated_count=state.tolerated_count or 0,
            tolerated_percentage=state.tolerated_percentage or 0.0,
            started=interpreter.clock.now(),
        )
        interpreter.map_runs.add(self._record)

    async def results(self) -> list[Json]:
        """Return the outputs of the children that succeeded, in the order of the items.

        Raises
        ------
        StateError
            `States.ExceedToleratedFailureThreshold`; children that have not begun never do, running ones are ended.
        """
        self._report()
        bounds = [bound for bound in (self._record.max_concurrency, self._interpreter.width) if bound]
        now = self._interpreter.clock.now
        try:
            await _together([self._lane() for _ in range(min([len(self._inputs), *bounds]))])
        except StateError:
            self._record.end("FAILED", now())
            raise
        except BaseException:
            self._record.end("ABORTED", now())
            raise
        self._record.end("SUCCEEDED", now())
        return [self._outputs[index] for index in sorted(self._outputs)]

    async def _lane(self) -> None:
        while self._waiting:
            index = self._waiting.popleft()
            self._record.children[index] = "running"
            try:
                self._outputs[index] = await self._child(self._inputs[index])
            except StateError as failure:
                self._record.children[index] = "failed"
                self._failed += 1
                if self._state.fails(self._failed, len(self._inputs)):
                    self._waiting.clear()
                    self._report()
                    cause = f"{self._failed} of {len(self._inputs)} items failed, the last with {failure}"
                    raise StateError("States.ExceedToleratedFailureThreshold", cause) from failure
            else:
                self._record.children[index] = "succeeded"
            self._report()

    def _report(self) -> None:
        if self._scope.reported_as is not None:
            progress = (len(self._inputs), len(self._outputs), self._failed)
            self._interpreter.observer(MapProgress(self._scope.reported_as, self._state.name, *progress))

    async def _child(self, data: Json) -> Json:
        limited(data, f"The input of a child of map {self._state.name!r}")
        parent = self._scope.context["Execution"]
        name = str(uuid.uuid4())
        machine, _, _ = parent["Id"].rpartition(":")
        execution = {
            **parent,
            "Id": f"{machine}/{self._state.label}:{name}",
            "Name": name,
            "Input": data,
            "StartTime": timestamp(self._interpreter.clock.stamp()),
        }
        scope = replace(self._scope, context={**self._scope.context, "Execution": execution}, reported_as=None)
        return await self._interpreter.run(self._state.processor, data, scope)
