"""Laws of sorted runs and of the tables' text, for any peaks and names."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ionfleet import planning, runs
from ionfleet.planning import Density, merge_windows
from ionfleet.runs import SortedPeaks, decode_blocks, encode_run, index_run, sort_peaks
from ionfleet.store import MemoryStore

from ..unit.run_files import peaks_read, read_ranges

# Few distinct m/z, so that many peaks are equal and blocks begin with the m/z that windows end at.
mz_values = st.one_of(st.sampled_from([100.0, 200.0, 300.0]), st.floats(1, 1000))
spectra = st.lists(st.lists(mz_values, max_size=25), max_size=5)
windows = st.lists(st.tuples(mz_values, st.sampled_from([0.0, 0.01, 5.0, 300.0])), max_size=6)
blocks = st.sampled_from([1, 2, 5, 8192])


def numbered(parts: list[list[float]]) -> list[SortedPeaks]:
    """Return a run of each part; the intensity of a peak is its number in the whole."""
    first = np.cumsum([0, *map(len, parts)])
    made = []
    for start, part in zip(first[:-1], parts, strict=True):
        numbers = start + np.arange(len(part))
        made.append(sort_peaks(np.array(part, float), numbers.astype(np.float32), numbers.astype(np.uint32)))
    return made


@given(spectra, windows, blocks)
@settings(deadline=None)
def test_reading_windows_of_all_runs_finds_every_peak_in_order(parts: list, wanted: list, block: int) -> None:
    lower = np.array([start for start, _ in wanted])
    ranges = merge_windows(lower, lower + np.array([width for _, width in wanted]))
    (whole,) = numbered([[mz for part in parts for mz in part]])
    with patch.object(runs, "BLOCK", block), patch.object(runs, "_BLOCK_BYTES", block * runs.PEAK_BYTES):
        store = MemoryStore()
        indexes = []
        for number, run in enumerate(numbered(parts)):
            store.create(str(number), encode_run(run))
            assert decode_blocks(store.get(str(number))).pixel.tolist() == run.pixel.tolist()
            indexes.append((str(number), index_run(run, 0, np.empty(0, np.float32))))
        read = read_ranges(store, indexes, *ranges)
        assert len(read) == peaks_read(indexes, *ranges)
    inside = ((whole.mz[:, None] >= ranges[0]) & (whole.mz[:, None] <= ranges[1])).any(axis=1)
    found = ((read.mz[:, None] >= ranges[0]) & (read.mz[:, None] <= ranges[1])).any(axis=1)
    assert read.pixel[found].tolist() == whole.pixel[inside].tolist()
    assert read.intensity.tolist() == read.pixel.tolist()


@given(spectra, blocks)
@settings(deadline=None)
def test_density_is_exact_to_a_block_per_run(parts: list, block: int) -> None:
    with patch.object(runs, "BLOCK", block), patch.object(planning, "BLOCK", block):
        density = Density.of([index_run(run, 0, np.empty(0, np.float32)) for run in numbered(parts)])
    mz = np.sort([mz for part in parts for mz in part])
    assert density.peaks == len(mz)
    if len(mz):
        assert (density.mz[0], density.mz[-1], density.below[-1]) == (mz[0], mz[-1], len(mz))
        at_most = np.searchsorted(mz, density.mz, side="right")
        assert np.all(density.below <= at_most)
        # At the last of equal m/z all steps there have been taken.
        last = np.append(np.diff(density.mz) > 0, True)
        below = np.searchsorted(mz, density.mz, side="left")
        assert np.all(density.below[last] >= (below - block * len(parts))[last])
