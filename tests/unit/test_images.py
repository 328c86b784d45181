"""Ion images as PNG files, read back by other decoders."""

from __future__ import annotations

import io

import numpy as np
import png
import pytest
from PIL import Image

from ionfleet.images import dense_image, encode_png, grey_alpha

from .measure_oracle import make_grid

BOTH = pytest.mark.parametrize("metaspace", [False, True], ids=["ionfleet", "metaspace"])
FULL = np.iinfo(np.uint16).max


def decode(data: bytes) -> np.ndarray:
    """Return uint16[height, width, 2] as pypng reads a file."""
    width, height, rows, info = png.Reader(bytes=data).read()
    assert (info["bitdepth"], info["planes"], info["greyscale"], info["alpha"]) == (16, 2, True, True)
    return np.array([list(row) for row in rows], np.uint16).reshape(height, width, 2)


def grey(image: object, *, metaspace: bool = False) -> list[list[int]]:
    values = np.array(image, np.float32)
    return grey_alpha(values, np.ones(values.shape, bool), metaspace=metaspace)[:, :, 0].tolist()


def random_pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 65536, (height, width, 2)).astype(np.uint16)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (37, 23)])
def test_a_png_keeps_every_bit(shape: tuple[int, int]) -> None:
    pixels = random_pixels(*shape)
    assert np.array_equal(decode(encode_png(pixels)), pixels)


def test_pillow_reads_the_upper_eight_bits() -> None:
    pixels = random_pixels(11, 7)
    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        assert np.array_equal(np.asarray(image.convert("LA")), pixels >> 8)


def test_the_same_pixels_are_the_same_bytes() -> None:
    assert encode_png(random_pixels(5, 5)) == encode_png(random_pixels(5, 5).copy(order="F"))


def test_entries_lie_where_their_pixels_are() -> None:
    mask = np.array([[False, True, False], [True, True, False]])
    image = dense_image(make_grid(mask), np.array([2, 0], np.uint32), np.array([5, 7], np.float32))
    assert image.tolist() == [[0, 7, 0], [0, 5, 0]]
    assert image.dtype == np.float32


@BOTH
def test_grey_runs_from_the_lowest_to_the_highest_value_and_is_cut_off(metaspace: bool) -> None:
    assert grey([[0, 1], [2, 3]], metaspace=metaspace) == [[0, 21845], [43690, FULL]]
    assert grey([[10, 20], [30, 20]], metaspace=metaspace) == [[0, 32767], [FULL, 32767]]


@BOTH
def test_scaling_is_done_in_float32(metaspace: bool) -> None:
    image = np.random.default_rng(2).lognormal(8, 3, (30, 30)).astype(np.float32)
    low, high = image.min(), image.max()
    expected = ((image - low) / (high - low) * np.float32(65535)).astype(np.uint16)
    assert expected.dtype == np.uint16
    assert grey(image, metaspace=metaspace) == expected.tolist()


@BOTH
@pytest.mark.parametrize("value", [0, 7.5])
def test_a_constant_image_is_black(value: float, metaspace: bool) -> None:
    assert grey([[value, value]], metaspace=metaspace) == [[0, 0]]


def test_alpha_is_the_sampled_area_and_grey_is_not_masked() -> None:
    sampled = np.array([[True, False], [False, True]])
    pixels = grey_alpha(np.array([[4, 8], [0, 2]], np.float32), sampled, metaspace=False)
    assert pixels[:, :, 1].tolist() == [[FULL, 0], [0, FULL]]
    assert pixels[:, :, 0].tolist() == [[32767, FULL], [0, 16383]]
    assert pixels.dtype == np.uint16


def test_infinite_pixels_are_white_and_leave_the_others_as_they_are() -> None:
    assert grey([[0, 1, 2, np.inf]]) == [[0, 32767, FULL, FULL]]
    assert grey([[np.inf, np.inf]]) == [[FULL, FULL]]
    assert grey([[3, np.inf]]) == [[0, FULL]]


def test_an_infinite_pixel_blanks_an_image_of_metaspace() -> None:
    assert grey([[0, 1, 2, np.inf]], metaspace=True) == [[0, 0, 0, 0]]


@BOTH
def test_the_largest_and_smallest_float32_are_scaled(metaspace: bool) -> None:
    assert grey([[0, np.finfo(np.float32).max]], metaspace=metaspace) == [[0, FULL]]
    assert grey([[0, 1e-45]], metaspace=metaspace) == [[0, FULL]]
