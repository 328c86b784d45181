"""Cuts of a job: they cover everything once, fit the functions' memory, or are refused."""

from __future__ import annotations

import numpy as np
import pytest

from ionfleet.errors import OutOfBudgetError
from ionfleet.planning import (
    USABLE_SHARE,
    Density,
    Segment,
    cut_evenly,
    cut_range,
    cut_segments,
    cut_spectra,
    fitting_mb,
    merge_windows,
    projected_annotate_mb,
    projected_sort_mb,
)
from ionfleet.runs import BLOCK, RunIndex, SortedPeaks, encode_run, index_run
from ionfleet.store import MemoryStore

from .run_files import read_ranges

FUNCTION_MB = 1769


def run_of(mz: np.ndarray) -> SortedPeaks:
    mz = np.sort(mz)
    return SortedPeaks(mz, np.ones(len(mz), np.float32), np.zeros(len(mz), np.uint32))


def density_of(*runs: np.ndarray) -> Density:
    return Density.of([index_run(run_of(mz), 0, np.empty(0, np.float32)) for mz in runs])


def huge_run(peaks: int, low: float = 100.0, high: float = 1000.0) -> RunIndex:
    """Return the index of a run of evenly spread peaks that nobody has to make."""
    return RunIndex(peaks, 0, high, np.linspace(low, high, -(-peaks // BLOCK)), np.empty(0, np.float32))


def windows(first: np.ndarray, ppm: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    mz = np.sort(first)[:, None] + 1.003 * np.arange(4)
    return mz * (1 - ppm * 1e-6), mz * (1 + ppm * 1e-6)


def check_cover(cuts: list[tuple[int, int]], count: int) -> None:
    assert [first for first, _ in cuts] == [0, *(stop for _, stop in cuts[:-1])]
    assert cuts[-1][1] == count
    assert all(first < stop for first, stop in cuts)


@pytest.mark.parametrize("most", [1, 10, 99, 100, 10**9])
def test_ranges_hold_as_much_as_they_may(most: int) -> None:
    weights = np.random.default_rng(most).integers(0, 40, 200)
    cuts = cut_evenly(weights, most)
    check_cover(cuts, 200)
    for first, stop in cuts:
        assert stop - first == 1 or weights[first:stop].sum() <= most
        assert stop == 200 or weights[first : stop + 1].sum() > most


def test_nothing_is_cut_into_nothing() -> None:
    assert cut_evenly(np.empty(0, np.int64), 10) == cut_range(0, 10) == []


def test_equal_ranges_end_with_the_rest() -> None:
    assert cut_range(25, 10) == [(0, 10), (10, 20), (20, 25)]
    assert cut_range(20, 10) == [(0, 10), (10, 20)]


def test_small_datasets_are_sorted_by_one_task_and_large_ones_by_as_many_as_memory_asks_for() -> None:
    assert cut_spectra(np.full(1000, 500), FUNCTION_MB, None) == [(0, 1000)]
    lengths = np.full(300_000, 3000)
    cuts = cut_spectra(lengths, FUNCTION_MB, None)
    check_cover(cuts, 300_000)
    usable = FUNCTION_MB * USABLE_SHARE
    assert all(projected_sort_mb(int(lengths[first:stop].sum())) <= usable for first, stop in cuts)
    assert projected_sort_mb(int(lengths[cuts[0][0] : cuts[0][1]].sum())) > 0.95 * usable


def test_more_memory_means_fewer_tasks() -> None:
    lengths = np.full(300_000, 3000)
    assert len(cut_spectra(lengths, 3538, None)) < len(cut_spectra(lengths, FUNCTION_MB, None))


def test_experts_choose_the_size_of_sort_tasks_within_memory() -> None:
    lengths = np.full(100, 50)
    assert cut_spectra(lengths, FUNCTION_MB, 200) == cut_range(100, 4)
    assert cut_spectra(lengths, FUNCTION_MB, 1) == cut_range(100, 1)
    many = np.full(1000, 100_000)
    assert cut_spectra(many, FUNCTION_MB, 10**12) == cut_spectra(many, FUNCTION_MB, 10**11)
    assert len(cut_spectra(many, FUNCTION_MB, 10**12)) > 1


def test_a_spectrum_that_no_sort_function_can_hold_is_refused_with_its_number() -> None:
    lengths = np.full(10, 100)
    lengths[6] = 50_000_000
    with pytest.raises(OutOfBudgetError, match=r"Spectrum 7 has 50,000,000 points; a sort function of 1769 MB holds 2"):
        cut_spectra(lengths, FUNCTION_MB, None)
    with pytest.raises(OutOfBudgetError, match="holds 0"):
        cut_spectra(np.array([1]), 128, None)


def test_a_spectrum_too_large_for_the_chosen_function_has_a_range_of_its_own_for_a_larger_one() -> None:
    lengths = np.full(10, 100)
    lengths[6] = 30_000_000
    cuts = cut_spectra(lengths, FUNCTION_MB, None, 7076)
    assert (6, 7) in cuts
    check_cover(cuts, 10)
    sizes = (FUNCTION_MB, 3538, 7076)
    needed = [fitting_mb(projected_sort_mb(int(lengths[first:stop].sum())), sizes) for first, stop in cuts]
    assert {size for size, cut in zip(needed, cuts, strict=True) if cut != (6, 7)} == {FUNCTION_MB}
    assert needed[cuts.index((6, 7))] == 3538


@pytest.mark.parametrize(("projected", "size"), [(1, 1000), (800, 1000), (801, 2000), (1600, 2000), (9999, 2000)])
def test_a_task_gets_the_smallest_size_that_it_fits_or_the_largest(projected: float, size: int) -> None:
    assert fitting_mb(projected, (1000, 2000)) == size


def test_a_function_without_room_for_the_places_of_all_spectra_sorts_none_of_them() -> None:
    many = np.full(5_000_000, 300)
    check_cover(cut_spectra(many, FUNCTION_MB, None), len(many))
    assert projected_sort_mb(0, len(many)) > 600 * USABLE_SHARE
    with pytest.raises(OutOfBudgetError, match="a sort function of 600 MB holds 0"):
        cut_spectra(many, 600, None)


def test_spectra_without_points_are_sorted_too() -> None:
    assert cut_spectra(np.array([0, 0, 0]), FUNCTION_MB, None) == [(0, 3)]
    check_cover(cut_spectra(np.array([0, 5, 0, 0, 5, 0]), FUNCTION_MB, 5), 6)


def test_density_counts_the_peaks_of_all_runs() -> None:
    rng = np.random.default_rng(1)
    runs = [rng.uniform(100, 900, size) for size in (3 * BLOCK, 10, 0, 2 * BLOCK + 1)]
    density = density_of(*runs)
    whole = np.sort(np.concatenate(runs))
    assert density.peaks == len(whole)
    assert (density.mz[0], density.mz[-1]) == (whole[0], whole[-1])
    assert density.below[-1] == len(whole)
    below = np.searchsorted(whole, density.mz, side="left")
    assert np.all(np.abs(density.below - below) <= BLOCK * len(runs))
    assert np.all(np.diff(density.below) >= 0)


def test_density_of_a_dataset_without_peaks() -> None:
    assert density_of().peaks == density_of(np.empty(0), np.empty(0)).peaks == 0


@pytest.mark.parametrize("seed", range(6))
def test_the_peaks_of_a_segment_are_exactly_those_that_are_read(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [rng.uniform(100, 900, size) for size in rng.integers(0, 12 * BLOCK, 3)]
    if seed % 2:  # the same m/z in many spectra, as in continuous datasets
        values = [np.round(value / 20) * 20 for value in values]
    store = MemoryStore()
    runs = []
    for number, run in enumerate(map(run_of, values)):
        store.create(str(number), encode_run(run))
        runs.append((str(number), index_run(run, 0, np.empty(0, np.float32))))
    lower, upper = windows(rng.uniform(100, 900, 60))
    segments = cut_segments(lower, upper, Density.of([index for _, index in runs]), FUNCTION_MB, 20_000)
    assert len(segments) > 1
    for segment in segments:
        ranges = merge_windows(lower[segment.first : segment.stop], upper[segment.first : segment.stop])
        assert segment.peaks == len(read_ranges(store, runs, *ranges))


def test_segments_cover_the_ions_and_balance_peaks() -> None:
    density = density_of(np.random.default_rng(0).uniform(100, 900, 40 * BLOCK))
    lower, upper = windows(np.random.default_rng(1).uniform(100, 890, 5000))
    segments = cut_segments(lower, upper, density, FUNCTION_MB, 60_000)
    check_cover([(segment.first, segment.stop) for segment in segments], 5000)
    assert 7 <= len(segments) <= 10
    counts = [np.interp([lower[s.first, 0], lower[s.stop - 1, 0]], density.mz, density.below) for s in segments]
    assert all(high - low <= 60_000 for low, high in counts)


def test_a_weight_of_1_gives_every_ion_a_segment() -> None:
    lower, upper = windows(np.array([200.0, 200.0, 300.0]))
    segments = cut_segments(lower, upper, density_of(np.linspace(100, 900, 500)), FUNCTION_MB, 1)
    assert [(segment.first, segment.stop) for segment in segments] == [(0, 1), (1, 2), (2, 3)]


def test_segments_that_would_not_fit_are_cut_further() -> None:
    density = Density.of([huge_run(40_000_000)])
    lower, upper = windows(np.linspace(150, 900, 3000))
    segments = cut_segments(lower, upper, density, FUNCTION_MB, 10**12)
    check_cover([(segment.first, segment.stop) for segment in segments], 3000)
    usable = FUNCTION_MB * USABLE_SHARE
    assert all(projected_annotate_mb(s.peaks, s.stop - s.first) <= usable for s in segments)
    assert len(segments) > 1


def test_the_points_of_ions_are_those_in_their_windows() -> None:
    density = density_of(np.repeat([200.0, 500.0, 900.0], [BLOCK, 6 * BLOCK, BLOCK]))
    lower, upper = windows(np.array([300.0, 500.0]))
    assert density.points(lower, upper).tolist() == pytest.approx([0, 6 * BLOCK], abs=BLOCK)


def test_a_task_has_room_for_all_points_of_one_ion() -> None:
    run = huge_run(12_000_000, 499.9995, 500.0005)
    lower, upper = windows(np.array([500.0]))
    without, with_points = projected_annotate_mb(run.peaks, 1), projected_annotate_mb(run.peaks, 1, 0, run.peaks)
    assert without < FUNCTION_MB * USABLE_SHARE < with_points
    with pytest.raises(OutOfBudgetError, match=r"m/z 499\.9985 reads 12,000,000 peaks"):
        cut_segments(lower, upper, Density.of([run]), FUNCTION_MB, None)
    lower, upper = windows(np.linspace(110, 890, 2000))
    assert len(cut_segments(lower, upper, Density.of([huge_run(12_000_000)]), FUNCTION_MB, None)) > 1


def test_an_ion_that_no_annotate_function_can_hold_is_refused_with_its_mz() -> None:
    density = Density.of([huge_run(400_000_000, 499.99, 500.01)])
    lower, upper = windows(np.array([500.0]))
    with pytest.raises(OutOfBudgetError, match=r"m/z 499\.9985 reads .* peaks"):
        cut_segments(lower, upper, density, FUNCTION_MB, None)


def test_an_ion_too_large_for_the_chosen_function_has_a_segment_of_its_own_for_a_larger_one() -> None:
    density = Density.of([huge_run(200_000_000, 499.99, 500.01), huge_run(1_000_000)])
    lower, upper = windows(np.array([300.0, 500.0, 700.0]))
    segments = cut_segments(lower, upper, density, FUNCTION_MB, None, largest_mb=7076)
    assert [(segment.first, segment.stop) for segment in segments if segment.peaks > 20_000_000] == [(1, 2)]
    check_cover([(segment.first, segment.stop) for segment in segments], 3)


def test_a_function_too_small_for_anything_is_refused() -> None:
    for lower, upper in (windows(np.array([500.0])), (np.empty((0, 4)), np.empty((0, 4)))):
        with pytest.raises(OutOfBudgetError, match="102 MB of an annotate function can be used"):
            cut_segments(lower, upper, density_of(np.array([500.0])), 128, None)


def test_without_ions_there_is_one_segment_without_ions() -> None:
    nothing = np.empty((0, 4))
    (segment,) = cut_segments(nothing, nothing, density_of(np.array([500.0])), FUNCTION_MB, None)
    assert segment == Segment(0, 0, 0, projected_annotate_mb(0, 0))


def test_windows_are_merged_where_they_are_near() -> None:
    lower = np.array([[10.0, 11.0], [10.1, 12.0], [10.04, 0.0]])
    upper = np.array([[10.02, 11.02], [10.2, 12.1], [10.06, 0.0]])
    starts, ends = merge_windows(lower, upper, gap=0.05)
    assert starts.tolist() == [10.0, 11.0, 12.0]
    assert ends.tolist() == [10.2, 11.02, 12.1]


def test_a_wide_window_swallows_narrow_ones() -> None:
    starts, ends = merge_windows(np.array([1.0, 2.0, 3.0, 30.0]), np.array([20.0, 2.1, 3.1, 31.0]))
    assert (starts.tolist(), ends.tolist()) == ([1.0, 30.0], [20.0, 31.0])


@pytest.mark.parametrize("seed", range(5))
def test_merged_windows_cover_all_and_are_ascending_and_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lower = rng.uniform(100, 110, (50, 3))
    upper = lower + rng.uniform(0, 0.2, lower.shape)
    starts, ends = merge_windows(lower, upper)
    assert np.all(starts[1:] > ends[:-1] + 0.05)
    inside = (starts <= lower[..., None]) & (upper[..., None] <= ends)
    assert inside.any(axis=-1).all()
    assert set(starts) <= set(lower.ravel())
    assert set(ends) <= set(upper.ravel())


def test_no_windows() -> None:
    for shape in ((0, 4), (3, 4)):
        starts, ends = merge_windows(np.zeros(shape), np.zeros(shape))
        assert (len(starts), len(ends)) == (0, 0)
