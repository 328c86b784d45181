"""Paths, payload templates and intrinsic functions of the Amazon States Language, as far as they are used.

Everything is parsed when a definition is loaded; what is not implemented raises `ValueError` there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, list or dict with str keys."""


class StateError(Exception):
    """An error within an execution, with the name and cause that Retry and Catch see."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause


class Expression(Protocol):
    """Something with a value, given a state's data and the context object."""

    def evaluate(self, data: Json, context: Mapping[str, Json]) -> Json:
        """Return the value, or raise `StateError`."""


_STEP = re.compile(r"\.(?P<name>[^\W\d][\w-]*)|\[(?P<index>\d+)\]|\['(?P<quoted>[^'\\]+)'\]")


@dataclass(frozen=True)
class Path:
    """A reference path such as `$.sort.tasks`, or `$$.Execution.Name` into the context object."""

    text: str
    in_context: bool
    steps: tuple[str | int, ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """Parse names and indexes; wildcards, slices, filters and recursive descent are not implemented."""
        body = text.removeprefix("$$") if text.startswith("$$") else text.removeprefix("$")
        if not text.startswith("$"):
            raise ValueError(f"{text!r} is not a path: it must begin with $")
        steps: list[str | int] = []
        while body:
            match = _STEP.match(body)
            if match is None:
                raise ValueError(f"{text!r}: {body!r} is not a name or an index, which is all that is implemented")
            steps.append(int(match["index"]) if match["index"] else match["name"] or match["quoted"])
            body = body[match.end() :]
        return cls(text, text.startswith("$$"), tuple(steps))

    def evaluate(self, data: Json, context: Mapping[str, Json]) -> Json:
        """Return what the path leads to."""
        found, value = self.find(data, context)
        if not found:
            raise StateError("States.Runtime", f"The path {self.text!r} leads nowhere in {_excerpt(data)}")
        return value

    def find(self, data: Json, context: Mapping[str, Json]) -> tuple[bool, Json]:
        """Return whether the path leads somewhere, and to what."""
        value: Json = context if self.in_context else data
        for step in self.steps:
            if not _has(value, step):
                return False, None
            value = value[step]
        return True, value

    def insert(self, data: Json, value: Json) -> Json:
        """Return `data` with `value` at the path (a ResultPath: names only), without changing `data`."""
        return _inserted(data, self.steps, value, self.text)


def _has(value: Json, step: str | int) -> bool:
    if isinstance(step, str):
        return isinstance(value, Mapping) and step in value
    return isinstance(value, list) and step < len(value)


def _inserted(data: Json, steps: tuple[str | int, ...], value: Json, text: str) -> Json:
    if not steps:
        return value
    if not isinstance(data, dict):
        raise StateError("States.ResultPathMatchFailure", f"{text!r} cannot be set in {_excerpt(data)}")
    name = steps[0]
    return {**data, name: _inserted(data.get(name, {}), steps[1:], value, text)}


def _excerpt(data: Json) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "…"


@dataclass(frozen=True)
class Literal:
    """A constant."""

    value: Json

    def evaluate(self, data: Json, context: Mapping[str, Json]) -> Json:  # noqa: ARG002 - the protocol's signature
        """Return the constant."""
        return self.value


@dataclass(frozen=True)
class Call:
    """An intrinsic function applied to its arguments."""

    name: str
    arguments: tuple[Expression, ...]

    def evaluate(self, data: Json, context: Mapping[str, Json]) -> Json:
        """Evaluate the arguments, then the function."""
        values = [argument.evaluate(data, context) for argument in self.arguments]
        try:
            return INTRINSICS[self.name](*values)
        except (TypeError, ValueError) as problem:
            raise StateError("States.IntrinsicFailure", f"{self.name}: {problem}") from problem


def compact(value: Json) -> str:
    """Return the JSON text of `value` as Step Functions writes and measures it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _format(template: Json, *values: Json) -> str:
    pieces = str(template).split("{}")
    if len(pieces) != len(values) + 1:
        raise ValueError(f"{template!r} has {len(pieces) - 1} places for {len(values)} values")
    texts = [value if isinstance(value, str) else compact(value) for value in values]
    return "".join(piece + text for piece, text in zip(pieces, [*texts, ""], strict=True))


def _string_to_json(text: Json) -> Json:
    if not isinstance(text, str):
        raise TypeError(f"a string was expected, not {_excerpt(text)}")
    return json.loads(text)


INTRINSICS: dict[str, Callable[..., Json]] = {
    "States.Format": _format,
    "States.JsonToString": compact,
    "States.StringToJson": _string_to_json,
}


def parse_expression(text: str) -> Expression:
    """Parse the value of a `.$` field: a path, or a call of an intrinsic function."""
    expression, rest = _expression(text.strip())
    if rest.strip():
        raise ValueError(f"{text!r}: {rest!r} is left over")
    return expression


def _expression(text: str) -> tuple[Expression, str]:
    if text.startswith("States."):
        return _call(text)
    match = re.match(r"\$[^,)]*", text)
    if match is None:
        raise ValueError(f"{text!r} is neither a path nor an intrinsic function")
    return Path.parse(match[0].strip()), text[match.end() :]


def _call(text: str) -> tuple[Expression, str]:
    name, parenthesis, rest = text.partition("(")
    if name not in INTRINSICS or not parenthesis:
        raise ValueError(f"intrinsic function {name!r} is not implemented; known: {', '.join(sorted(INTRINSICS))}")
    arguments: list[Expression] = []
    rest = rest.lstrip()
    while not rest.startswith(")"):
        argument, rest = _argument(rest)
        arguments.append(argument)
        rest = rest.lstrip()
        if rest.startswith(","):
            rest = rest[1:].lstrip()
        elif not rest.startswith(")"):
            raise ValueError(f"{text!r}: ',' or ')' expected at {rest!r}")
    return Call(name, tuple(arguments)), rest[1:]


_LITERALS: dict[str, Json] = {"true": True, "false": False, "null": None}


def _argument(text: str) -> tuple[Expression, str]:
    if match := re.match(r"'((?:[^'\\]|\\.)*)'", text):
        return Literal(re.sub(r"\\(.)", r"\1", match[1])), text[match.end() :]
    if match := re.match(r"-?\d+(?:\.\d+)?", text):
        return Literal(json.loads(match[0])), text[match.end() :]
    if match := re.match(r"(true|false|null)\b", text):
        return Literal(_LITERALS[match[0]]), text[match.end() :]
    return _expression(text)


@dataclass(frozen=True)
class Template:
    """A payload template: JSON in which fields ending in `.$` are computed."""

    fields: Mapping[str, Expression]

    def evaluate(self, data: Json, context: Mapping[str, Json]) -> Json:
        """Return the JSON object with every computed field in place."""
        return {name: value.evaluate(data, context) for name, value in self.fields.items()}


@dataclass(frozen=True)
class Items:
    """An array within a payload template."""

    values: tuple[Expression, ...]

    def evaluate(self, data: Json, context: Mapping[str, Json]) -> Json:
        """Return the array with every element in place."""
        return [value.evaluate(data, context) for value in self.values]


def parse_template(value: Json) -> Expression:
    """Parse a payload template (`Parameters`, `ResultSelector`, `ItemSelector`, `BatchInput`)."""
    if isinstance(value, dict):
        return Template(dict(_field(name, entry) for name, entry in value.items()))
    if isinstance(value, list):
        return Items(tuple(parse_template(entry) for entry in value))
    return Literal(value)


def _field(name: str, value: Json) -> tuple[str, Expression]:
    if not name.endswith(".$"):
        return name, parse_template(value)
    if not isinstance(value, str):
        raise TypeError(f"{name!r} needs a path or an intrinsic function, not {value!r}")
    return name.removesuffix(".$"), parse_expression(value)
