"""Spectra that are written like one before, but for their numbers: read by a pattern instead of tag by tag.

Programs write all spectra alike. Once expat has read one, and `SpectrumCollector` understood it, a regular expression
of its very bytes, with room for other numbers where attributes have some, matches those that follow and yields their
numbers. What matches is as well-formed as what it was made from, and means the same but for the numbers; whatever does
not match is read by expat.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any
from xml.parsers import expat

_NUMBERED = re.compile(rb'\s(?:value|id|index|defaultArrayLength|arrayLength|encodedLength)="([^"<]*)"')
_NUMBER = re.compile(rb"[-+]?[0-9][-+0-9.eE]*")
_ANY_NUMBER = b"[-+0-9.eE]{1,40}"
_PATTERNS = {
    "i": (b"([0-9]{1,9})", int),
    "q": (b"([0-9]{1,18})", int),
    "d": (rb"([-+]?[0-9]{1,20}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,3})?)", float),
}
"""What is taken for a number of each kind of column: less than what the collector would take, and nothing else."""
_FIRST = 1_000_000
"""What the numbers of an example are replaced by, this and those that follow: no constant of a column is as large."""
_MOST_NUMBERS = 500
_MOST_BYTES = 1 << 16
_MOST_PATTERNS = 8

Numbers = Sequence[tuple[bytes, ...]]


@dataclass(frozen=True)
class Example:
    """What a spectrum came to: the columns with a value, as `array.array` has their kinds, and that value."""

    kinds: Mapping[str, str]
    values: Mapping[str, float]


@dataclass(frozen=True)
class Repetition:
    """Matches spectra that are written alike. `taken` has the kind of each column that a number of them goes to."""

    pattern: re.Pattern[bytes]
    taken: dict[str, str]
    constant: dict[str, float]

    def matches(self, data: bytes, start: int) -> tuple[Numbers, int]:
        """Return the numbers of all spectra of this kind that follow each other from `start` on, and where they end."""
        found = []
        match = self.pattern.match
        while (one := match(data, start)) is not None:
            found.append(one.groups())
            start = one.end()
        return found, start

    def columns(self, found: Numbers) -> dict[str, Any]:
        """Return for each column its values, as many as there are spectra (at least one)."""
        numbers = zip(self.taken.items(), zip(*found, strict=True), strict=True)
        taken = {name: map(_PATTERNS[kind][1], texts) for (name, kind), texts in numbers}
        return taken | {name: repeat(value, len(found)) for name, value in self.constant.items()}


class Repetitions:
    """Learns how the spectra of a file are written.

    `understand` says what a piece of markup comes to that has one spectrum, None where that is in doubt.
    """

    def __init__(self, understand: Callable[[bytes], Example | None]) -> None:
        self._understand = understand
        self._known: dict[bytes, Repetition | None] = {}

    def learn(self, piece: bytes) -> None:
        """Take note of the bytes of one spectrum, from the end of the one before to its own end."""
        if len(piece) > _MOST_BYTES or len(self._known) == _MOST_PATTERNS or not _plain(piece):
            return
        spans = _numbers_in(piece)
        form = _put(piece, spans, lambda _: b"0")
        if form not in self._known and len(spans) <= _MOST_NUMBERS:
            self._known[form] = self._repetition(piece, spans)

    def match(self, data: bytes, start: int) -> tuple[Repetition, Numbers, int] | None:
        """Return how spectra from `start` on are written, their numbers, and where they end; None for unknown ones."""
        for repetition in self._known.values():
            if repetition is not None:
                found, stop = repetition.matches(data, start)
                if found:
                    return repetition, found, stop
        return None

    def _repetition(self, piece: bytes, spans: Sequence[tuple[int, int]]) -> Repetition | None:
        """Find out which number goes where, by numbers that differ from each other."""
        example = self._understand(_put(piece, spans, lambda place: b"%d" % (_FIRST + place)))
        if example is None or not all(value < _FIRST + len(spans) for value in example.values.values()):
            return None
        column_of = {int(value) - _FIRST: name for name, value in example.values.items() if value >= _FIRST}
        taken = {column_of[place]: example.kinds[column_of[place]] for place in sorted(column_of)}
        constant = {name: value for name, value in example.values.items() if name not in taken}

        def room(place: int) -> bytes:
            return _PATTERNS[taken[column_of[place]]][0] if place in column_of else _ANY_NUMBER

        return Repetition(re.compile(_put(piece, spans, room, re.escape)), taken, constant)


def parse(piece: bytes, start: Callable[..., None], end: Callable[..., None]) -> bool:
    """Give the tags of a piece of ASCII markup to functions; say whether it is whole and well-formed."""
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = start, end
    try:
        parser.Parse(b"<piece>" + piece + b"</piece>", True)
    except expat.ExpatError:
        return False
    return True


def _plain(piece: bytes) -> bool:
    """Say whether a piece is ASCII in usual lines, and what stands between double quotes is an attribute's value."""
    odd = any(mark in piece for mark in (b"'", b"<!", b"<?"))
    return not odd and piece.isascii() and b"\r" not in piece.replace(b"\r\n", b"\n")


def _numbers_in(piece: bytes) -> list[tuple[int, int]]:
    """Return where the numbers of those attributes are that may differ between spectra."""
    return [
        (attribute.start(1) + number.start(), attribute.start(1) + number.end())
        for attribute in _NUMBERED.finditer(piece)
        for number in _NUMBER.finditer(attribute[1])
    ]


def _put(
    piece: bytes,
    spans: Sequence[tuple[int, int]],
    what: Callable[[int], bytes],
    around: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """Put something in the place of each number, by its place among them, and change what is around them."""
    parts, done = [], 0
    for place, (start, stop) in enumerate(spans):
        parts += [around(piece[done:start]), what(place)]
        done = stop
    return b"".join([*parts, around(piece[done:])])
