"""Isotope patterns: what they look like, and what has none."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from ionfleet.elements import ELECTRON_MASS, LABEL_MASSES
from ionfleet.formula import ion_mz
from ionfleet.isotopes import Instrument, centroids, tolerance_windows

ORBITRAP = Instrument("orbitrap", 0.000619, 1)
CARBON_13 = 1.0033548


def test_the_pattern_of_glucose() -> None:
    pattern = centroids(["C6H13O6"], ORBITRAP)
    assert pattern.mz[0] == pytest.approx([181.07067732, 182.07403543, 183.07492737, 183.07738375], rel=1e-9)
    assert pattern.intensity[0] == pytest.approx([100, 6.55526, 1.2326466, 0.17984337], rel=1e-5)


def test_the_first_centroid_is_at_the_mass_of_the_lightest_isotopes_within_the_grid() -> None:
    ions = ["C6H13O6", "C42H83NO8P", "C10H16N5O13P3", "C20H12", "H2"]
    expected = [ion_mz(ion, 1) for ion in ions]
    assert centroids(ions, ORBITRAP).mz[:, 0] == pytest.approx(expected, rel=3e-7)


@pytest.mark.parametrize("peaks", [2, 3, 6, 10])
def test_the_most_intense_centroids_are_kept_in_the_order_of_their_mz(peaks: int) -> None:
    ions = ["C60H100O30S2", "C6H12O6Br2", "C12H10Sn", "HgCl2H"]
    most = centroids(ions, replace(ORBITRAP, peaks=10))
    kept = centroids(ions, replace(ORBITRAP, peaks=peaks))
    for row in range(len(ions)):
        strongest = np.argsort(-most.intensity[row], kind="stable")[:peaks]
        order = np.sort(strongest)
        assert kept.mz[row].tolist() == most.mz[row, order].tolist()
        assert kept.intensity[row].tolist() == most.intensity[row, order].tolist()
    used = kept.mz > 0
    assert np.all((np.diff(kept.mz) > 0) | ~used[:, 1:])
    assert np.all(used[:, :-1] >= used[:, 1:])
    assert kept.intensity.max(axis=1).tolist() == [100] * len(ions)


def test_the_first_centroid_need_not_be_the_most_intense_one() -> None:
    pattern = centroids(["C12H10Sn"], ORBITRAP)
    assert pattern.intensity[0, 0] < 100
    assert pattern.mz[0, 0] > ion_mz("C12H10Sn", 1) + 3


@pytest.mark.parametrize("ion", ["Na", "P", "F", "Cs", "Na2"])
def test_ions_of_single_isotopes_have_one_centroid(ion: str) -> None:
    pattern = centroids([ion], ORBITRAP)
    assert pattern.mz[0] == pytest.approx([ion_mz(ion, 1), 0, 0, 0], abs=1e-6)
    assert pattern.intensity[0].tolist() == [100, 0, 0, 0]


def test_the_charge_is_an_electron_taken_off_or_put_on() -> None:
    positive, negative = (centroids(["C6H12O6"], replace(ORBITRAP, charge=charge)) for charge in (1, -1))
    assert negative.mz - positive.mz == pytest.approx(np.full((1, 4), 2 * ELECTRON_MASS), abs=5e-5)


def test_isotope_labels_move_the_pattern_of_the_rest() -> None:
    labelled, rest = centroids(["H13O6Cx6", "H13O6"], ORBITRAP).mz
    assert labelled == pytest.approx(rest + 6 * LABEL_MASSES["Cx"], rel=1e-15)
    assert np.count_nonzero(centroids(["Cx6", "Hx2Nx"], ORBITRAP).mz) == 0


@pytest.mark.parametrize("analyzer", ["orbitrap", "fticr", "tof"])
def test_peaks_closer_than_the_analyzer_resolves_are_one(analyzer: str) -> None:
    fine, coarse = (centroids(["C40H80NO8PS"], Instrument(analyzer, sigma, 1)).mz[0] for sigma in (1e-4, 2e-2))
    assert np.min(np.diff(fine)) < 0.02
    assert np.diff(coarse) == pytest.approx([CARBON_13] * 3, abs=0.02)


def test_analyzers_differ_away_from_mz_200() -> None:
    heavy = [centroids(["C80H150NO12P2S2"], Instrument(name, 0.0015, 1)).mz[0] for name in ("orbitrap", "fticr", "tof")]
    assert not any(np.array_equal(heavy[i], heavy[j]) for i, j in ((0, 1), (1, 2), (0, 2)))


def test_a_pattern_does_not_depend_on_those_beside_it() -> None:
    ions = ["C6H13O6", "Na", "C12H10Sn", "C42H83NO8P"]
    together = centroids(ions, ORBITRAP)
    back = centroids(ions[::-1], ORBITRAP)
    assert np.array_equal(together.mz, back.mz[::-1])
    assert np.array_equal(together.intensity, back.intensity[::-1])


def test_what_the_library_cannot_do_has_no_pattern() -> None:
    pattern = centroids(["C2Cl12Sn8Se8H", "C6H13O6"], ORBITRAP)
    assert np.count_nonzero(pattern.mz[0]) == np.count_nonzero(pattern.intensity[0]) == 0
    assert pattern.mz[1, 0] > 181


def test_no_number_of_atoms_ends_the_process() -> None:
    code = """
from ionfleet.isotopes import Instrument, centroids
ions = [f"C6H6{symbol}{count}" for symbol in ("Sn", "Xe", "Cd", "Hg", "Te", "Se", "Ba") for count in (400, 29_999)]
print(centroids(ions, Instrument("orbitrap", 0.000619, 1)).mz.max())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "0.0"), done.stderr


def test_no_ions_have_no_patterns() -> None:
    assert centroids([], ORBITRAP).mz.shape == (0, 4)


def test_windows_are_symmetric_in_ppm_and_empty_places_stay_empty() -> None:
    lower, upper = tolerance_windows(np.array([[500.0, 0.0]]), 3)
    assert lower.tolist() == [[500 - 500 * 3 * 1e-6, 0]]
    assert upper.tolist() == [[500 + 500 * 3 * 1e-6, 0]]
