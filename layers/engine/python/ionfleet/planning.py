"""Cutting a job into tasks that fit their functions' memory (docs/architecture.md, Planning).

Every stage has a projection of its peak memory in terms of what is known when it is planned. The cuts decide who
computes a number, never the number: no result depends on them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ionfleet.errors import OutOfBudgetError
from ionfleet.estimate import times_read
from ionfleet.runs import BLOCK, RunIndex, rows_to_read

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

MEBIBYTE = 1 << 20
USABLE_SHARE = 0.8
"""Of a function's memory; the rest is left to the interpreter's slack and the runtime."""

SORT_BASE_MB = 200
SORT_BYTES_PER_PEAK = 55
ANNOTATE_BASE_MB = 500
ANNOTATE_BYTES_PER_PEAK = 50
ANNOTATE_BYTES_PER_ION = 1200
ANNOTATE_BYTES_PER_POINT = 30
"""Of the ion with the most points: ions are measured in batches, but each of them whole."""
GRID_BYTES_PER_SPECTRUM = 110
"""To read where the spectra lie."""
KEPT_BYTES_PER_SPECTRUM = 16
"""To know it then."""

GATHERING_MB = 3008
"""Memory of partition and merge, the functions that hold all ions of a job at once."""
GATHERING_BASE_MB = 200
GATHERING_BYTES_PER_ION = 300
GATHERING_BYTES_PER_CENTROID = 80
INDEX_BYTES_PER_BLOCK = 28
DENSITY_BYTES_PER_BLOCK = 68
"""Of all runs: to know where the peaks are, and to find that out."""

ISOTOPE_TASK_FORMULAS = 512
ISOTOPE_TASK_IONS = 500_000
"""Ions of a task at most: their patterns take two minutes."""
RENDER_TASK_IONS = 64
RENDER_TASK_PIXELS = 1 << 25
"""Pixels of the boxes of a render task's annotations: written out for every peak, they take some ten seconds."""
_SORT_TASKS = 16
_SORT_TASK_PEAKS = 2_000_000
_SEGMENTS = 16
_SEGMENT_PEAKS = 2_000_000
SEGMENTS_AT_ONCE = 64
"""Segments whose rows are looked up together: one search in each run's index serves all of them."""
_PEAKS_PER_ION = 30
"""An ion costs about as much as this many peaks: what balances segments of many ions against those of many peaks."""


def projected_sort_mb(peaks: int, spectra: int = 0) -> float:
    """Project the peak memory (MB) of a sort task over that many points, in a dataset of that many spectra.

    The places of all spectra are read before any peak, and forgotten but for those of the task's own.
    """
    return SORT_BASE_MB + max(peaks * SORT_BYTES_PER_PEAK, spectra * GRID_BYTES_PER_SPECTRUM) / MEBIBYTE


def projected_annotate_mb(peaks: int, ions: int, spectra: int = 0, points: int = 0) -> float:
    """Project the peak memory (MB) of an annotate task that reads that many peaks for that many ions.

    `spectra` are those of the whole dataset, whose places every task reads before any peak, and of which it keeps less;
    `points` are the most that one ion has.
    """
    read = peaks * ANNOTATE_BYTES_PER_PEAK + ions * ANNOTATE_BYTES_PER_ION + points * ANNOTATE_BYTES_PER_POINT
    kept = read + spectra * KEPT_BYTES_PER_SPECTRUM
    return ANNOTATE_BASE_MB + max(kept, spectra * GRID_BYTES_PER_SPECTRUM) / MEBIBYTE


def projected_gathering_mb(ions: int, centroids: int, points: int = 0) -> float:
    """Project the peak memory (MB) of what holds that many ions, targets and decoys, each with so many centroids.

    `points` are those of the dataset, whose runs' indexes are held as well, and are put together before the ions come.
    """
    blocks = points / BLOCK
    indexes, whole = blocks * INDEX_BYTES_PER_BLOCK, blocks * DENSITY_BYTES_PER_BLOCK
    return GATHERING_BASE_MB + max(whole, indexes + ions * _gathering_bytes(centroids)) / MEBIBYTE


def _gathering_bytes(centroids: int) -> int:
    return GATHERING_BYTES_PER_ION + centroids * GATHERING_BYTES_PER_CENTROID


def check_ions(formulas: int, ions_per_formula: int, centroids: int, points: int = 0) -> None:
    """Refuse more ions than partition and merge can hold.

    Parameters
    ----------
    formulas
        Distinct formulas of all databases of the job.
    ions_per_formula
        The most targets and decoys that one of them can have.
    centroids
        Peaks of an isotope pattern that are looked for.
    points
        Of the dataset.

    Raises
    ------
    OutOfBudgetError
        With these numbers, and how many ions there may be.

    """
    ions = formulas * ions_per_formula
    if projected_gathering_mb(ions, centroids, points) <= GATHERING_MB * USABLE_SHARE:
        return
    room = GATHERING_MB * USABLE_SHARE - GATHERING_BASE_MB - points / BLOCK * INDEX_BYTES_PER_BLOCK / MEBIBYTE
    most = max(0, int(room * MEBIBYTE / _gathering_bytes(centroids)))
    raise OutOfBudgetError(
        f"The {formulas:,} formulas of the databases, each with up to {ions_per_formula:,} targets and decoys, make "
        f"{ions:,} ions; a job on {points:,} peaks may have {most:,} with isotope_peaks {centroids}. Give fewer "
        "adducts, neutral_losses or chemical_modifications, a smaller decoy_sample_size or database, or choose "
        "molecule_classes."
    )


