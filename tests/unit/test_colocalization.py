"""Colocalisation by the definition, on pictures small enough to see."""

from __future__ import annotations

import statistics

import numpy as np
import pytest

from ionfleet.colocalization import MOST_PARTNERS, partners, picture, shades, similarities, smoothed


def test_a_picture_keeps_the_upper_eight_bits() -> None:
    grey = np.array([[0, 255], [256, 65535]], np.uint16)
    assert picture(grey).tolist() == [0, 0, 1, 255]


def test_hot_spots_are_clipped_at_the_99th_percentile() -> None:
    values = np.full(200, 10, np.uint8)
    values[0], values[1] = 255, 5
    shown = shades(values)[values]
    assert shown[0] == shown[2] == 1
    assert shown[1] == 0.5


@pytest.mark.parametrize(("spot", "highest"), [(200, 1.0), (0, 0.0)])
def test_a_picture_of_one_spot_is_scaled_by_it_and_one_of_nothing_stays_empty(spot: int, highest: float) -> None:
    values = np.zeros(1000, np.uint8)
    values[7] = spot
    assert shades(values)[values].max() == highest


@pytest.mark.parametrize("shape", [(1, 5), (4, 1), (5, 7)])
def test_smoothing_takes_the_median_of_nine_mirrored_at_the_edge(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
    shown = shades(image)
    kept = np.where(image < np.median(image), 0, image)
    height, width = shape

    def mirrored(place: int, size: int) -> int:
        return min(max(place, 0), size - 1)

    expected = [
        statistics.median(
            kept[mirrored(y + dy, height), mirrored(x + dx, width)] for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        )
        for y in range(height)
        for x in range(width)
    ]
    assert smoothed(image.ravel(), shown, shape).tolist() == expected


def test_alike_pictures_have_cosine_1_disjoint_ones_0_and_nothing_is_like_nothing() -> None:
    pictures = np.zeros((4, 36), np.uint8)
    pictures[0, :18], pictures[1, :18], pictures[2, 18:] = 100, 200, 100
    cosine = similarities(list(pictures), (6, 6))["cosine"]
    assert cosine == pytest.approx(np.array([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]), abs=1e-6)


def test_partners_are_those_of_the_level_the_best_first_without_the_ion_itself() -> None:
    scores = np.array([[1, 0.4, 0.9, 0.2], [0.4, 1, 0.5, 0.3], [0.9, 0.5, 1, 0.8], [0.2, 0.3, 0.8, 1]], np.float32)
    found = list(partners({"cosine": scores}, np.array([0.01, 0.051, 0.2, 0.6])))
    assert [(each.level, each.algorithm) for each in found] == [
        (0.05, "cosine"), (0.1, "cosine"), (0.2, "cosine"), (0.5, "cosine"),
    ]  # fmt: skip
    first, *_, last = found
    assert list(zip(first.ion, first.partner, first.rank, strict=True)) == [(0, 1, 0), (1, 0, 0)]
    assert list(zip(last.ion, last.partner, last.rank, strict=True)) == [
        (0, 2, 0), (0, 1, 1), (1, 2, 0), (1, 0, 1), (2, 0, 0), (2, 1, 1),
    ]  # fmt: skip
    assert last.score.tolist() == pytest.approx([0.9, 0.4, 0.5, 0.4, 0.9, 0.5])


def test_partners_below_the_lowest_score_or_beyond_a_hundred_are_left_out() -> None:
    count = MOST_PARTNERS + 20
    scores = np.full((count, count), 0.31, np.float32)
    scores[0], scores[:, 0] = 0.29, 0.29
    found = next(iter(partners({"cosine": scores}, np.zeros(count))))
    assert np.bincount(found.ion, minlength=count).tolist() == [0] + [MOST_PARTNERS] * (count - 1)
