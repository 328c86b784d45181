"""What a few spectra tell of a whole job before it is planned: how many peaks its ions meet, and how many it will show.

Nothing here reaches a result: it serves the estimate alone (docs/cost.md, The estimate).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt

from ionfleet.concurrently import in_order
from ionfleet.estimate import CENTROID_STEP, Expectation
from ionfleet.formula import ion_mzs
from ionfleet.index import SpectraIndex
from ionfleet.ions import IonSettings, ion_pairs, modifier_table
from ionfleet.isotopes import tolerance_windows
from ionfleet.spectra import Fetch, read_peaks

STRETCHES = 16
"""Places of the dataset where spectra are read: neighbours by one request, as their arrays lie side by side."""
STRETCH_SPECTRA = 16
STRETCH_POINTS = 1 << 15
"""Points of a stretch, unless its first spectrum has more."""
MOST_POINTS = 1 << 22
"""Spectra with more points than this are not read for a sample."""
FORMULAS, IONS = 2_000, 50_000
"""Formulas, and about how many ions, that a sample is searched for at most."""
SHOWN_FDR = 0.5
"""Annotations are shown up to this share of false ones."""

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]
Bool = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class SampledPeaks:
    """Peaks of some spectra ordered by m/z (float64), each with the number of its spectrum among them (int64)."""

    mz: Float64
    spectrum: Int64
    spectra: int


def sample_peaks(index: SpectraIndex, fetch: Fetch) -> SampledPeaks:
    """Read some spectra, spread over a dataset; none where all have more than `MOST_POINTS`.

    Parameters
    ----------
    index
        Of the whole dataset.
    fetch
        Returns bytes of the ibd, given (start, length); called by several threads.

    Raises
    ------
    InvalidDatasetError
        An array of one of these spectra cannot be decoded.

    """
    stretches = _stretches(index.mz_length)
    parts = list(in_order(lambda stretch: read_peaks(index, *stretch, fetch), stretches))
    spectra = np.cumsum([0, *(stop - first for first, stop in stretches)])
    mz = np.concatenate([np.empty(0), *(part.mz for part in parts)])
    numbers = [
        part.spectrum.astype(np.int64) - first + before
        for part, (first, _), before in zip(parts, stretches, spectra[:-1], strict=True)
    ]
    order = np.argsort(mz, kind="stable")
    return SampledPeaks(mz[order], np.concatenate([np.empty(0, np.int64), *numbers])[order], int(spectra[-1]))


def _stretches(lengths: Int64) -> list[tuple[int, int]]:
    """Choose ranges of spectra, first ≤ i < stop, ascending and apart."""
    readable = np.flatnonzero(lengths <= MOST_POINTS)
    places = readable[np.unique(np.linspace(0, max(0, len(readable) - 1), STRETCHES).astype(int))[: len(readable)]]
    found: list[tuple[int, int]] = []
    for first, following in zip(places.tolist(), [*places[1:].tolist(), len(lengths)], strict=False):
        ends = np.cumsum(lengths[first : min(following, first + STRETCH_SPECTRA)])
        found.append((first, first + max(1, int(np.searchsorted(ends, STRETCH_POINTS, side="right")))))
    return found


def expect(
    sample: SampledPeaks,
    spectra: int,
    formulas: Sequence[str],
    settings: IonSettings,
    *,
    charge: int,
    peaks: int,
    ppm: float,
) -> Expectation:
    """Search the sampled spectra for some of a job's ions, and tell of all of them in all spectra.

    Patterns are taken to be as far from each other as carbon makes them, from the ion's lightest isotopes on. Of the
    ions whose first two peaks are met together in one spectrum, as many are true as there are more of them among the
    targets than among the decoys. Those shown are twice as many, up to an FDR of one half, but for targets whose first
    two peaks are met together nowhere, nor would be by chance in all spectra: their msm is 0. One at least is expected.

    Parameters
    ----------
    sample
        Of at least one spectrum.
    spectra
        Of the whole dataset.
    formulas
        Of all databases, at least one; some of them are taken.
    settings
        Which ions they make.
    charge, peaks, ppm
        Of the ions; how many isotope peaks are looked for; half width of a window.

    """
    most = max(1, min(FORMULAS, IONS // modifier_table(settings).pairs_per_formula))
    chosen = [formulas[place] for place in np.unique(np.linspace(0, len(formulas) - 1, most).astype(int))]
    pairs = ion_pairs(chosen, 0, len(chosen), settings)
    target = pairs.is_target[np.asarray(pairs.ion.is_valid())]
    mz = ion_mzs(cast(list[str], pairs.ion.drop_null().to_pylist()), charge)
    lower, upper = tolerance_windows(mz[:, None] + CENTROID_STEP / abs(charge) * np.arange(peaks), ppm)
    left, right = np.searchsorted(sample.mz, lower), np.searchsorted(sample.mz, upper, side="right")
    alone = [_spectra_met(sample, left[:, isotope], right[:, isotope]) for isotope in (0, 1)]
    together = np.intersect1d(alone[0], alone[1], assume_unique=True)
    first, second, both = (np.bincount(met // sample.spectra, minlength=len(left)) for met in (*alone, together))
    by_chance = first * second * (spectra / sample.spectra**2)
    share = len(chosen) / len(formulas)
    hits = float((right - left).sum()) * spectra / sample.spectra / share
    shown = _shown(both, (both > 0) | (by_chance >= 1), target) / share
    return Expectation(hits=hits, shown=max(1, math.ceil(shown)), span=_span(sample.mz))


def _span(mz: Float64) -> float:
    """Return the range of m/z (Da) over which peaks lie, but for the outermost hundredths; at least 1."""
    ends = np.quantile(mz, [0.01, 0.99]) if len(mz) else np.zeros(2)
    return max(1.0, float(ends[1] - ends[0]))


def _spectra_met(sample: SampledPeaks, left: Int64, right: Int64) -> Int64:
    """Return which ion meets a peak in which spectrum, left ≤ peak < right: ion × spectra + spectrum, each once."""
    counts = right - left
    ion = np.repeat(np.arange(len(left)), counts)
    peak = np.arange(len(ion)) + np.repeat(left - np.cumsum(counts) + counts, counts)
    return np.unique(ion * sample.spectra + sample.spectrum[peak])


def _shown(together: Int64, possible: Bool, target: Bool) -> float:
    """Return how many targets are shown, by the number of spectra that each ion's first two peaks are met in."""
    of_targets, of_decoys = np.sort(together[target]), np.sort(together[~target])
    levels = np.unique(of_targets[of_targets > 0])
    as_many = [len(each) - np.searchsorted(each, levels) for each in (of_targets, of_decoys)]
    true = as_many[0] - as_many[1] * len(of_targets) / max(1, len(of_decoys))
    return float(min(np.count_nonzero(possible & target), true.max(initial=0) / (1 - SHOWN_FDR)))
