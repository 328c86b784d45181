"""Conditions of Choice states."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from ionfleet_replay.fields import Fields
from ionfleet_replay.paths import Expression, Json, Literal, Path


class Condition(Protocol):
    """Holds or not, given a state's data and the context object."""

    def holds(self, data: Json, context: Mapping[str, Json]) -> bool:
        """Return whether the condition holds."""


def _number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _string(value: Json) -> bool:
    return isinstance(value, str)


_ORDERS: Mapping[str, Callable[[Json, Json], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
_COMPARISONS: Mapping[str, tuple[Callable[[Json], bool], Callable[[Json, Json], bool]]] = {
    **{f"Numeric{name}": (_number, compare) for name, compare in _ORDERS.items()},
    **{f"String{name}": (_string, compare) for name, compare in _ORDERS.items()},
    "BooleanEquals": (lambda value: isinstance(value, bool), operator.eq),
}
_TESTS: Mapping[str, Callable[[Json], bool]] = {
    "IsNull": lambda value: value is None,
    "IsNumeric": _number,
    "IsString": _string,
    "IsBoolean": lambda value: isinstance(value, bool),
}


@dataclass(frozen=True)
class Comparison:
    """`Variable` compared with a constant or with another path."""

    variable: Path
    operator: str
    expected: Expression

    def holds(self, data: Json, context: Mapping[str, Json]) -> bool:
        """Compare; values of another type than the operator's never match."""
        fits, compare = _COMPARISONS[self.operator]
        left, right = self.variable.evaluate(data, context), self.expected.evaluate(data, context)
        return fits(left) and fits(right) and compare(left, right)


@dataclass(frozen=True)
class Presence:
    """`Variable` leads somewhere, or does not."""

    variable: Path
    expected: bool

    def holds(self, data: Json, context: Mapping[str, Json]) -> bool:
        """Return whether presence is as expected."""
        return self.variable.find(data, context)[0] == self.expected


@dataclass(frozen=True)
class TypeTest:
    """`Variable` is of a type, or is not."""

    variable: Path
    operator: str
    expected: bool

    def holds(self, data: Json, context: Mapping[str, Json]) -> bool:
        """Return whether the type is as expected."""
        return _TESTS[self.operator](self.variable.evaluate(data, context)) == self.expected


@dataclass(frozen=True)
class Combination:
    """`And`, `Or`, `Not`."""

    combine: Callable[[Iterator[bool]], bool]
    parts: tuple[Condition, ...]

    def holds(self, data: Json, context: Mapping[str, Json]) -> bool:
        """Combine the parts, evaluating only as many as decide."""
        return self.combine(part.holds(data, context) for part in self.parts)


def parse_condition(fields: Fields) -> Condition:
    """Parse one rule of `Choices`, of which `Next` has been taken."""
    for name, combine in (("And", all), ("Or", any)):
        if name in fields:
            return Combination(combine, tuple(_nested(entry) for entry in fields.entries(name)))
    if "Not" in fields:
        return Combination(lambda parts: not next(parts), (_nested(fields.section("Not")),))
    variable = fields.parsed("Variable", Path.parse)
    if variable is None:
        raise fields.error("Variable", "missing")
    return _comparison(fields, variable)


def _nested(fields: Fields) -> Condition:
    condition = parse_condition(fields)
    fields.finish()
    return condition


def _comparison(fields: Fields, variable: Path) -> Condition:
    if "IsPresent" in fields:
        return Presence(variable, fields.of(bool, "IsPresent"))
    for name in _TESTS:
        if name in fields:
            return TypeTest(variable, name, fields.of(bool, name))
    for name, (fits, _) in _COMPARISONS.items():
        if name in fields:
            value = fields.take(name)
            if not fits(value):
                raise fields.error(name, f"found {value!r}, which this operator cannot compare")
            return Comparison(variable, name, Literal(value))
        other = fields.parsed(f"{name}Path", Path.parse)
        if other is not None:
            return Comparison(variable, name, other)
    raise fields.error("Variable", "no comparison that the local interpreter implements")
