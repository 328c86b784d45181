"""False-discovery rates: known values, and the definition followed to the letter."""

from __future__ import annotations

import numpy as np
import pytest

from ionfleet.fdr import LEVELS, digitise, fdr_v1, fdr_v3, ranking

TARGETS = np.array([0.9, 0.8, 0.8, 0.3])
DECOYS = np.array([0.85, 0.3, 0.1])


def naive_ranking(
    targets: np.ndarray, decoys: np.ndarray, ratio: float, succession: bool, monotonic: bool
) -> list[float]:
    """Follow the definition: count at every distinct score, then go up from the lowest."""
    curve = {}
    lowest = np.inf
    for score in sorted({*targets.tolist(), *decoys.tolist()}):
        above = sum(t >= score for t in targets.tolist()) + succession
        false = sum(d >= score for d in decoys.tolist()) + succession
        fdr = false / ratio / above if above else 1.0
        lowest = min(lowest, fdr)
        curve[score] = lowest if monotonic else fdr
    return [curve[score] for score in targets.tolist()]


def test_known_values_of_the_plain_ranking() -> None:
    assert ranking(TARGETS, DECOYS, 1).tolist() == [0, 1 / 3, 1 / 3, 0.5]


def test_known_values_with_succession_and_monotonic() -> None:
    fdr = ranking(TARGETS, DECOYS, 20, succession=True, monotonic=True)
    assert fdr == pytest.approx([0.025, 0.025, 0.025, 0.03], rel=1e-15)
    assert fdr.tolist() == fdr_v3(TARGETS, DECOYS, 20).tolist()


@pytest.mark.parametrize("monotonic", [False, True])
@pytest.mark.parametrize("succession", [False, True])
@pytest.mark.parametrize("sizes", [(0, 0), (0, 5), (5, 0), (1, 1), (7, 40), (60, 30)])
def test_equals_the_definition(sizes: tuple[int, int], succession: bool, monotonic: bool) -> None:
    rng = np.random.default_rng(sum(sizes))
    targets, decoys = (rng.integers(1, 20, size) / 20 for size in sizes)  # coarse, for ties
    found = ranking(targets, decoys, 3, succession=succession, monotonic=monotonic)
    assert found.tolist() == naive_ranking(targets, decoys, 3, succession, monotonic)


def test_equal_scores_share_a_rank_whatever_their_order() -> None:
    assert len(set(ranking(np.full(5, 0.5), np.full(3, 0.5), 1))) == 1
    order = [2, 0, 3, 1]
    assert ranking(TARGETS[order], DECOYS[::-1], 1).tolist() == ranking(TARGETS, DECOYS, 1)[order].tolist()


def test_rates_are_not_limited_to_1() -> None:
    assert ranking(np.array([0.1]), np.array([0.5, 0.4, 0.2]), 1).tolist() == [3.0]


def test_without_decoys_only_succession_keeps_a_rate_above_0() -> None:
    nothing = np.empty(0)
    assert ranking(TARGETS, nothing, 1).tolist() == [0, 0, 0, 0]
    assert fdr_v3(TARGETS, nothing, 20).tolist() == [1 / 20 / 5] * 4


def test_a_better_score_never_has_a_higher_rate_in_v3() -> None:
    rng = np.random.default_rng(1)
    targets = rng.random(100)
    fdr = fdr_v3(targets, rng.random(300), 20)
    assert np.all(np.diff(fdr[np.argsort(targets)]) <= 0)


def test_v1_takes_the_median_over_the_rankings() -> None:
    columns = np.array([[0.85, 0.1, np.nan], [0.3, 0.2, np.nan], [0.1, np.nan, np.nan]])
    curves = [ranking(TARGETS, column[~np.isnan(column)], 1) for column in columns.T]
    levels, median = fdr_v1(TARGETS, columns)
    assert median.tolist() == np.median(curves, axis=0).tolist() == [0, 0, 0, 0]
    assert levels.tolist() == [0.05] * 4
    _, median = fdr_v1(TARGETS, columns[:, :1])
    assert median.tolist() == [0, 1 / 3, 1 / 3, 0.5]


def test_v1_of_no_targets() -> None:
    levels, median = fdr_v1(np.empty(0), np.full((3, 20), 0.5))
    assert (len(levels), len(median)) == (0, 0)


def test_a_median_can_exceed_1() -> None:
    levels, median = fdr_v1(np.array([0.1]), np.array([[0.5, 0.6], [0.4, 0.3]]))
    assert median.tolist() == [2.0]
    assert levels.tolist() == [1.0]


def test_a_level_is_reached_below_it_not_at_it() -> None:
    for level in LEVELS:
        below = np.nextafter(level, 0)
        following = ([*LEVELS, 1.0])[LEVELS.index(level) + 1]
        assert digitise(np.array([0.5]), np.array([below])).tolist() == [level]
        assert digitise(np.array([0.5]), np.array([level])).tolist() == [following]


def test_a_score_above_a_passing_one_gets_its_level_whatever_its_own_rate() -> None:
    scores = np.array([0.9, 0.5, 0.4, 0.1])
    assert digitise(scores, np.array([0.7, 0.04, 0.15, 0.6])).tolist() == [0.05, 0.05, 0.2, 1.0]


def test_no_score_passes() -> None:
    assert digitise(np.array([0.9, 0.5]), np.array([0.5, 0.9])).tolist() == [1.0, 1.0]
