"""Decoy candidates and draws."""

import numpy as np
import pytest

from ionfleet.decoys import decoy_candidates, draw_decoys

FIRST_DRAWS = [
    "Se He Fe Br Ti Ge Al Re C P Xe Rb Lu Y Bi Sn U Ho Nd Rh",
    "Pr Se Y As I Ce Li Ba N Dy Ar Sc Cr Sn Bi Ta Ni Xe Au B",
    "Sr O Ge Dy S F Cr P Mg Au Te Mn Pr Pt Lu Nb Sc Ar Ag Ni",
]
FIRST_DRAWS_WITHOUT_O = [
    "Br He Co Kr V As Si Tl C S Cs Sr Bi Zr Pb Sb W Ir Sm Pd",
    "Pr Cs Ta Eu Ti Se Li Ce N Zr Cr Cd Ca Bi Cu Kr Mn La B Sc",
]


def drawn(candidates, draws):
    return [" ".join(candidates[i].removeprefix("+") for i in row) for row in draw_decoys(draws, len(candidates), 20)]


def test_known_first_draws():
    candidates = decoy_candidates(["+H", "+Na", "+K"], [], [])
    assert len(candidates) == 80
    assert drawn(candidates, 3) == FIRST_DRAWS


def test_a_candidate_less_changes_every_draw():
    candidates = decoy_candidates(["+H", "+Na"], ["-H2O", "-NH3"], ["-H2O+C2H4O2", "+O"])
    assert len(candidates) == 79
    assert drawn(candidates, 2) == FIRST_DRAWS_WITHOUT_O


@pytest.mark.parametrize("where", [0, 1, 2])
def test_what_the_targets_have_is_no_candidate(where):
    parts = [["+H"], ["-H2O"], ["+C2H2O"]]
    parts[where].append("+Cl")
    candidates = decoy_candidates(*parts)
    assert "+Cl" not in candidates
    assert len(candidates) == 79


def test_only_the_same_text_takes_a_candidate_away():
    assert len(decoy_candidates(["-Cl", "+Cl2"], [], [])) == 80


@pytest.mark.parametrize("n_candidates", [1, 2, 33, 64, 65, 80])
def test_draws_are_the_shuffled_lists_of_the_legacy_generator(n_candidates):
    random = np.random.RandomState(42)
    for row in draw_decoys(50, n_candidates, n_candidates):
        expected = list(range(n_candidates))
        random.shuffle(expected)
        assert row.tolist() == expected


def test_sample_is_no_larger_than_the_candidates():
    assert draw_decoys(5, 7, 20).shape == (5, 7)
    assert draw_decoys(5, 80, 20).shape == (5, 20)


def test_a_draw_depends_on_its_position_alone():
    everything = draw_decoys(40, 80, 20)
    assert np.array_equal(draw_decoys(40, 80, 20, first=25), everything[25:])
    assert np.array_equal(draw_decoys(10, 80, 20), everything[:10])
    assert draw_decoys(0, 80, 20).shape == (0, 20)


def test_drawing_leaves_the_global_generator_alone():
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    draw_decoys(3, 80, 20)
    assert np.random.rand() == expected
