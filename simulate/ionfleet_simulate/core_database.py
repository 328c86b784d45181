"""ionfleet-core, the molecular database that comes with Ionfleet: lipids by rule and central metabolites by hand.

`python -m ionfleet_simulate.core_database` prints it as the tab-separated text that is committed in
`ionfleet/data/ionfleet-core.tsv`.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from importlib.resources import files

from ionfleet_simulate.lipids import LIPID_CLASSES
from ionfleet_simulate.metabolites import central_metabolites, dipeptides


@dataclass(frozen=True)
class Molecule:
    """One row of a molecular database; the `class` column is `category` here."""

    id: str
    name: str
    formula: str
    category: str


def core_molecules() -> list[Molecule]:
    """Return the molecules of ionfleet-core in the order of their ids: metabolites, dipeptides, then lipids."""
    lipids = ((name, formula, lipid.name) for lipid in LIPID_CLASSES for name, formula in lipid.species())
    named = [*central_metabolites(), *dipeptides(), *lipids]
    return [Molecule(f"IFC{number:05d}", *row) for number, row in enumerate(named, start=1)]


def every_nth_formula(molecules: Sequence[Molecule], formulas: int) -> list[Molecule]:
    """Return the molecules of about evenly spread formulas, for a smaller database of the same make-up.

    Parameters
    ----------
    molecules
        Rows of a database.
    formulas
        How many distinct formulas to keep; all rows where there are no more than that.

    """
    distinct = list(dict.fromkeys(molecule.formula for molecule in molecules))
    count = min(formulas, len(distinct))
    kept = {distinct[index * len(distinct) // count] for index in range(count)}
    return [molecule for molecule in molecules if molecule.formula in kept]


def to_tsv(molecules: Iterable[Molecule]) -> str:
    """Return the text of a database file: header `id`, `name`, `formula`, `class`, then one line a molecule."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow("class" if field.name == "category" else field.name for field in fields(Molecule))
    writer.writerows(astuple(molecule) for molecule in molecules)
    return text.getvalue()


def bundled_tsv() -> str:
    """Return the text of ionfleet-core as it is committed with the domain package."""
    return (files("ionfleet") / "data" / "ionfleet-core.tsv").read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.stdout.write(to_tsv(core_molecules()))
