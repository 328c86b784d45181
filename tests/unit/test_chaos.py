"""The measure of spatial chaos against its textbook form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from ionfleet.chaos import SparseImages, measure_of_chaos
from ionfleet.kernels import exceeded_levels

from .chaos_oracle import naive_chaos, thresholds

BOTH = pytest.mark.parametrize("metaspace", [False, True], ids=["ionfleet", "metaspace"])


def sparse(images: Sequence[np.ndarray]) -> SparseImages:
    stack = np.array(images, np.float32)
    image, y, x = np.nonzero(stack)
    ends = np.searchsorted(image, np.arange(len(stack)), side="right")
    return SparseImages(ends, y.astype(np.int32), x.astype(np.int32), stack[image, y, x])


def chaos_of(*images: object, levels: int = 30, metaspace: bool = False) -> list[float]:
    stack = np.array(images, np.float32)
    _, height, width = stack.shape
    return measure_of_chaos(sparse(stack), width, height, levels=levels, metaspace=metaspace).tolist()


def random_images(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """Return images between almost empty and full, with flat, stepped and continuous values."""
    rng = np.random.default_rng(seed)
    signal = rng.random((count, height, width)) < rng.uniform(0.02, 1, (count, 1, 1))
    steps = rng.integers(1, 40, (count, height, width)).astype(np.float32)
    smooth = rng.lognormal(3, 1.5, (count, height, width)).astype(np.float32)
    kind = rng.integers(0, 3, (count, 1, 1))
    return np.where(signal, np.select([kind == 0, kind == 1], [np.float32(7), steps], smooth), 0).astype(np.float32)


@BOTH
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (6, 1), (2, 2), (2, 9), (5, 4), (13, 11)])
def test_equals_labelling_every_level_set(shape: tuple[int, int], metaspace: bool) -> None:
    images = random_images(40, *shape, seed=sum(shape))
    expected = [naive_chaos(image, metaspace=metaspace) for image in images]
    assert chaos_of(*images, metaspace=metaspace) == pytest.approx(expected, abs=1e-12)


@BOTH
def test_images_of_islands_far_apart(metaspace: bool) -> None:
    rng = np.random.default_rng(3)
    images = np.zeros((30, 20, 40), np.float32)
    for image, islands in zip(images, rng.integers(1, 5, 30), strict=True):
        for y, x in zip(rng.integers(0, 20, islands), rng.integers(0, 40, islands), strict=True):
            image[y : y + 4, x : x + 3] = rng.integers(1, 30, image[y : y + 4, x : x + 3].shape)
    expected = [naive_chaos(image, metaspace=metaspace) for image in images]
    assert chaos_of(*images, metaspace=metaspace) == pytest.approx(expected, abs=1e-12)
    assert len(set(expected)) > 10


@pytest.mark.parametrize("levels", [1, 2, 7, 32, 126])
def test_any_number_of_levels(levels: int) -> None:
    images = random_images(10, 8, 8, seed=levels)
    expected = [naive_chaos(image, levels) for image in images]
    assert chaos_of(*images, levels=levels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("gap", "parts"), [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_the_dilation_joins_parts_that_lie_up_to_two_pixels_apart(gap: int, parts: int) -> None:
    image = np.zeros((5, 8 + gap))
    image[1:4, 1:4] = image[1:4, 4 + gap : 7 + gap] = 1
    assert chaos_of(image) == [pytest.approx(1 - parts / 18)]


@pytest.mark.parametrize(("y", "x"), [(2, 2), (0, 2), (0, 0), (4, 4)])
def test_a_lone_pixel_of_an_area_is_eroded(y: int, x: int) -> None:
    image = np.zeros((5, 5))
    image[y, x] = 1
    assert chaos_of(image) == [0.0]


def test_the_border_of_an_image_does_not_erode() -> None:
    assert chaos_of([[1, 1, 1, 0, 0, 0, 0]]) == [pytest.approx(1 - 1 / 3)]
    assert chaos_of([[0, 0, 1, 1, 0, 0, 1]]) == [pytest.approx(1 - 1 / 3)]
    assert chaos_of([[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]) == [pytest.approx(1 - 1 / 4)]


@BOTH
def test_one_pixel_alone_is_no_structure(metaspace: bool) -> None:
    assert chaos_of([[5]], metaspace=metaspace) == [0.0]


@BOTH
def test_empty_images_between_others_are_0(metaspace: bool) -> None:
    block = np.ones((4, 4))
    empty = np.zeros((4, 4))
    assert chaos_of(empty, block, empty, block, empty, metaspace=metaspace) == [0, 0.9375, 0, 0.9375, 0]
    assert chaos_of(empty, metaspace=metaspace) == [0]


def test_no_images_at_all() -> None:
    assert len(measure_of_chaos(sparse(np.empty((0, 3, 3))), 3, 3)) == 0


@BOTH
def test_an_infinite_pixel_leaves_no_structure(metaspace: bool) -> None:
    image = np.ones((5, 5), np.float32)
    image[2, 2] = np.inf
    assert chaos_of(image, np.ones((5, 5)), metaspace=metaspace) == [0.0, 0.96]


def test_metaspace_loses_the_row_before_an_occupied_last_one() -> None:
    image = np.array([[0] * 9, [22, 8] + [0] * 7])
    assert chaos_of(image) == [pytest.approx(0.8166666667)]
    assert chaos_of(image, metaspace=True) == [0.5]


def test_metaspace_joins_parts_whose_gap_it_narrows_at_the_end_of_an_axis() -> None:
    image = np.zeros((4, 30), np.float32)
    image[:, 22:26] = image[:, 29] = 1  # of the gap of three columns METASPACE drops the last one
    assert chaos_of(image) == [pytest.approx(1 - 2 / 20)]
    assert chaos_of(image, metaspace=True) == [pytest.approx(1 - 1 / 20)]


def test_metaspace_keeps_an_axis_of_which_nine_tenths_stay() -> None:
    image = np.zeros((20, 3), np.float32)
    image[:16] = 1  # rows 0 to 17 of 20 would stay: exactly 90 %, so all do
    image[0, 0] = 4
    assert chaos_of(image, metaspace=True) == chaos_of(image)
    assert chaos_of(image, metaspace=True) == [pytest.approx(naive_chaos(image, metaspace=True))]


@pytest.mark.parametrize(("shape", "metaspace"), [((400, 400), 0.0), ((320, 320), 0.0), ((300, 300), 1 - 1 / 90_000)])
def test_only_metaspace_loses_a_large_homogeneous_region(shape: tuple[int, int], metaspace: float) -> None:
    image = np.ones(shape, np.float32)
    assert chaos_of(image) == [1 - 1 / image.size]
    assert chaos_of(image, metaspace=True) == [metaspace]


@pytest.mark.parametrize("highest", [1.0, 3e38, 2e-45, 1e-40, 16777217.0, 0.1])
def test_thresholds_are_rounded_to_float32_twice_at_any_scale(highest: float) -> None:
    top = np.float32(highest)
    cuts = np.array(thresholds(top, 30), np.float32)
    near = np.concatenate([cuts, np.nextafter(cuts, np.float32(0)), np.nextafter(cuts, np.float32(np.inf)), [top]])
    values = np.unique(near[(near > 0) & (near <= top)])
    assert exceeded_levels(np.array([len(values)]), values, 30).tolist() == [
        int((value > cuts).sum()) for value in values
    ]


@BOTH
def test_images_do_not_depend_on_those_beside_them(metaspace: bool) -> None:
    images = random_images(30, 6, 7, seed=5)
    together = chaos_of(*images, metaspace=metaspace)
    assert [chaos_of(image, metaspace=metaspace)[0] for image in images] == together


def test_scaling_an_image_by_a_power_of_two_changes_nothing() -> None:
    images = random_images(10, 9, 9, seed=8)
    assert chaos_of(*images) == chaos_of(*(images * 1024)) == chaos_of(*(images / 64))


def test_mirroring_and_turning_an_image_changes_nothing() -> None:
    images = random_images(10, 9, 9, seed=9)
    expected = chaos_of(*images)
    for turned in (images[:, ::-1], images[:, :, ::-1], images.transpose(0, 2, 1)):
        assert chaos_of(*turned) == expected
