"""Isomers and isobars among annotations (docs/annotation.md, Isomers and isobars)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ionfleet.isotopes import tolerance_windows

Pair = tuple[int, int]


def isomers(ions: Sequence[str]) -> dict[int, list[int]]:
    """Return for each annotation that shares its ion formula the others that do, in their order."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for row, ion in enumerate(ions):
        groups[ion].append(row)
    return {
        row: [other for other in group if other != row] for group in groups.values() if len(group) > 1 for row in group
    }


def isobars(
    ions: Sequence[str], mz: npt.NDArray[np.float64], present: npt.NDArray[np.bool_], ppm: float
) -> dict[int, dict[int, list[Pair]]]:
    """Find annotations whose isotope peaks cannot be told apart at the given tolerance.

    Parameters
    ----------
    ions
        Ion formulas of n annotations; equal ones are isomers, never isobars.
    mz
        Centroids, float64[n, k].
    present
        Which isotope peaks have an image, bool[n, k].
    ppm
        Half width of the windows, closed on both sides.

    Returns
    -------
    dict of dict
        For an annotation its isobars, each with the (own peak, other's peak) pairs that overlap, counted from 1: the
        two first peaks overlap, or at least two pairs do.

    """
    overlaps: defaultdict[Pair, list[Pair]] = defaultdict(list)
    rows, peaks = np.nonzero(present & (mz > 0))
    lower, upper = tolerance_windows(mz[rows, peaks], ppm)
    order = np.argsort(lower, kind="stable")
    rows, peaks, lower, upper = rows[order], peaks[order], lower[order], upper[order]
    reach = np.searchsorted(lower, upper, side="right")
    for i, stop in enumerate(reach):
        for j in range(i + 1, stop):
            a, b = int(rows[i]), int(rows[j])
            if ions[a] != ions[b]:
                overlaps[a, b].append((int(peaks[i]) + 1, int(peaks[j]) + 1))
                overlaps[b, a].append((int(peaks[j]) + 1, int(peaks[i]) + 1))
    found: defaultdict[int, dict[int, list[Pair]]] = defaultdict(dict)
    for (a, b), pairs in sorted(overlaps.items()):
        if len(pairs) > 1 or (1, 1) in pairs:
            found[a][b] = sorted(pairs)
    return dict(found)
