"""Definitions of state machines: the subset of the Amazon States Language that is implemented, checked at load.

Every field is either understood or a `DefinitionError` naming the state and the field; nothing waits for run time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from ionfleet_replay.conditions import Condition, parse_condition
from ionfleet_replay.errors import DefinitionError
from ionfleet_replay.fields import Fields
from ionfleet_replay.paths import Expression, Json, Literal, Path, Template, parse_expression, parse_template

ROOT = Path.parse("$")


@dataclass(frozen=True)
class Signature:
    """The parameters of a service integration that are implemented.

    `constant` ones may not be computed, those of `choices` are constants of which only some are implemented.
    """

    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    constant: frozenset[str] = frozenset()
    choices: Mapping[str, Collection[str]] = field(default_factory=dict)


INTEGRATIONS: Mapping[str, Signature] = {
    "lambda:invoke": Signature(
        frozenset({"FunctionName"}),
        frozenset({"Payload", "InvocationType"}),
        frozenset({"FunctionName"}),
        {"InvocationType": ("Event", "RequestResponse")},
    ),
    "aws-sdk:s3:putObject": Signature(
        frozenset({"Bucket", "Key", "Body"}), frozenset({"ContentType", "IfNoneMatch", "ExpectedBucketOwner"})
    ),
    "sns:publish": Signature(frozenset({"TopicArn", "Message"}), frozenset({"Subject", "MessageAttributes"})),
}
"""Service integrations of Task states."""

READER = Signature(frozenset({"Bucket", "Key"}))
"""The parameters of an item reader."""


@dataclass(frozen=True)
class Retrier:
    """One entry of `Retry`; times in seconds."""

    errors: tuple[str, ...]
    interval: float
    rate: float
    attempts: int
    max_delay: float | None
    full_jitter: bool

    def delay(self, attempt: int) -> float:
        """Return the longest wait before retry number `attempt`, counted from 0."""
        seconds = self.interval * self.rate**attempt
        return seconds if self.max_delay is None else min(seconds, self.max_delay)


@dataclass(frozen=True)
class Catcher:
    """One entry of `Catch`; a `result_path` of None discards the error."""

    errors: tuple[str, ...]
    next: str
    result_path: Path | None


@dataclass(frozen=True, kw_only=True)
class State:
    """What every state has; `next` is None where the machine ends."""

    name: str
    next: str | None
    input_path: Path | None = ROOT
    output_path: Path | None = ROOT


@dataclass(frozen=True, kw_only=True)
class Working(State):
    """What Task, Parallel and Map states share; a `result_path` of None discards the result."""

    parameters: Expression | None = None
    result_selector: Expression | None = None
    result_path: Path | None = ROOT
    retry: tuple[Retrier, ...] = ()
    catch: tuple[Catcher, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Task(Working):
    """Calls one service integration."""

    integration: str
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pass(State):
    """Gives a constant, or its input, or what a template makes of it."""

    result: Expression | None = None
    parameters: Expression | None = None
    result_path: Path | None = ROOT


@dataclass(frozen=True, kw_only=True)
class Choice(State):
    """Goes where the first condition that holds says."""

    rules: tuple[tuple[Condition, str], ...]
    default: str | None


@dataclass(frozen=True, kw_only=True)
class Wait(State):
    """Waits for some seconds."""

    seconds: Expression


@dataclass(frozen=True, kw_only=True)
class Succeed(State):
    """Ends the machine well."""


@dataclass(frozen=True, kw_only=True)
class Fail(State):
    """Ends the machine with an error."""

    error: Expression
    cause: Expression


@dataclass(frozen=True, kw_only=True)
class Parallel(Working):
    """Runs machines side by side on the same input."""

    branches: tuple[Machine, ...]


@dataclass(frozen=True)
class Batcher:
    """How items are put together for one child."""

    items: int | None
    size: int | None
    shared: Expression | None


@dataclass(frozen=True, kw_only=True)
class Map(Working):
    """A distributed map; items come from a JSON Lines object, or from `items_path` where `reader` is None."""

    processor: Machine
    reader: Expression | None = None
    max_items: int | None = None
    items_path: Path = ROOT
    selector: Expression | None = None
    batcher: Batcher | None = None
    max_concurrency: Expression = Literal(0)  # noqa: RUF009 - a constant is immutable
    tolerated_count: int | None = None
    tolerated_percentage: float | None = None
    label: str

    def fails(self, failed: int, total: int) -> bool:
        """Return whether so many failed items fail the map."""
        if self.tolerated_count is None and self.tolerated_percentage is None:
            return failed > 0
        too_many = self.tolerated_count is not None and failed > self.tolerated_count
        too_large = self.tolerated_percentage is not None and failed * 100 > self.tolerated_percentage * total
        return too_many or too_large


@dataclass(frozen=True)
class Machine:
    """A whole definition, a branch of a Parallel state, or the processor of a Map."""

    start: str
    states: Mapping[str, State]
    timeout: float | None = None


def _path(fields: Fields, name: str) -> Path | None:
    """Return a path field: `$` where it is missing, None where it is null."""
    if name in fields:
        value = fields.take(name)
        return None if value is None else _parsed_path(fields, name, value)
    return ROOT


def _parsed_path(fields: Fields, name: str, value: Json) -> Path:
    try:
        return Path.parse(value)
    except (ValueError, AttributeError) as problem:
        raise fields.error(name, str(problem)) from problem


def _fields(state: str, values: Json) -> Fields:
    return Fields(state, values, partial(DefinitionError, state))


def load(text: str) -> Machine:
    """Parse and check a definition in JSON.

    Raises
    ------
    DefinitionError
        Naming the state and the field that is wrong or not implemented.
    """
    fields = _fields("(definition)", json.loads(text))
    fields.ignore("Comment", "Version")
    _only_jsonpath(fields)
    timeout = fields.parsed("TimeoutSeconds", float)
    return _machine(fields, timeout)


def calls(machine: Machine) -> Iterator[tuple[str, str]]:
    """Yield every task that calls a function named by a constant, and that name; branches and maps included."""
    for state in machine.states.values():
        if isinstance(state, Task) and isinstance(state.parameters, Template):
            name = state.parameters.fields.get("FunctionName")
            if isinstance(name, Literal):
                yield state.name, str(name.value)
        elif isinstance(state, Parallel):
            for branch in state.branches:
                yield from calls(branch)
        elif isinstance(state, Map):
            yield from calls(state.processor)


def has_map(machine: Machine) -> bool:
    """Return whether a definition has a map in it, branches included."""
    return any(
        isinstance(state, Map) or (isinstance(state, Parallel) and any(map(has_map, state.branches)))
        for state in machine.states.values()
    )


def _only_jsonpath(fields: Fields) -> None:
    fields.one_of("QueryLanguage", ("JSONPath",), default="JSONPath")


def _machine(fields: Fields, timeout: float | None = None) -> Machine:
    start = fields.of(str, "StartAt")
    states = {name: _state(name, values) for name, values in fields.of(dict, "States").items()}
    if start not in states:
        raise fields.error("StartAt", f"there is no state {start!r}")
    fields.finish()
    for state in states.values():
        for label, target in _targets(state):
            if target not in states:
                raise DefinitionError(state.name, label, f"there is no state {target!r}")
    return Machine(start, states, timeout)


def _targets(state: State) -> list[tuple[str, str]]:
    targets = [("Next", state.next)]
    if isinstance(state, Working):
        targets += [("Catch", catcher.next) for catcher in state.catch]
    if isinstance(state, Choice):
        targets += [("Choices", target) for _, target in state.rules] + [("Default", state.default)]
    return [(label, target) for label, target in targets if target is not None]


def _state(name: str, values: Json) -> State:
    fields = _fields(name, values)
    fields.ignore("Comment")
    kind = fields.one_of("Type", tuple(_PARSERS))
    _only_jsonpath(fields)
    state = _PARSERS[kind](fields)
    fields.finish()
    return state


def _next(fields: Fields) -> str | None:
    target, end = fields.parsed("Next", str), fields.take("End", False)
    if (target is None) != (end is True):
        raise fields.error("Next", "a state has either Next or End: true")
    return target


def _working(fields: Fields) -> dict[str, Json]:
    return {
        "name": fields.owner,
        "next": _next(fields),
        "input_path": _path(fields, "InputPath"),
        "output_path": _path(fields, "OutputPath"),
        "parameters": fields.parsed("Parameters", parse_template),
        "result_selector": fields.parsed("ResultSelector", parse_template),
        "result_path": _path(fields, "ResultPath"),
        "retry": tuple(_retrier(entry) for entry in fields.entries("Retry")),
        "catch": tuple(_catcher(entry) for entry in fields.entries("Catch")),
    }


def _retrier(fields: Fields) -> Retrier:
    fields.ignore("Comment")
    jitter = fields.one_of("JitterStrategy", ("NONE", "FULL"), default="NONE")
    retrier = Retrier(
        errors=tuple(fields.of(list, "ErrorEquals")),
        interval=float(fields.of((int, float), "IntervalSeconds", 1)),
        rate=float(fields.of((int, float), "BackoffRate", 2.0)),
        attempts=fields.of(int, "MaxAttempts", 3),
        max_delay=fields.parsed("MaxDelaySeconds", float),
        full_jitter=jitter == "FULL",
    )
    fields.finish()
    return retrier


def _catcher(fields: Fields) -> Catcher:
    fields.ignore("Comment")
    catcher = Catcher(tuple(fields.of(list, "ErrorEquals")), fields.of(str, "Next"), _path(fields, "ResultPath"))
    fields.finish()
    return catcher


def _task(fields: Fields) -> Task:
    resource = fields.of(str, "Resource")
    integration = resource.partition(":states:::")[2]
    if integration not in INTEGRATIONS:
        raise fields.error("Resource", f"{resource!r} is not implemented; known: {', '.join(INTEGRATIONS)}")
    timeout = fields.parsed("TimeoutSeconds", float)
    state = Task(**_working(fields), integration=integration, timeout=timeout)
    _check_parameters(fields, state.parameters, INTEGRATIONS[integration])
    return state


def _check_parameters(fields: Fields, template: Expression | None, signature: Signature) -> None:
    if not isinstance(template, Template):
        raise fields.error("Parameters", "an object with constant names was expected")
    for name, value in template.fields.items():
        if name not in signature.required | signature.optional:
            raise fields.error(f"Parameters.{name}", "is not implemented by the local interpreter")
        if name in signature.constant and not isinstance(value, Literal):
            raise fields.error(f"Parameters.{name}", "is not implemented as a computed value")
        if name in signature.choices and not (isinstance(value, Literal) and value.value in signature.choices[name]):
            raise fields.error(f"Parameters.{name}", f"is implemented as {' or '.join(signature.choices[name])} only")
    for name in signature.required - set(template.fields):
        raise fields.error(f"Parameters.{name}", "missing")


def _pass(fields: Fields) -> Pass:
    return Pass(
        name=fields.owner,
        next=_next(fields),
        input_path=_path(fields, "InputPath"),
        output_path=_path(fields, "OutputPath"),
        result=fields.parsed("Result", Literal),
        parameters=fields.parsed("Parameters", parse_template),
        result_path=_path(fields, "ResultPath"),
    )


def _choice(fields: Fields) -> Choice:
    rules = []
    for entry in fields.entries("Choices"):
        entry.ignore("Comment")
        target = entry.of(str, "Next")
        rules.append((parse_condition(entry), target))
        entry.finish()
    return Choice(
        name=fields.owner,
        next=None,
        input_path=_path(fields, "InputPath"),
        output_path=_path(fields, "OutputPath"),
        rules=tuple(rules),
        default=fields.parsed("Default", str),
    )


def _wait(fields: Fields) -> Wait:
    seconds = fields.parsed("Seconds", Literal) or fields.parsed("SecondsPath", parse_expression)
    if seconds is None:
        raise fields.error("Seconds", "missing; only Seconds and SecondsPath are implemented")
    return Wait(
        name=fields.owner,
        next=_next(fields),
        input_path=_path(fields, "InputPath"),
        output_path=_path(fields, "OutputPath"),
        seconds=seconds,
    )


def _succeed(fields: Fields) -> Succeed:
    paths = _path(fields, "InputPath"), _path(fields, "OutputPath")
    return Succeed(name=fields.owner, next=None, input_path=paths[0], output_path=paths[1])


def _fail(fields: Fields) -> Fail:
    def text(name: str) -> Expression:
        return fields.parsed(name, Literal) or fields.parsed(f"{name}Path", parse_expression) or Literal(None)

    return Fail(name=fields.owner, next=None, error=text("Error"), cause=text("Cause"))


def _parallel(fields: Fields) -> Parallel:
    branches = tuple(_machine(entry) for entry in fields.entries("Branches"))
    return Parallel(**_working(fields), branches=branches)


def _map(fields: Fields) -> Map:
    if "Parameters" in fields:
        raise fields.error("Parameters", "is not implemented on a Map; use ItemSelector")
    processor = fields.section("ItemProcessor")
    config = processor.section("ProcessorConfig")
    config.one_of("Mode", ("DISTRIBUTED",))
    config.one_of("ExecutionType", ("STANDARD",))
    config.finish()
    reader, max_items = _reader(fields)
    batcher = _batcher(fields.section("ItemBatcher")) if "ItemBatcher" in fields else None
    return Map(
        processor=_machine(processor),
        reader=reader,
        max_items=max_items,
        items_path=_path(fields, "ItemsPath") or ROOT,
        selector=fields.parsed("ItemSelector", parse_template),
        batcher=batcher,
        max_concurrency=fields.parsed("MaxConcurrencyPath", parse_expression)
        or Literal(fields.of(int, "MaxConcurrency", 0)),
        tolerated_count=fields.parsed("ToleratedFailureCount", int),
        tolerated_percentage=fields.parsed("ToleratedFailurePercentage", float),
        label=fields.of(str, "Label", fields.owner),
        **_working(fields),
    )


def _reader(fields: Fields) -> tuple[Expression | None, int | None]:
    if "ItemReader" not in fields:
        return None, None
    reader = fields.section("ItemReader")
    resource = reader.of(str, "Resource")
    if not resource.endswith(":states:::s3:getObject"):
        raise reader.error("Resource", f"{resource!r} is not implemented, only s3:getObject")
    config = reader.section("ReaderConfig")
    config.one_of("InputType", ("JSONL",))
    max_items = config.parsed("MaxItems", int)
    config.finish()
    parameters = reader.parsed("Parameters", parse_template)
    _check_parameters(reader, parameters, READER)
    reader.finish()
    return parameters, max_items


def _batcher(fields: Fields) -> Batcher:
    batcher = Batcher(
        fields.parsed("MaxItemsPerBatch", int),
        fields.parsed("MaxInputBytesPerBatch", int),
        fields.parsed("BatchInput", parse_template),
    )
    fields.finish()
    if batcher.items is None and batcher.size is None:
        raise fields.error("MaxItemsPerBatch", "a batcher needs MaxItemsPerBatch or MaxInputBytesPerBatch")
    return batcher


_PARSERS: dict[str, Callable[[Fields], State]] = {
    "Task": _task,
    "Pass": _pass,
    "Choice": _choice,
    "Parallel": _parallel,
    "Map": _map,
    "Wait": _wait,
    "Succeed": _succeed,
    "Fail": _fail,
}
