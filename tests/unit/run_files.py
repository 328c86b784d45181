"""Sorted runs read by m/z, as segments are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ionfleet.runs import RunIndex, SortedPeaks, read_rows, rows_to_read
from ionfleet.store import ObjectStore


def read_ranges(
    store: ObjectStore,
    runs: Sequence[tuple[str, RunIndex]],
    lower: np.ndarray,
    upper: np.ndarray,
    windows: tuple[np.ndarray, np.ndarray] | None = None,
) -> SortedPeaks:
    """Read the blocks of runs, given by key and index, that hold peaks in m/z ranges; keep those in windows, if any."""
    (rows,) = rows_to_read([index for _, index in runs], [(lower, upper)])
    return read_rows(store, [key for key, _ in runs], rows, windows)


def peaks_read(runs: Sequence[tuple[str, RunIndex]], lower: np.ndarray, upper: np.ndarray) -> int:
    """Return how many peaks that reads."""
    (rows,) = rows_to_read([index for _, index in runs], [(lower, upper)])
    return rows.peaks
