"""Molecular formulas, modifiers, and the ions they make (docs/annotation.md, Formulas and ions).

A formula is a text such as `C6H12O6`; its counts are a dictionary from element symbol to a number of atoms. A modifier
is the text of a chemical modification, a neutral loss and an adduct joined, such as `-H2O+Na`: signed fragments that
are added to a formula, or taken away from it, from left to right. The result's text is the ion formula, and the
identity of an ion.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Literal, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from ionfleet.elements import ELECTRON_MASS, ION_ORDER, LABEL_MASSES, MASSES
from ionfleet.errors import InvalidInputError

Compatibility = Literal["ionfleet", "metaspace"]
"""Whose rules hold where they differ (docs/annotation.md, Deliberate deviations)."""

Counts = dict[str, int]
"""Element symbol to number of atoms."""

Modifier = tuple[tuple[int, Counts], ...]
"""Signed fragments, +1 added and -1 taken away, in the order in which they apply."""

_Masses = TypeVar("_Masses", float, NDArray[np.float64])

MAX_LENGTH = 2500
"""Characters that the text of a formula may have."""

MAX_COUNT = 29_999
"""Atoms of one element that an isotope pattern can be computed for."""

UNCHANGED = ("[M]+", "[M]-")
"""Adducts of a molecule that is charged by an electron alone; they change no atom."""

NO_ATOMS = "No element remains"
LABELS_ONLY = "Nothing but isotope labels remains"


class InvalidFormulaError(InvalidInputError):
    """A formula or a modifier cannot be understood; the message is the reason."""


class InvalidIonError(InvalidInputError):
    """A formula and a modifier make no ion; the message is the reason."""


def negative_count(symbol: str) -> str:
    """Return the reason of an ion that would have less than no atoms of an element."""
    return f"Negative total element count for {symbol}"


def too_many_atoms(symbol: str) -> str:
    """Return the reason of an ion with more atoms of an element than isotope patterns exist for."""
    return f"More than {MAX_COUNT:,} atoms of {symbol}"


def no_isotope_pattern(symbol: str) -> str:
    """Return the reason of an ion with something in its formula that is no element."""
    return f"No isotope pattern for {symbol}"


_TOKEN = re.compile(r"([A-Z][a-z]*)([0-9]*)")
_PLAIN = re.compile(r"(?:[A-Z][a-z]?[0-9]*)+")
_PIECE = re.compile(r"(?P<symbol>[A-Z][a-z]?)(?P<count>[0-9]*)|(?P<open>\()|(?P<close>\))(?P<times>[0-9]*)")
_MODIFIER = re.compile(r"(?:[+-](?:[A-Z][a-z]*[0-9]*)+)+")
_FRAGMENT = re.compile(r"([+-])([A-Za-z0-9]+)")
# What METASPACE's import lets through: an isotope number and parentheses pass, and are later not understood.
_METASPACE_IMPORT = re.compile(r"[0-9]*(?:[A-Z][a-z]?[0-9]*|[()][0-9]*)+")
_METASPACE_SYMBOLS = MASSES.keys() | {"D"}


def parse_formula(text: str, compatibility: Compatibility = "ionfleet") -> Counts:
    """Return the element counts of a formula.

    By Ionfleet's rules parentheses multiply what they enclose and an element that comes again is added; whatever else
    stands in the text is refused. By METASPACE's rules everything but elements and their numbers is passed over, and an
    element that comes again replaces what was counted before.

    Parameters
    ----------
    text
        Such as `C6H12O6`, `(CH3)2CO` or, with isotope labels, `Cx6H12O6`.
    compatibility
        The rules to go by.

    Raises
    ------
    InvalidFormulaError
        The text is no formula; the message is the reason, fit to stand behind the formula and a colon.

    Examples
    --------
    >>> parse_formula("CH3COOH")
    {'C': 2, 'H': 4, 'O': 2}
    >>> parse_formula("CH3COOH", "metaspace")
    {'C': 1, 'H': 1, 'O': 1}

    """
    if len(text) > MAX_LENGTH:
        raise InvalidFormulaError(f"it has {len(text):,} characters, at most {MAX_LENGTH:,} are allowed")
    if compatibility == "metaspace":
        tokens = _TOKEN.findall(re.sub(r"[.=]", "", text))
        return {symbol: int(count or 1) for symbol, count in tokens}
    if _PLAIN.fullmatch(text):
        return _add_up(_TOKEN.findall(text))
    return _parse_nested(text)


def check_formula(text: str, compatibility: Compatibility = "ionfleet") -> None:
    """Refuse a formula that a molecular database may not have, with the reason (see `parse_formula`)."""
    if compatibility == "ionfleet":
        parse_formula(text)
        return
    if len(text) > MAX_LENGTH:
        raise InvalidFormulaError(f"it has {len(text):,} characters, at most {MAX_LENGTH:,} are allowed")
    if not _METASPACE_IMPORT.fullmatch(text) or text.count("(") != text.count(")"):
        raise InvalidFormulaError("it is not made of elements, their numbers and parentheses")
    for symbol, _ in _TOKEN.findall(text):
        if symbol not in _METASPACE_SYMBOLS:
            raise InvalidFormulaError(f"{symbol!r} is not an element")


def _add_up(tokens: Iterable[tuple[str, str]]) -> Counts:
    counts: Counts = {}
    for symbol, count in tokens:
        _add(counts, symbol, _number(symbol, count))
    return counts


def _add(counts: Counts, symbol: str, count: int) -> None:
    if symbol not in MASSES:
        hint = "; a deuterium label is written Hx" if symbol == "D" else ""
        raise InvalidFormulaError(f"{symbol!r} is not an element{hint}")
    total = counts.get(symbol, 0) + count
    if total > MAX_COUNT:
        raise InvalidFormulaError(f"it has more than {MAX_COUNT:,} atoms of {symbol}")
    counts[symbol] = total


def _number(what: str, digits: str) -> int:
    # Far more digits than any count has would be slow, or refused, to convert.
    if len(digits) > 9:
        raise InvalidFormulaError(f"the number {digits[:9]}… after {what} is too large")
    count = int(digits or 1)
    if count == 0:
        raise InvalidFormulaError(f"the number after {what} is 0")
    return count


def _parse_nested(text: str) -> Counts:
    """Return the counts of a formula with parentheses, or say what in it is no formula."""
    groups: list[Counts] = [{}]
    position = 0
    while position < len(text):
        piece = _PIECE.match(text, position)
        if piece is None:
            _refuse_character(text, position)
        if piece["symbol"]:
            _add(groups[-1], piece["symbol"], _number(piece["symbol"], piece["count"]))
        elif piece["open"]:
            groups.append({})
        else:
            _close_group(groups, _number("')'", piece["times"]))
        position = piece.end()
    if len(groups) > 1:
        raise InvalidFormulaError("a '(' is not closed")
    if not groups[0]:
        raise InvalidFormulaError("it is blank")
    return groups[0]


def _close_group(groups: list[Counts], times: int) -> None:
    if len(groups) == 1:
        raise InvalidFormulaError("a ')' closes nothing")
    group = groups.pop()
    if not group:
        raise InvalidFormulaError("the parentheses '()' are empty")
    for symbol, count in group.items():
        _add(groups[-1], symbol, count * times)


def _refuse_character(text: str, position: int) -> NoReturn:
    character = text[position]
    place = f"{character!r} at position {position + 1}"
    if character in ".*\N{MIDDLE DOT}\N{BULLET}":
        raise InvalidFormulaError(f"it has a second component ({place}); give each component a row of its own")
    if character in "+-\N{MINUS SIGN}\N{EN DASH}":
        raise InvalidFormulaError(f"it has a charge or a bond ({place}); give the formula of the neutral molecule")
    if character in "[]^0123456789":
        raise InvalidFormulaError(f"it has isotope numbers or brackets ({place}); write labels as Cx, Hx, Nx, Ox or Sx")
    raise InvalidFormulaError(f"{place} is not part of a formula")


def parse_modifier(text: str) -> Modifier:
    """Return the signed fragments of a modifier; none for an empty text, `[M]+` and `[M]-`.

    Raises
    ------
    InvalidFormulaError
        The text is no modifier; the message is the reason.

    Examples
    --------
    >>> parse_modifier("-H2O+Na")
    ((-1, {'H': 2, 'O': 1}), (1, {'Na': 1}))

    """
    if not text or text in UNCHANGED:
        return ()
    if len(text) > MAX_LENGTH or not _MODIFIER.fullmatch(text):
        raise InvalidFormulaError(
            "it is not made of + or - each followed by elements and their numbers, such as +H, -H2O or -H2O+Na"
        )
    fragments = _FRAGMENT.findall(text)
    return tuple((1 if sign == "+" else -1, _add_up(_TOKEN.findall(part))) for sign, part in fragments)


def ion_counts(counts: Mapping[str, int], modifier: Modifier) -> Counts:
    """Return the counts of the ion that a formula and a modifier make, without elements that have gone.

    Raises
    ------
    InvalidIonError
        The formula has something that is no element; a fragment takes more atoms away than are there at that point;
        nothing, or nothing but isotope labels, remains; there are more atoms than isotope patterns exist for.

    """
    for symbol in counts:
        if symbol not in MASSES:
            raise InvalidIonError(no_isotope_pattern(symbol))
    totals = dict(counts)
    for sign, fragment in modifier:
        for symbol, count in fragment.items():
            totals[symbol] = totals.get(symbol, 0) + sign * count
            if totals[symbol] < 0:
                raise InvalidIonError(negative_count(symbol))
    ion = {symbol: totals[symbol] for symbol in ION_ORDER if totals.get(symbol)}
    _refuse_no_ion(ion)
    return ion


def _refuse_no_ion(ion: Counts) -> None:
    if not ion:
        raise InvalidIonError(NO_ATOMS)
    if ion.keys() <= LABEL_MASSES.keys():
        raise InvalidIonError(LABELS_ONLY)
    for symbol, count in ion.items():
        if count > MAX_COUNT:
            raise InvalidIonError(too_many_atoms(symbol))


_RANK = {symbol: rank for rank, symbol in enumerate(ION_ORDER)}


def format_formula(counts: Mapping[str, int]) -> str:
    """Return the text of counts: C, H, N, O, P, S, then the alphabet; elements of count 0 and the number 1 left out.

    Examples
    --------
    >>> format_formula({"Na": 1, "O": 6, "C": 6, "H": 12})
    'C6H12O6Na'

    """
    present = sorted((symbol for symbol, count in counts.items() if count), key=_RANK.__getitem__)
    return "".join(symbol if counts[symbol] == 1 else f"{symbol}{counts[symbol]}" for symbol in present)


def split_labels(counts: Mapping[str, int]) -> tuple[Counts, float]:
    """Return the counts without isotope labels, and the mass of the labels in Da.

    An isotope pattern is computed without labels and then moved by their mass over the charge.

    Examples
    --------
    >>> split_labels({"H": 13, "O": 6, "Cx": 2})
    ({'H': 13, 'O': 6}, 26.00670968)

    """
    plain = {symbol: count for symbol, count in counts.items() if symbol not in LABEL_MASSES}
    shift = math.fsum(LABEL_MASSES[symbol] * count for symbol, count in counts.items() if symbol in LABEL_MASSES)
    return plain, shift


def ion_mz(ion: str, charge: int) -> float:
    """Return the m/z of an ion formula: lightest isotopes and labels, electrons taken off or put on, over |charge|.

    Raises
    ------
    InvalidIonError
        The text is not an ion formula as `format_formula` writes it.
    ValueError
        The charge is 0.

    """
    return _mz(_ion_mass(ion), charge)


def ion_mzs(ions: Sequence[str], charge: int) -> NDArray[np.float64]:
    """Return the m/z of each of many ion formulas, as `ion_mz` does to the last bit: float64 of shape (len(ions),)."""
    tokens = _tokenize(ions)
    masses = np.fromiter(map(_ion_mass, ions), np.float64, count=len(ions)) if tokens is None else _sum_masses(*tokens)
    return _mz(masses, charge)


def _mz(mass: _Masses, charge: int) -> _Masses:
    if charge == 0:
        raise ValueError("The charge of an ion is not 0.")
    return (mass - charge * ELECTRON_MASS) / abs(charge)


def _ion_mass(ion: str) -> float:
    tokens = _TOKEN.findall(ion)
    if not tokens or "".join(chain.from_iterable(tokens)) != ion:
        raise InvalidIonError(f"{ion!r} is not an ion formula")
    for symbol, _ in tokens:
        if symbol not in MASSES:
            raise InvalidIonError(no_isotope_pattern(symbol))
    # fsum rounds once, so that the last bit is the same for every version of Python.
    return math.fsum([MASSES[symbol] * int(count or 1) for symbol, count in tokens])


_OTHER, _UPPER, _LOWER, _DIGIT, _END = range(5)

_KINDS = np.full(256, _OTHER, np.uint8)
_KINDS[ord("A") : ord("Z") + 1] = _UPPER
_KINDS[ord("a") : ord("z") + 1] = _LOWER
_KINDS[ord("0") : ord("9") + 1] = _DIGIT
_KINDS[ord("\n")] = _END

_FOLLOWS = np.zeros((5, 5), bool)
"""Which kind of character (second axis) may come after which in ion formulas that each end with a line."""
_FOLLOWS[_UPPER, [_UPPER, _LOWER, _DIGIT, _END]] = True
_FOLLOWS[_LOWER, [_UPPER, _DIGIT, _END]] = True
_FOLLOWS[_DIGIT, [_UPPER, _DIGIT, _END]] = True
_FOLLOWS[_END, _UPPER] = True

_SYMBOL_MASSES = np.full((26, 27), np.nan)
"""Masses in Da by first letter and second letter, 0 for none of this."""
for _symbol, _mass in MASSES.items():
    _SYMBOL_MASSES[ord(_symbol[0]) - ord("A"), ord(_symbol[1]) - ord("a") + 1 if _symbol[1:] else 0] = _mass


def _tokenize(ions: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.int64]] | None:
    """Return the masses of all tokens (such as `H12`) and the first token of each ion; None where `_ion_mass` refuses.

    What it does not know for sure to be an ion formula of at most five digits a number it leaves to `_ion_mass` too.
    """
    text = np.frombuffer("\n".join(["", *ions, ""]).encode("utf-8", "replace"), np.uint8)
    kinds = _KINDS[text]
    ends = np.flatnonzero(kinds == _END)
    if len(ends) != len(ions) + 1 or not _FOLLOWS[kinds[:-1], kinds[1:]].all():
        return None
    starts = np.flatnonzero(kinds == _UPPER)
    digits = starts + 1
    second = np.where(kinds[digits] == _LOWER, text[digits] - (ord("a") - 1), 0)
    digits += second > 0
    counts = (kinds[digits] != _DIGIT).astype(np.int64)
    for _ in range(5):
        more = kinds[digits] == _DIGIT
        counts[more] = counts[more] * 10 + text[digits[more]] - ord("0")
        digits += more
    masses = _SYMBOL_MASSES[text[starts] - ord("A"), second] * counts
    if (kinds[digits] == _DIGIT).any() or np.isnan(masses).any():
        return None
    return masses, np.searchsorted(starts, ends[:-1])


def _sum_masses(masses: NDArray[np.float64], first: NDArray[np.int64]) -> NDArray[np.float64]:
    """Add the masses up from each place in `first` to the next, and round once, as `math.fsum` does.

    Masses of 1 Da and more are whole multiples of 2**-52 Da: their sums are exact in integers of two parts.
    """
    if not len(first):
        return np.empty(0)
    whole = np.floor(masses * 2.0**20)
    rest = np.add.reduceat(((masses * 2.0**20 - whole) * 2.0**32).astype(np.int64), first)
    total = np.add.reduceat(whole.astype(np.int64), first) + (rest >> 32)
    sums: NDArray[np.float64] = total * 2.0**-20 + (rest & (2**32 - 1)) * 2.0**-52
    return sums