def fitting_mb(projected_mb: float, sizes_mb: Sequence[int]) -> int:
    """Return the smallest of some sizes of a function, ascending, that a task fits; the largest where none does."""
    fitting = (size for size in sizes_mb if projected_mb <= size * USABLE_SHARE)
    return next(fitting, sizes_mb[-1])


def cut_spectra(
    lengths: Int64, function_mb: int, task_peaks: int | None, largest_mb: int | None = None
) -> list[tuple[int, int]]:
    """Cut spectra into ranges first ≤ i < stop, one for each sort task.

    Parameters
    ----------
    lengths
        Points of each spectrum, int64[n].
    function_mb
        Memory of a sort function.
    task_peaks
        Points a task should have at most; None to choose.
    largest_mb
        Memory of the largest sort function, for a spectrum that needs more than the others; None for the same.

    Raises
    ------
    OutOfBudgetError
        One spectrum alone is more than a sort function can hold.

    """
    largest = int(lengths.max(initial=0))
    holds = _sort_capacity(largest_mb or function_mb, len(lengths))
    if largest > holds:
        raise OutOfBudgetError(
            f"Spectrum {int(lengths.argmax()) + 1} has {largest:,} points; a sort function of "
            f"{largest_mb or function_mb} MB holds {holds:,}. "
            "Centroid the data, or deploy with more memory for the sort function."
        )
    wanted = task_peaks or max(_SORT_TASK_PEAKS, int(lengths.sum()) // _SORT_TASKS)
    return cut_evenly(lengths, max(1, min(wanted, _sort_capacity(function_mb, len(lengths)))))


def _sort_capacity(function_mb: int, spectra: int) -> int:
    """Return how many points a sort function holds, of a dataset of that many spectra: none where it has no room."""
    room = function_mb * USABLE_SHARE
    if projected_sort_mb(0, spectra) > room:
        return 0
    return int((room - SORT_BASE_MB) * MEBIBYTE / SORT_BYTES_PER_PEAK)


def cut_evenly(weights: Int64, most: int) -> list[tuple[int, int]]:
    """Cut a sequence into ranges of about equal weight, at most `most` each, or of one element that weighs more."""
    ends = np.cumsum(weights)
    if len(ends):
        most = -(-int(ends[-1]) // max(1, -(-int(ends[-1]) // most)))
    cuts = []
    first = 0
    while first < len(weights):
        done = ends[first - 1] if first else 0
        stop = max(first + 1, int(np.searchsorted(ends, done + most, side="right")))
        cuts.append((first, stop))
        first = stop
    return cuts


def render_task_ions(pixels: int) -> int:
    """Return how many annotations one task renders whose boxes have so many pixels: fewer where each image is large."""
    return max(1, min(RENDER_TASK_IONS, RENDER_TASK_PIXELS // pixels))


def cut_range(count: int, size: int) -> list[tuple[int, int]]:
    """Cut 0 ≤ i < count into ranges of `size`."""
    return [(first, min(first + size, count)) for first in range(0, count, size)]


@dataclass(frozen=True)
class Density:
    """Where the peaks of all runs lie, from the runs' sparse indexes.

    `below` (float64) is the number of peaks below each of `mz` (float64, ascending): exact to a block per run.
    """

    mz: Float64
    below: Float64
    runs: Sequence[RunIndex]

    @staticmethod
    def of(runs: Sequence[RunIndex]) -> Density:
        """Merge the indexes of all runs."""
        filled = [run for run in runs if run.peaks]
        mz = np.concatenate([run.first_mz for run in filled] + [[run.last_mz for run in filled]])
        blocks = [np.diff(np.append(np.arange(0, run.peaks, BLOCK), run.peaks), prepend=0) for run in filled]
        # At a block's first m/z, all peaks of the blocks before it in its run are below.
        steps = np.concatenate([block[:-1] for block in blocks] + [[block[-1] for block in blocks]])
        order = np.argsort(mz, kind="stable")
        return Density(mz[order], np.cumsum(steps[order]), filled)

    @property
    def peaks(self) -> int:
        """Number of all peaks."""
        return sum(run.peaks for run in self.runs)

    def points(self, lower: Float64, upper: Float64) -> Int64:
        """Return about how many peaks lie in the windows of each ion, float64[n, k]: int64[n]."""
        within = np.interp(upper, self.mz, self.below, left=0.0) - np.interp(lower, self.mz, self.below, left=0.0)
        points: Int64 = within.sum(axis=1).astype(np.int64)
        return points


@dataclass(frozen=True)
class Segment:
    """The ions first ≤ i < stop in the order of their first centroids, and the peaks that their windows read.

    `projected_mb` is the peak memory that is expected of the task.
    """

    first: int
    stop: int
    peaks: int
    projected_mb: float


def cut_segments(
    lower: Float64,
    upper: Float64,
    density: Density,
    function_mb: int,
    segment_peaks: int | None,
    spectra: int = 0,
    largest_mb: int | None = None,
) -> list[Segment]:
    """Cut ions, ordered by their first centroid's m/z, into segments that balance peaks and ions.

    Parameters
    ----------
    lower, upper
        Window ends of all centroids, float64[n, k]; unused places are 0.
    density
        Where the peaks are.
    function_mb
        Memory of an annotate function.
    segment_peaks
        Peaks a segment should weigh; None to choose.
    spectra
        Of the whole dataset.
    largest_mb
        Memory of the largest annotate function, for an ion that needs more than the others; None for the same.

    Returns
    -------
    list of Segment
        At least one, even if it has no ion, so that the stages after it find the tables they expect.

    Raises
    ------
    OutOfBudgetError
        A single ion's windows hold more peaks than an annotate function can.

    """
    below = np.interp(lower[:, 0], density.mz, density.below, left=0.0)
    weights = np.diff(below, prepend=0.0).astype(np.int64) + _PEAKS_PER_ION
    wanted = segment_peaks or max(_SEGMENT_PEAKS, int(weights.sum()) // _SEGMENTS)
    points = density.points(lower, upper)
    segments: list[Segment] = []
    pending = cut_evenly(weights, wanted) or [(0, 0)]
    while pending:
        cuts, pending = pending[:SEGMENTS_AT_ONCE], pending[SEGMENTS_AT_ONCE:]
        read = rows_to_read(density.runs, [merge_windows(lower[first:stop], upper[first:stop]) for first, stop in cuts])
        for (first, stop), rows in zip(cuts, read, strict=True):
            single = stop - first <= 1
            room = (largest_mb or function_mb if single else function_mb) * USABLE_SHARE
            most = int(points[first:stop].max(initial=0))
            projected = projected_annotate_mb(rows.peaks, stop - first, spectra, most)
            if projected <= room:
                segments.append(Segment(first, stop, rows.peaks, projected))
            elif single:
                raise _too_many_peaks(rows.peaks, lower[first:stop], largest_mb or function_mb, projected)
            else:
                middle = (first + stop) // 2
                pending += [(first, middle), (middle, stop)]
    return sorted(segments, key=lambda segment: segment.first)


def expected_segments(
    peaks: int, ions: int, spectra: int, function_mb: int, segment_peaks: int | None, span: float, centroids: int
) -> int:
    """Return how many segments `cut_segments` will make if every ion lies in the dataset's range of m/z.

    Parameters are those of `cut_segments`; it knows where the peaks are, which is not known before they are sorted:
    they are taken to be spread over `span` (Da), for ions of so many `centroids`.
    """
    weight = peaks + ions * _PEAKS_PER_ION
    wanted = segment_peaks or max(_SEGMENT_PEAKS, weight // _SEGMENTS)
    kept = spectra * KEPT_BYTES_PER_SPECTRUM / MEBIBYTE
    room = max(1.0, function_mb * USABLE_SHARE - ANNOTATE_BASE_MB - kept) * MEBIBYTE
    segments = max(1, -(-weight // wanted))
    while True:
        read = peaks * times_read(segments, span, centroids)
        more = math.ceil((read * ANNOTATE_BYTES_PER_PEAK + ions * ANNOTATE_BYTES_PER_ION) / room)
        if more <= segments:
            break
        segments = more
    # Segments end between ions, which leaves each a little below its weight.
    return segments + 1 if segments > 1 else 1


def _too_many_peaks(peaks: int, lower: Float64, function_mb: int, projected_mb: float) -> OutOfBudgetError:
    where = f" at m/z {lower[0, 0]:.4f}" if len(lower) else ""
    return OutOfBudgetError(
        f"To annotate one ion{where} reads {peaks:,} peaks and takes {projected_mb:,.0f} MB; "
        f"{function_mb * USABLE_SHARE:,.0f} MB of an annotate function can be used. "
        "Lower ppm, or deploy with more memory for the annotate function."
    )


def merge_windows(lower: Float64, upper: Float64, gap: float = 0.05) -> tuple[Float64, Float64]:
    """Merge m/z windows less than `gap` apart; return the merged ranges' ends, ascending. Windows at 0 are left out."""
    used = upper > 0
    order = np.argsort(lower[used], kind="stable")
    starts, reach = lower[used][order], np.maximum.accumulate(upper[used][order])
    opens = np.ones(len(starts), bool)
    opens[1:] = starts[1:] > reach[:-1] + gap
    return starts[opens], reach[np.append(opens[1:], True)[: len(reach)]]
