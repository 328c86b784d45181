"""Event patterns of EventBridge rules: compiled once, unknown operators refused then."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ionfleet_replay.errors import PatternError
from ionfleet_replay.paths import Json

Test: TypeAlias = Callable[[bool, Json], bool]
"""Takes whether a field is there, and its value."""

Pattern: TypeAlias = Callable[[Mapping[str, Json]], bool]
"""Takes an event."""


def compile_pattern(pattern: Json) -> Pattern:
    """Return a predicate on events.

    Raises
    ------
    PatternError
        An operator is not implemented, or the pattern is not one.
    """
    test = _object(pattern, "$")
    return lambda event: test(True, event)


def _object(pattern: Json, where: str) -> Test:
    if not isinstance(pattern, dict) or not pattern:
        raise PatternError(f"Event pattern at {where}: found {pattern!r}, expected an object with fields.")
    fields = {name: _field(value, f"{where}.{name}") for name, value in pattern.items()}

    def test(present: bool, value: Json) -> bool:
        entries = value if present and isinstance(value, dict) else {}
        return all(test(name in entries, entries.get(name)) for name, test in fields.items())

    return test


def _field(pattern: Json, where: str) -> Test:
    if where.endswith(".$or"):
        raise PatternError(f"Event pattern at {where}: $or is not implemented by the local event bus.")
    if isinstance(pattern, dict):
        return _object(pattern, where)
    if not isinstance(pattern, list) or not pattern:
        raise PatternError(f"Event pattern at {where}: found {pattern!r}, expected a list of alternatives.")
    return _any([_alternative(entry, where) for entry in pattern])


def _any(tests: Sequence[Test]) -> Test:
    def test(present: bool, value: Json) -> bool:
        values = value if isinstance(value, list) else [value]
        return any(test(present, each) for each in values for test in tests)

    return test


def _alternative(entry: Json, where: str) -> Test:
    if not isinstance(entry, dict):
        return lambda present, value: present and type(value) is type(entry) and value == entry
    if len(entry) != 1:
        raise PatternError(f"Event pattern at {where}: found {entry!r}, expected one operator.")
    ((operator, operand),) = entry.items()
    if operator == "exists":
        return lambda present, _: present == operand
    if operator == "anything-but":
        return _anything_but(operand, where)
    return _text(operator, operand, where)


def _anything_but(operand: Json, where: str) -> Test:
    if isinstance(operand, dict):
        refused = _alternative(operand, where)
        return lambda present, value: present and not refused(present, value)
    values = operand if isinstance(operand, list) else [operand]
    return lambda present, value: present and value not in values


def _text(operator: str, operand: Json, where: str) -> Test:
    """Operators on strings."""
    if operator not in _TEXT_OPERATORS:
        known = ", ".join(["exists", "anything-but", *_TEXT_OPERATORS])
        raise PatternError(f"Event pattern at {where}: operator {operator!r} is not implemented; known: {known}.")
    folded = isinstance(operand, dict) and list(operand) == ["equals-ignore-case"]
    if folded and operator in ("prefix", "suffix"):
        operand = operand["equals-ignore-case"]
    if not isinstance(operand, str):
        raise PatternError(f"Event pattern at {where}: {operator!r} needs a string, not {operand!r}.")
    matches = _TEXT_OPERATORS[operator](operand.lower() if folded else operand)
    return lambda present, value: present and isinstance(value, str) and matches(value.lower() if folded else value)


def _wildcard(pattern: str) -> Callable[[str], bool]:
    expression = re.compile(".*".join(re.escape(piece) for piece in pattern.split("*")), re.DOTALL)
    return lambda value: expression.fullmatch(value) is not None


_TEXT_OPERATORS: Mapping[str, Callable[[str], Callable[[Any], bool]]] = {
    "prefix": lambda operand: lambda value: value.startswith(operand),
    "suffix": lambda operand: lambda value: value.endswith(operand),
    "equals-ignore-case": lambda operand: lambda value: value.lower() == operand.lower(),
    "wildcard": _wildcard,
}
