"""Simulated datasets for benchmarks, made once: a folder of `build/bench` for each combination of settings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ionfleet.databases import bundled_database
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import Simulation

CACHE = Path(__file__).resolve().parents[1] / "build" / "bench"
_STEM = "dataset"
_FORMULA_COLUMN = 2


@dataclass(frozen=True)
class Case:
    """A dataset to simulate, and how many formulas of the bundled database to search it for."""

    simulation: Simulation
    formulas: int

    @property
    def folder(self) -> Path:
        """Where the dataset is kept."""
        return CACHE / hashlib.sha256(repr(self.simulation).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Made:
    """A case's files, and how many spectra and peaks it has."""

    imzml: Path
    ibd: Path
    database: Path
    spectra: int
    peaks: int


def make(case: Case) -> Made:
    """Return a case's files, simulated unless an earlier benchmark has left them."""
    facts = case.folder / "facts.json"
    if not facts.is_file():
        dataset = write_dataset(case.simulation, case.folder, _STEM)
        facts.write_text(json.dumps({"spectra": dataset.spectra, "peaks": dataset.peaks}))
    database = CACHE / f"core{case.formulas}.tsv"
    database.write_bytes(some_formulas(case.formulas))
    imzml = case.folder / f"{_STEM}.imzML"
    return Made(imzml, imzml.with_suffix(".ibd"), database, **json.loads(facts.read_text()))


def some_formulas(count: int) -> bytes:
    """Return the bundled database with only so many formulas, spread evenly over it.

    Raises
    ------
    ValueError
        It has fewer.

    """
    header, *rows = bundled_database().decode().splitlines(keepends=True)
    formulas = [row.split("\t")[_FORMULA_COLUMN].strip() for row in rows]
    distinct = list(dict.fromkeys(formulas))
    if count > len(distinct):
        raise ValueError(f"The bundled database has {len(distinct):,} formulas, not {count:,}.")
    kept = {distinct[place] for place in np.linspace(0, len(distinct) - 1, count).astype(int).tolist()}
    return "".join([header, *(row for row, formula in zip(rows, formulas, strict=True) if formula in kept)]).encode()
