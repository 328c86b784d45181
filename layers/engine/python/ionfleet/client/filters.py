"""Filters of annotations under METASPACE's names, as notebooks written for it give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ionfleet.client.frames import Row
from ionfleet.client.source import ResultsError

FILTERS: dict[str, Callable[[Row, Any], bool]] = {
    "sumFormula": lambda row, wanted: row["formula"] == wanted,
    "adduct": lambda row, wanted: row["adduct"] == wanted,
    "chemMod": lambda row, wanted: row["chem_mod"] == wanted,
    "neutralLoss": lambda row, wanted: row["neutral_loss"] == wanted,
    "ion": lambda row, wanted: row["ion"] == wanted,
    "hasChemMod": lambda row, wanted: bool(row["chem_mod"]) is wanted,
    "hasNeutralLoss": lambda row, wanted: bool(row["neutral_loss"]) is wanted,
    "mzFilter": lambda row, wanted: wanted["min"] <= row["mz"] <= wanted["max"],
    "compoundQuery": lambda row, wanted: _names_molecule(row, wanted),
}
"""What tells whether an annotation passes, by the filter's name."""


def filtered(rows: Sequence[Row], wanted: Mapping[str, Any]) -> list[Row]:
    """Return the rows that pass every filter; one whose value is None is passed by all.

    Raises
    ------
    ResultsError
        There is no such filter.

    """
    unknown = wanted.keys() - FILTERS.keys()
    if unknown:
        raise ResultsError(f"There is no filter {', '.join(sorted(unknown))}; there are {', '.join(FILTERS)}.")
    given = {name: value for name, value in wanted.items() if value is not None}
    return [row for row in rows if all(FILTERS[name](row, value) for name, value in given.items())]


def _names_molecule(row: Row, text: str) -> bool:
    """Tell whether a text is an annotation's formula, or part of the name of one of its molecules."""
    return text == row["formula"] or any(text.casefold() in name.casefold() for name in row["molecule_names"])
