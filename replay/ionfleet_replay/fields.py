"""JSON objects of which every field must be understood: each is taken once, and what nobody took is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ionfleet_replay.errors import ReplayError
from ionfleet_replay.paths import Json

T = TypeVar("T")

Fail: TypeAlias = Callable[[str, str], ReplayError]
"""Makes the error about a field, given its path and the problem."""


class Fields:
    """The fields of an object; `owner` is the name of what it belongs to, `where` its path there."""

    def __init__(self, owner: str, values: Json, fail: Fail, where: str = "") -> None:
        if not isinstance(values, dict):
            raise fail(where, f"found {values!r}, expected an object")
        self.owner = owner
        self.fail = fail
        self.where = where
        self._values = dict(values)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def error(self, name: str, problem: str) -> ReplayError:
        """Return an error about one of the fields."""
        return self.fail(self._path(name), problem)

    def _path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name

    def take(self, name: str, default: Json = None) -> Json:
        """Return a field's value as it stands."""
        return self._values.pop(name, default)

    def of(self, kind: type[T] | tuple[type[T], ...], name: str, default: T | None = None) -> T:
        """Return a field of a type; required where there is no default."""
        if name not in self._values and default is None:
            raise self.error(name, "missing")
        value = self._values.pop(name, default)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            raise self.error(name, f"found {value!r}, expected {' or '.join(each.__name__ for each in kinds)}")
        return value

    def parsed(self, name: str, parse: Callable[[Json], T]) -> T | None:
        """Return a field parsed by `parse`, None where it is missing."""
        if name not in self._values:
            return None
        try:
            return parse(self._values.pop(name))
        except (ValueError, TypeError, AttributeError) as problem:
            raise self.error(name, str(problem)) from problem

    def one_of(self, name: str, known: tuple[Json, ...], default: Json = None) -> Json:
        """Return a field that has one of the values that are implemented."""
        value = self._values.pop(name, default)
        if value not in known:
            raise self.error(name, f"{value!r} is not implemented, only {' or '.join(map(repr, known))}")
        return value

    def section(self, name: str) -> Fields:
        """Return a nested object; an empty one where it is missing."""
        return Fields(self.owner, self.take(name, {}), self.fail, self._path(name))

    def entries(self, name: str) -> list[Fields]:
        """Return the objects of an array; empty where it is missing."""
        values = self.of(list, name, [])
        where = self._path(name)
        return [Fields(self.owner, value, self.fail, f"{where}[{index}]") for index, value in enumerate(values)]

    def names(self) -> list[str]:
        """Return the names of the fields that have not been taken."""
        return list(self._values)

    def ignore(self, *names: str) -> None:
        """Take fields that change nothing here."""
        for name in names:
            self._values.pop(name, None)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in self._values:
            raise self.error(name, "is not implemented by the local runtime")
