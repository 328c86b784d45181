"""Centroids found for many ions at once are those that cpyMSpec finds for each, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence

import cpyMSpec
import numpy as np
import pytest

from ionfleet.centroiding import Isotopologues, find_maxima
from ionfleet.databases import bundled_database, read_database
from ionfleet.ions import IonSettings, ion_pairs
from ionfleet.isotopes import Instrument, centroids

ELEMENTS = ("H", "Na", "Cl", "Br", "Sn", "Xe", "Se", "Si", "Fe", "Cu", "Pt", "Gd", "Li", "B", "Ca", "Hg")


def one_by_one(ions: Sequence[str], instrument: Instrument) -> tuple[list[list[float]], list[list[float]]]:
    """Ask cpyMSpec for the pattern of each ion; the strongest peaks by m/z, places without one 0."""
    rows: tuple[list[list[float]], list[list[float]]] = ([], [])
    for ion in ions:
        try:
            isotopologues = cpyMSpec.isotopePattern(ion)
        except Exception as error:
            if "too many isotopic combinations" not in str(error):
                raise
            for row in rows:
                row.append([0.0] * instrument.peaks)
            continue
        isotopologues.addCharge(instrument.charge)
        found = isotopologues.centroids(instrument.model(), 1e-4, 25)
        found.trim(instrument.peaks)
        strongest = sorted(zip(found.masses, found.intensities, strict=True))
        strongest += [(0.0, 0.0)] * (instrument.peaks - len(strongest))
        for values, row in zip(zip(*strongest, strict=True), rows, strict=True):
            row.append(list(values))
    return rows


def assert_same(ions: Sequence[str], instrument: Instrument) -> None:
    mz, intensity = one_by_one(ions, instrument)
    found = centroids(ions, instrument)
    assert found.mz.tolist() == mz
    assert found.intensity.tolist() == (100.0 * np.array(intensity)).tolist()


@pytest.mark.parametrize("analyzer", ["orbitrap", "fticr", "tof"])
@pytest.mark.parametrize(("sigma", "peaks"), [(0.000619, 4), (0.000173, 10), (0.002476, 2), (0.05, 4)])
def test_targets_and_decoys_of_a_database(analyzer: str, sigma: float, peaks: int) -> None:
    formulas = read_database(bundled_database(), "core").formulas[len(analyzer) + peaks :: 190]
    ions = ion_pairs(formulas, 0, len(formulas), IonSettings(adducts=("+H", "+Na", "+K"))).distinct_ions
    assert len(ions) > 400
    assert_same(ions.to_pylist(), Instrument(analyzer, sigma, 1, peaks))


@pytest.mark.parametrize("sigma", [1e-5, 0.0006, 0.02, 1.0])
def test_formulas_of_any_elements_and_sizes(sigma: float) -> None:
    random = np.random.default_rng(7)
    ions = []
    for _ in range(60):
        symbols = random.choice(ELEMENTS, random.integers(1, 3), replace=False)
        counts = random.integers(1, 4, len(symbols))
        rest = "".join(f"{symbol}{count}" for symbol, count in zip(symbols, counts, strict=True) if symbol != "H")
        ions.append(f"C{random.integers(1, 60)}H{random.integers(1, 90)}O{random.integers(1, 9)}{rest}")
    assert_same(ions, Instrument("orbitrap", sigma, -1))


@pytest.mark.parametrize("boundary", [64, 128, 256, 512, 1024, 2048])
def test_patterns_across_powers_of_two_where_the_grid_becomes_coarser(boundary: int) -> None:
    ions = [f"C{carbons}H{boundary - 12 * carbons + extra}" for carbons in (boundary // 13,) for extra in range(-5, 4)]
    assert_same(ions, Instrument("tof", 0.0006, 1))


def test_an_ion_whose_steps_are_not_all_alike_is_left_to_the_library() -> None:
    mz, abundance = np.array([200.0, 201.0]), np.array([1.0, 0.5])
    # 25 points a width: the step is 2**-20 and half of the last place of numbers from 128 to 256.
    step = 2.0**-20 + 0.5 * np.spacing(200.0)
    sigma = step * 25 / 2.3548200450309493
    while sigma * 2.3548200450309493 / 25 != step:
        sigma = np.nextafter(sigma, np.inf if sigma * 2.3548200450309493 / 25 < step else 0.0)
    found = find_maxima(Isotopologues(mz, abundance, np.array([2])), np.full(2, sigma), 4)
    assert found.odd.tolist() == [0]
    assert len(found.ion) == 0


def test_ions_of_very_many_isotopologues_are_left_to_the_library() -> None:
    assert_same(["C60H90Sn3Cl4", "C6H13O6"], Instrument("orbitrap", 0.0006, 1))
