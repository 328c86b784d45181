"""Isomers and isobars among annotations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ionfleet.relations import isobars, isomers


def naive_isobars(ions: list[str], mz: np.ndarray, present: np.ndarray, ppm: float) -> dict[int, dict[int, list]]:
    found: dict[int, dict[int, list]] = {}
    half = mz * ppm * 1e-6
    for a, b in product(range(len(ions)), repeat=2):
        pairs = [
            (i + 1, j + 1)
            for i, j in product(range(mz.shape[1]), repeat=2)
            if present[a, i] and present[b, j] and mz[a, i] > 0 and mz[b, j] > 0
            and mz[a, i] - half[a, i] <= mz[b, j] + half[b, j] and mz[b, j] - half[b, j] <= mz[a, i] + half[a, i]
        ]  # fmt: skip
        if ions[a] != ions[b] and ((1, 1) in pairs or len(pairs) > 1):
            found.setdefault(a, {})[b] = pairs
    return found


def patterns(*first: float) -> np.ndarray:
    return np.array(first)[:, None] + 1.003 * np.arange(4)


def all_there(mz: np.ndarray) -> np.ndarray:
    return np.ones(mz.shape, bool)


def test_isomers_are_annotations_of_the_same_ion() -> None:
    assert isomers(["C2H4O2Na", "CH4", "C2H4O2Na", "C3", "C2H4O2Na"]) == {0: [2, 4], 2: [0, 4], 4: [0, 2]}
    assert isomers([]) == {}


def test_first_peaks_that_overlap_make_isobars_both_ways() -> None:
    mz = patterns(500, 500.002, 500.01)
    present = np.array([[True, False, False, False]] * 3)
    assert isobars(["A", "B", "C"], mz, present, 3) == {0: {1: [(1, 1)]}, 1: {0: [(1, 1)]}}


def test_a_single_pair_that_is_not_the_first_peaks_makes_none() -> None:
    mz = np.array([[500.0, 501.0], [499.0, 500.0]])
    assert isobars(["A", "B"], mz, all_there(mz), 3) == {}


def test_two_pairs_of_other_peaks_make_isobars() -> None:
    mz = patterns(500, 501.003)
    assert isobars(["A", "B"], mz, all_there(mz), 3) == {
        0: {1: [(2, 1), (3, 2), (4, 3)]},
        1: {0: [(1, 2), (2, 3), (3, 4)]},
    }


def test_annotations_of_the_same_ion_are_never_isobars() -> None:
    mz = patterns(500, 500)
    assert isobars(["A", "A"], mz, all_there(mz), 3) == {}


def test_only_peaks_with_an_image_count() -> None:
    mz = patterns(500, 500)
    present = all_there(mz)
    present[1] = [False, True, False, False]
    assert isobars(["A", "B"], mz, present, 3) == {}
    present[1, 2] = True
    assert isobars(["A", "B"], mz, present, 3) == {0: {1: [(2, 2), (3, 3)]}, 1: {0: [(2, 2), (3, 3)]}}


def test_places_without_a_centroid_do_not_overlap() -> None:
    mz = np.array([[500.0, 0, 0, 0], [600.0, 0, 0, 0]])
    assert isobars(["A", "B"], mz, all_there(mz), 3) == {}


def test_windows_that_touch_overlap() -> None:
    low = 500.0
    upper_end = low + low * 2.0 * 1e-6
    # The other window begins at `upper_end`, or just above it.
    other = upper_end / (1 - 2e-6)
    while other - other * 2.0 * 1e-6 > upper_end:
        other = np.nextafter(other, 0)
    while other - other * 2.0 * 1e-6 < upper_end:
        other = np.nextafter(other, 1e9)
    assert other - other * 2.0 * 1e-6 == upper_end
    mz = np.array([[low], [other]])
    assert isobars(["A", "B"], mz, all_there(mz), 2.0) == {0: {1: [(1, 1)]}, 1: {0: [(1, 1)]}}
    apart = np.array([[low], [other + 1e-9]])
    assert isobars(["A", "B"], apart, all_there(mz), 2.0) == {}


def test_no_annotations() -> None:
    assert isobars([], np.empty((0, 4)), np.empty((0, 4), bool), 3) == {}


@pytest.mark.parametrize("seed", range(5))
def test_crowded_spectra_equal_comparing_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mz = rng.uniform(500, 503, (40, 1)) + 1.003 * np.arange(4)
    mz[rng.random(mz.shape) < 0.1] = 0
    present = rng.random(mz.shape) < 0.7
    ions = [f"C{n}" for n in rng.integers(1, 30, 40)]
    found = isobars(ions, mz, present, 20)
    assert found == naive_isobars(ions, mz, present, 20)
    assert len(found) > 5
