"""Compiled kernels against NumPy, bit by bit, and what they refuse to be run on."""

from __future__ import annotations

import platform

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ionfleet import kernels
from ionfleet.kernels import PeakArrays

PIXELS = 5000  # more than the bits of two words
mz_values = st.one_of(
    st.sampled_from([100.0, 100.00000000000001, 200.0]),
    st.floats(1, 2000),
    st.floats(allow_nan=False).filter(bool),
)
pixel_values = st.one_of(st.integers(0, 3), st.integers(0, PIXELS - 1))
intensity_values = st.one_of(
    st.floats(1, 1e5, width=32), st.floats(0, np.finfo(np.float32).max, width=32, exclude_min=True), st.just(np.inf)
)
points = st.lists(st.tuples(pixel_values, intensity_values), max_size=80)


def columns(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(count, dtype=np.float32), np.arange(count, dtype=np.uint32)


def peaks_of(drawn: list[tuple[int, float]]) -> PeakArrays:
    """Return peaks in these pixels and of these intensities, 0.001 apart."""
    pixel, intensity = (np.array([point[column] for point in drawn]) for column in (0, 1))
    mz = 200 + 0.001 * np.arange(len(drawn))
    return PeakArrays(mz, intensity.astype(np.float32), pixel.astype(np.uint32), PIXELS)


def windows_of(count: int, cuts: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the windows of ions with two isotopes, which overlap or are empty."""
    ends = np.sort(np.array([0, *cuts, *cuts[:1], count]) % (count + 1))
    ends = ends[: len(ends) // 2 * 2].reshape(-1, 2)
    return np.column_stack([ends[:, 0], ends[:, 0]]), np.column_stack([ends[:, 1], (ends[:, 0] + ends[:, 1]) // 2])


def dense(peaks: PeakArrays, left: int, right: int) -> np.ndarray:
    """Return an image, summed in float32 in the order of the peaks."""
    image = np.zeros(PIXELS, np.float32)
    with np.errstate(over="ignore"):
        np.add.at(image, peaks.pixel[left:right], peaks.intensity[left:right])
    return image


@settings(deadline=None)
@given(st.lists(mz_values, max_size=300) | npst.arrays(np.float64, st.integers(0, 3000), elements=mz_values))
def test_sorting_is_numpys_stable_sort(mz: list[float]) -> None:
    values = np.array(mz, np.float64)
    intensity, pixel = columns(len(values))
    order = np.argsort(values, kind="stable")
    expected = [column[order].tobytes() for column in (values, intensity, pixel)]
    assert [column.tobytes() for column in kernels.sort_peaks(values, intensity, pixel)] == expected
    assert values.tobytes() == np.array(mz, np.float64).tobytes()
    found = kernels.sort_peaks(values, intensity, pixel, overwrite=True)
    assert [column.tobytes() for column in found] == expected


def test_columns_that_cannot_be_overwritten_are_copied() -> None:
    mz = np.frombuffer(np.array([3.0, 1.0, 2.0]).tobytes())
    assert kernels.sort_peaks(mz, *columns(3), overwrite=True)[2].tolist() == [1, 2, 0]
    assert mz.tolist() == [3, 1, 2]


@pytest.mark.parametrize("spread", [0.0, 1e-12, 1e-3, 1.0])
def test_many_peaks_of_close_mz_are_sorted_stably(spread: float) -> None:
    rng = np.random.default_rng(7)
    mz = 500 + spread * rng.normal(size=50_000).round(3)
    intensity, pixel = columns(len(mz))
    assert np.array_equal(kernels.sort_peaks(mz, intensity, pixel)[2], np.argsort(mz, kind="stable"))


def test_peaks_that_are_no_contiguous_arrays_are_sorted_too() -> None:
    mz = np.random.default_rng(1).random(1000)
    intensity, pixel = columns(1000)
    found = kernels.sort_peaks(mz[::-2], intensity[::-2], pixel[::-2])
    assert found[2].tolist() == pixel[::-2][np.argsort(mz[::-2], kind="stable")].tolist()


@settings(deadline=None)
@given(points, st.lists(st.integers(0, 80), max_size=8))
def test_images_and_their_sums_are_those_of_dense_images(drawn: list[tuple[int, float]], cuts: list[int]) -> None:
    peaks = peaks_of(drawn)
    left, right = windows_of(len(drawn), cuts)
    sums = kernels.sum_images(peaks, left, right)
    ends, pixel, value = kernels.list_images(peaks, left.ravel(), right.ravel())
    for ion in range(len(left)):
        images = [dense(peaks, *window) for window in zip(left[ion], right[ion], strict=True)]
        assert sums.meets[ion] == np.any((images[0] > 0) & (images[1] > 0))
        for isotope, image in enumerate(images):
            slot = 2 * ion + isotope
            entries = slice(ends[slot - 1] if slot else 0, ends[slot])
            there = np.flatnonzero(image)
            assert pixel[entries].tolist() == there.tolist()
            assert value[entries].tobytes() == image[there].tobytes()
            assert sums.pixels[ion, isotope] == len(there)
            assert sums.maximum[ion, isotope] == image.max()
            with np.errstate(over="ignore", invalid="ignore"):
                check_totals(sums, (ion, isotope), image[there].astype(float), images[0][there].astype(float))


def check_totals(sums: kernels.ImageSums, at: tuple[int, int], value: np.ndarray, first: np.ndarray) -> None:
    """Compare sums from pixel to pixel: NumPy's own would take another order, and other bits."""
    expected = {"total": value, "squares": value * value, "with_first": value * first, "observed": value[first > 0]}
    for name, terms in expected.items():
        total = np.float64(0)
        for term in terms:
            total = total + term
        assert getattr(sums, name)[at].tobytes() == total.tobytes() or np.isnan(total), name


@settings(deadline=None)
@given(points, st.integers(2, 30))
def test_the_work_on_an_ion_leaves_nothing_for_the_next(drawn: list[tuple[int, float]], size: int) -> None:
    peaks = peaks_of(drawn)
    left = np.arange(0, max(1, len(drawn)), size)
    left = np.column_stack([left, left])
    right = np.minimum(left + size, len(drawn))
    together = kernels.sum_images(peaks, left, right), kernels.correlate_single(peaks, left, right)
    for ion in range(len(left)):
        one = slice(ion, ion + 1)
        alone = kernels.sum_images(peaks, left[one], right[one]), kernels.correlate_single(peaks, left[one], right[one])
        for name in ("total", "squares", "with_first", "observed", "maximum", "pixels", "meets"):
            assert getattr(alone[0], name).tobytes() == getattr(together[0], name)[one].tobytes(), name
        for found, expected in zip(alone[1], together[1], strict=True):
            assert found.tobytes() == expected[one].tobytes()


PEAKS = PeakArrays(np.array([1.0, 2.0]), np.ones(2, np.float32), np.array([0, 4], np.uint32), 5)
WINDOW = np.array([[0, 0]])


@pytest.mark.parametrize(
    ("left", "right"), [([[-1, 0]], [[1, 1]]), ([[0, 0]], [[1, 3]]), ([[0, 0]], [[1]]), ([0, 0], [1, 1])]
)
def test_windows_outside_the_peaks_are_refused(left: list, right: list) -> None:
    with pytest.raises(ValueError, match="window"):
        kernels.sum_images(PEAKS, np.array(left), np.array(right))


def test_peaks_outside_the_pixels_are_refused() -> None:
    with pytest.raises(ValueError, match="a peak is in pixel 4 of 4"):
        PeakArrays(PEAKS.mz, PEAKS.intensity, PEAKS.pixel, 4)
    with pytest.raises(ValueError, match="2 m/z, 1 intensities, 2 pixels"):
        PeakArrays(PEAKS.mz, PEAKS.intensity[:1], PEAKS.pixel, 5)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="columns of"):
        kernels.sort_peaks(PEAKS.mz, PEAKS.intensity[:1], PEAKS.pixel)
    with pytest.raises(ValueError, match="centres"):
        kernels.mz_statistics(PEAKS, WINDOW, WINDOW, np.zeros((2, 2)))


@pytest.mark.parametrize(("y", "x", "level"), [(3, 0, 1), (0, 4, 1), (-1, 0, 1), (0, -1, 1), (0, 0, 127), (0, 0, -1)])
def test_entries_outside_an_image_or_its_levels_are_refused(y: int, x: int, level: int) -> None:
    one = np.array([1])
    entry = np.array([y], np.int32), np.array([x], np.int32), np.array([level], np.int8)
    with pytest.raises(ValueError, match="outside"):
        kernels.count_parts(one, *entry, heights=3 * one, widths=4 * one)


@pytest.mark.parametrize("ends", [[2], [0], [2, 1], []])
def test_images_that_do_not_end_with_the_entries_are_refused(ends: list[int]) -> None:
    with pytest.raises(ValueError, match="1 entries in images that do not end there"):
        kernels.exceeded_levels(np.array(ends, np.int64), np.ones(1, np.float32), 30)


@pytest.mark.parametrize("levels", [0, 127])
def test_numbers_of_levels_that_do_not_fit_are_refused(levels: int) -> None:
    with pytest.raises(ValueError, match=f"{levels} levels; from 1 to 126"):
        kernels.exceeded_levels(np.array([1]), np.ones(1, np.float32), levels)


def test_a_platform_without_kernels_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels._library.cache_clear()
    monkeypatch.setattr(platform, "machine", lambda: "sparc64")
    with pytest.raises(ImportError, match=r"on sparc64, only .*kernels-linux-x86_64\.so.*make kernels"):
        kernels.sort_peaks(PEAKS.mz, PEAKS.intensity, PEAKS.pixel)
