"""The grammar of formulas and modifiers."""

from __future__ import annotations

import math
import re

from ionfleet.elements import MASSES
from ionfleet.formula import (
    MAX_COUNT,
    Counts,
    InvalidFormulaError,
    InvalidIonError,
    check_formula,
    format_formula,
    ion_counts,
    ion_mz,
    parse_formula,
    parse_modifier,
)

from ..invariants import assert_fit_to_show

WORDS = (
    b"C6H12O6", b"(", b")", b")2", b"+H", b"-H2O", b"+Na", b"[M]+", b"Cx", b"Hx", b"D2", b".", b"=", b"0", b"29999",
    b"30000", b"999999999", b"Uuo", b"\xc2\xb7", b"^13C", b"\xd9\xa1", b"\n",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return formulas and modifiers, each pair divided by a line break."""
    return {
        "glucose": b"C6H12O6\n+H",
        "nested": b"(CH3(CH2)2)2CO\n-H2O+Na",
        "labels": b"Cx2C4Hx3H9O6\n+K",
        "repeated": b"CH3COOH\n+C2H2O-H2O-H",
        "salt": b"C2H3O2.Na\n[M]+",
    }


def check(data: bytes) -> None:
    """Take the first line for a formula, the rest for a modifier, and make their ion."""
    text, _, modifier = data.decode("utf-8", "surrogateescape").partition("\n")
    _check_metaspace(text)
    try:
        counts = parse_formula(text)
    except InvalidFormulaError as error:
        assert_fit_to_show(str(error))
        return
    assert counts == _expanded(text)
    assert all(symbol in MASSES and 0 < count <= MAX_COUNT for symbol, count in counts.items())
    assert parse_formula(format_formula(counts)) == counts
    check_formula(text)
    _check_ion(counts, modifier)


def _check_ion(counts: Counts, text: str) -> None:
    try:
        modifier = parse_modifier(text)
        ion = ion_counts(counts, modifier)
    except (InvalidFormulaError, InvalidIonError) as error:
        assert_fit_to_show(str(error))
        return
    sums = dict(counts)
    for sign, fragment in modifier:
        for symbol, count in fragment.items():
            sums[symbol] = sums.get(symbol, 0) + sign * count
    assert ion == {symbol: count for symbol, count in sums.items() if count}
    mass = math.fsum(MASSES[symbol] * count for symbol, count in ion.items())
    for charge in (1, -1):
        mz = ion_mz(format_formula(ion), charge)
        assert mz > 0
        assert math.isclose(mz, mass, rel_tol=1e-12, abs_tol=1e-3)


def _check_metaspace(text: str) -> None:
    try:
        check_formula(text, "metaspace")
        counts = parse_formula(text, "metaspace")
    except InvalidFormulaError as error:
        assert_fit_to_show(str(error))
        return
    assert all(symbol in MASSES or symbol == "D" for symbol in counts)
    assert all(count >= 0 for count in counts.values())


def _expanded(text: str) -> Counts:
    """Return the counts of a good formula by another way, from right to left."""
    counts: Counts = {}
    tokens = re.findall(r"\(|\)[0-9]*|[A-Z][a-z]?[0-9]*", text)
    factors = [1]
    for token in reversed(tokens):  # so that a factor is known before what it multiplies
        number = int(re.sub(r"[^0-9]", "", token) or 1)
        if token.startswith(")"):
            factors.append(factors[-1] * number)
        elif token == "(":
            factors.pop()
        else:
            symbol = token.rstrip("0123456789")
            counts[symbol] = counts.get(symbol, 0) + number * factors[-1]
    return counts
