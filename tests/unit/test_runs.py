"""Sorted runs: layout, sparse index, and reading m/z ranges of several runs."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from ionfleet.errors import IonfleetError
from ionfleet.identity import RUN_PREFIXES
from ionfleet.runs import (
    BLOCK,
    PEAK_BYTES,
    RunIndex,
    RunRows,
    SortedPeaks,
    decode_blocks,
    encode_run,
    index_key,
    index_run,
    rows_to_read,
    run_key,
    sort_peaks,
)
from ionfleet.store import MemoryStore

from .run_files import peaks_read, read_ranges

SIZES = pytest.mark.parametrize("count", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 77])


def some_peaks(count: int, seed: int = 0, distinct: int = 10**9) -> SortedPeaks:
    """Return sorted peaks; few `distinct` m/z give ties over many blocks."""
    rng = np.random.default_rng(seed)
    mz = 100 + rng.integers(0, distinct, count) / distinct * 900
    return sort_peaks(mz, rng.random(count).astype(np.float32), rng.integers(0, 99, count).astype(np.uint32))


def same(one: SortedPeaks, other: SortedPeaks) -> bool:
    columns = ("mz", "intensity", "pixel")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in columns)


def stored(*runs: SortedPeaks) -> tuple[MemoryStore, list[tuple[str, RunIndex]]]:
    store = MemoryStore()
    for number, run in enumerate(runs):
        store.create(str(number), encode_run(run))
    return store, [(str(number), index_run(run, 0, np.empty(0, np.float32))) for number, run in enumerate(runs)]


def between(peaks: SortedPeaks, lower: np.ndarray, upper: np.ndarray) -> SortedPeaks:
    inside = ((peaks.mz[:, None] >= lower) & (peaks.mz[:, None] <= upper)).any(axis=1)
    return SortedPeaks(peaks.mz[inside], peaks.intensity[inside], peaks.pixel[inside])


@SIZES
def test_a_run_is_read_back_bit_by_bit(count: int) -> None:
    peaks = some_peaks(count)
    data = bytes(encode_run(peaks))
    assert len(data) == count * PEAK_BYTES
    assert same(decode_blocks(data), peaks)


def test_blocks_in_the_middle_are_read_alone() -> None:
    peaks = some_peaks(3 * BLOCK + 5)
    data = bytes(encode_run(peaks))
    middle = decode_blocks(data[BLOCK * PEAK_BYTES : 2 * BLOCK * PEAK_BYTES])
    assert middle.mz.tolist() == peaks.mz[BLOCK : 2 * BLOCK].tolist()
    end = decode_blocks(data[3 * BLOCK * PEAK_BYTES :])
    assert end.pixel.tolist() == peaks.pixel[3 * BLOCK :].tolist()


def test_the_layout_of_a_block_is_mz_then_intensity_then_pixel_little_endian() -> None:
    peaks = SortedPeaks(np.array([100.5, 200.25]), np.array([1, 2], np.float32), np.array([7, 8], np.uint32))
    data = bytes(encode_run(peaks))
    assert np.frombuffer(data, "<f8", 2).tolist() == [100.5, 200.25]
    assert np.frombuffer(data, "<f4", 2, 16).tolist() == [1, 2]
    assert np.frombuffer(data, "<u4", 2, 24).tolist() == [7, 8]


@SIZES
def test_an_index_is_read_back(count: int) -> None:
    peaks = some_peaks(count)
    tic = np.array([1.5, 0, np.inf], np.float32)
    index = index_run(peaks, 12, tic)
    read = RunIndex.from_bytes(index.to_bytes())
    assert (read.peaks, read.dropped, read.last_mz) == (count, 12, peaks.mz[-1] if count else 0.0)
    assert read.first_mz.tolist() == peaks.mz[::BLOCK].tolist()
    assert read.tic.tolist() == tic.tolist()


def test_peaks_of_equal_mz_keep_their_order() -> None:
    mz = np.array([300.0, 100, 300, 100, 200])
    peaks = sort_peaks(mz, np.arange(5, dtype=np.float32), np.arange(5, dtype=np.uint32))
    assert peaks.mz.tolist() == [100, 100, 200, 300, 300]
    assert peaks.pixel.tolist() == peaks.intensity.tolist() == [1, 3, 4, 0, 2]


def ranges_of(index: RunIndex, *ranges: tuple[float, float]) -> list[tuple[int, int]]:
    lower, upper = (np.array(ends) for ends in zip(*ranges, strict=True))
    return list(zip(*(ends.tolist() for ends in index.row_ranges(lower, upper)[:2]), strict=True))


def test_row_ranges_take_the_block_before_as_well() -> None:
    index = RunIndex(4 * BLOCK + 10, 0, 500.0, np.array([100.0, 200, 300, 400, 490]), np.empty(0, np.float32))
    assert ranges_of(index, (250, 260)) == [(BLOCK, 2 * BLOCK)]
    assert ranges_of(index, (300, 300)) == [(BLOCK, 3 * BLOCK)]  # the block of 200 may end with 300
    assert ranges_of(index, (310, 320)) == [(2 * BLOCK, 3 * BLOCK)]
    assert ranges_of(index, (50, 60)) == []
    assert ranges_of(index, (50, 100)) == [(0, BLOCK)]
    assert ranges_of(index, (600, 700)) == [(4 * BLOCK, 4 * BLOCK + 10)]
    assert ranges_of(index, (495, 499)) == [(4 * BLOCK, 4 * BLOCK + 10)]


def test_row_ranges_that_are_one_block_apart_are_one() -> None:
    index = RunIndex(6 * BLOCK, 0, 700.0, np.array([100.0, 200, 300, 400, 500, 600]), np.empty(0, np.float32))
    assert ranges_of(index, (150, 160), (250, 260)) == [(0, 2 * BLOCK)]
    assert ranges_of(index, (150, 160), (350, 360)) == [(0, 3 * BLOCK)]
    assert ranges_of(index, (150, 160), (450, 460)) == [(0, BLOCK), (3 * BLOCK, 4 * BLOCK)]
    assert ranges_of(index, (50, 60), (150, 160), (170, 180), (650, 800)) == [(0, BLOCK), (5 * BLOCK, 6 * BLOCK)]


@pytest.mark.parametrize("distinct", [3, 40, 10**9])
@pytest.mark.parametrize("seed", range(4))
def test_ranges_of_several_runs_are_those_of_one_sorted_whole(distinct: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [some_peaks(int(count), seed + 9 * n, distinct) for n, count in enumerate(rng.integers(0, 5 * BLOCK, 4))]
    whole = sort_peaks(*(np.concatenate([getattr(p, c) for p in parts]) for c in ("mz", "intensity", "pixel")))
    store, runs = stored(*parts)
    ends = np.sort(rng.uniform(90, 1010, 8))
    if distinct < 100:
        ends = np.unique(rng.choice(whole.mz, 8))  # ends that are m/z of many peaks
        ends = ends[: len(ends) // 2 * 2]
    lower, upper = ends[::2], ends[1::2]
    read = read_ranges(store, runs, lower, upper)
    assert same(between(read, lower, upper), between(whole, lower, upper))
    assert len(read) == peaks_read(runs, lower, upper)
    assert np.all(np.diff(read.mz) >= 0)
    assert same(read_ranges(store, runs, lower, upper, windows=(lower, upper)), between(whole, lower, upper))
    some = lower[::2], upper[::2]
    assert same(read_ranges(store, runs, lower, upper, windows=some), between(whole, *some))


def test_each_range_of_rows_is_one_request() -> None:
    store, runs = stored(some_peaks(20 * BLOCK))
    asked: list[tuple[int, int]] = []
    get_range = store.get_range
    store.get_range = lambda key, start, length: asked.append((start, length)) or get_range(key, start, length)
    read_ranges(store, runs, np.array([200.0, 201.0, 800.0]), np.array([200.1, 201.1, 800.1]))
    assert len(asked) == 2
    assert all(start % (BLOCK * PEAK_BYTES) == 0 for start, _ in asked)


def test_ranges_without_peaks_and_no_runs_are_empty() -> None:
    store, runs = stored(some_peaks(0))
    for known in (runs, []):
        read = read_ranges(store, known, np.array([100.0]), np.array([200.0]))
        assert (len(read), read.mz.dtype, read.intensity.dtype, read.pixel.dtype) == (0, "f8", "f4", "u4")
    assert len(read_ranges(*stored(some_peaks(10)), np.empty(0), np.empty(0))) == 0


def test_a_run_shorter_than_its_index_is_refused_by_name() -> None:
    store, runs = stored(some_peaks(2 * BLOCK))
    store.objects["0"] = store.objects["0"][:-16]
    with pytest.raises(IonfleetError, match=r"run 0 gave .* bytes"):
        read_ranges(store, runs, np.array([100.0]), np.array([999.0]))


def some_rows() -> RunRows:
    return RunRows(np.array([0, 0, 3]), np.array([0, 2 * BLOCK, 0]), np.array([BLOCK, 2 * BLOCK + 5, 7]))


def test_rows_are_read_back() -> None:
    rows = some_rows()
    read = RunRows.from_bytes(rows.to_bytes(), 4, rows.peaks)
    assert [column.tolist() for column in (read.run, read.first, read.stop)] == [
        [0, 0, 3],
        [0, 2 * BLOCK, 0],
        [BLOCK, 2 * BLOCK + 5, 7],
    ]
    assert RunRows.from_bytes(b"", 0, 0).peaks == 0


@pytest.mark.parametrize(
    ("data", "runs", "peaks"),
    [
        (some_rows().to_bytes(), 3, some_rows().peaks),
        (some_rows().to_bytes()[:-24], 4, some_rows().peaks),
        (some_rows().to_bytes()[:-1], 4, some_rows().peaks),
        (b"", 4, some_rows().peaks),
        (np.array([0, 1, 5], "<i8").tobytes(), 1, 4),
        (np.array([0, 0, 5, 0, 0, 5], "<i8").tobytes(), 1, 10),
        (np.array([1, 0, 5, 0, 0, 5], "<i8").tobytes(), 2, 10),
        (np.array([-1, 0, 5], "<i8").tobytes(), 1, 5),
        (np.array([0, 0, 0], "<i8").tobytes(), 1, 0),
    ],
)
def test_rows_that_cannot_be_those_of_a_segment_are_refused(data: bytes, runs: int, peaks: int) -> None:
    with pytest.raises(ValueError, match=r"rows of|multiple of|cannot reshape"):
        RunRows.from_bytes(data, runs, peaks)


@pytest.mark.parametrize("seed", range(4))
def test_groups_of_ranges_are_looked_up_each_for_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    _, runs = stored(*(some_peaks(int(count), seed) for count in rng.integers(0, 9 * BLOCK, 3)))
    indexes = [index for _, index in runs]
    groups = [np.sort(rng.uniform(50, 1050, 2 * count)) for count in (3, 0, 5, 1)]
    windows = [(ends[::2], ends[1::2]) for ends in groups]
    together = rows_to_read(indexes, windows)
    assert [rows.to_bytes() for rows in together] == [rows_to_read(indexes, [each])[0].to_bytes() for each in windows]
    assert together[1].peaks == 0 < together[0].peaks
    assert rows_to_read(indexes, []) == []


def test_indexes_sort_by_spectrum() -> None:
    assert index_key("ds-1", 5, 120) == "datasets/ds-1/indexes/00000005-00000120.index"
    assert sorted([index_key("d", 1000, 2000), index_key("d", 20, 1000)])[0] == index_key("d", 20, 1000)


def test_runs_are_spread_over_prefixes_that_never_change() -> None:
    assert run_key("ds-1", 5, 120) == "runs/a/ds-1/00000005-00000120.run"
    prefixes = Counter(run_key("ds-1", first, first + 10).split("/")[1] for first in range(0, 8000, 10))
    assert len(prefixes) == RUN_PREFIXES
    assert max(prefixes.values()) < 2 * min(prefixes.values())
