"""Isotope patterns as METASPACE computes them (docs/annotation.md, Isotope patterns)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

import cpyMSpec
import numpy as np
import numpy.typing as npt
from cpyMSpec.spectrum import ffi
from cpyMSpec.spectrum import ims as library

from ionfleet.centroiding import (
    FWHM_PER_SIGMA,
    MIN_ABUNDANCE,
    POINTS_PER_FWHM,
    Floats,
    Integers,
    Isotopologues,
    find_maxima,
)
from ionfleet.formula import Counts, format_formula, parse_formula, split_labels

LIBRARY_VERSION = f"cpyMSpec {version('cpyMSpec')}"
"""Part of every cached chunk's key: another version of the library is another pattern."""

_BATCH = 3_000
"""Ions whose patterns are looked at together."""

_COLUMN = 1 << 16
"""Numbers of isotopologues for which memory is taken at a time."""

_MANY_ISOTOPOLOGUES = 1_000
"""From more of them on, looking at many ions together gains nothing, and takes memory."""

_MAX_ATOMS = 30_000

# From some hundred atoms of one of these on, the library ends the process instead of raising an error, as it does from
# fewer on: their isotopes combine to more isotopologues than it lists.
# fmt: off
_MANY_ISOTOPES = frozenset({
    "Ba", "Cd", "Dy", "Er", "Gd", "Hf", "Hg", "Kr", "Mo", "Nd", "Os", "Pd", "Pt", "Ru", "Se", "Sm", "Sn", "Te", "Xe",
    "Yb",
})
# fmt: on
_MAX_ATOMS_OF_MANY_ISOTOPES = 200

_TO_BE_PARSED = re.compile(rf"x|[0-9]{{5}}|(?:{'|'.join(sorted(_MANY_ISOTOPES))})[0-9]{{3}}")
"""In formulas with labels, or perhaps with too many atoms."""


@dataclass(frozen=True)
class Instrument:
    """What shapes an isotope pattern.

    `sigma` is the standard deviation (Da) of a peak at m/z 200; `charge` is +1 or -1; `peaks` is how many centroids
    are kept.
    """

    analyzer: Literal["orbitrap", "fticr", "tof"]
    sigma: float
    charge: int
    peaks: int = 4

    @property
    def resolving_power(self) -> float:
        """Resolving power at m/z 200: 200 / FWHM."""
        return 200.0 / (FWHM_PER_SIGMA * self.sigma)

    def model(self) -> cpyMSpec.InstrumentModel:
        """Return cpyMSpec's model."""
        return cpyMSpec.InstrumentModel(self.analyzer, self.resolving_power, 200.0)

    def sigmas(self, mz: Floats) -> Floats:
        """Return the standard deviation (Da) of peaks at each m/z, computed as cpyMSpec does."""
        match self.analyzer:
            case "orbitrap":
                power = self.resolving_power * np.sqrt(200.0 / mz)
            case "fticr":
                power = self.resolving_power * 200.0 / mz
            case "tof":
                power = np.full_like(mz, self.resolving_power)
        sigmas: Floats = mz / power / FWHM_PER_SIGMA
        return sigmas


@dataclass(frozen=True)
class Centroids:
    """Isotope patterns of n ions: float64[n, peaks] each, m/z ascending, unused places 0 and at the end.

    The most intense peak of a pattern has intensity 100. An ion without a pattern has only zeros.
    """

    mz: npt.NDArray[np.float64]
    intensity: npt.NDArray[np.float64]


def centroids(ions: Sequence[str], instrument: Instrument) -> Centroids:
    """Compute the isotope patterns of ion formulas.

    Parameters
    ----------
    ions
        Ion formulas without charge, such as ``C6H13O6``; may contain labelled elements (Cx, Nx, Hx, Ox, Sx).
    instrument
        Analyzer, peak width, charge and number of peaks.

    Returns
    -------
    Centroids
        One row an ion. A row of zeros where no pattern exists: an element without known isotopes, too many atoms.

    """
    mz = np.zeros((len(ions), instrument.peaks))
    intensity = np.zeros((len(ions), instrument.peaks))
    for first in range(0, len(ions), _BATCH):
        rows = slice(first, first + _BATCH)
        mz[rows], intensity[rows] = _patterns(ions[rows], instrument)
    return Centroids(mz, intensity)


def _patterns(ions: Sequence[str], instrument: Instrument) -> tuple[Floats, Floats]:
    """Return m/z and intensity [n, peaks] of the strongest centroids of some ions, ordered by m/z."""
    unlabelled = [_without_labels(ion) for ion in ions]
    isotopologues = _isotopologues([formula for formula, _ in unlabelled], instrument.charge)
    ion, mz, height = _centroids(isotopologues, instrument)
    strongest = np.lexsort((-height, ion))
    ion, mz, height = ion[strongest], mz[strongest], height[strongest]
    begins = np.searchsorted(ion, ion)
    relative = height / height[begins]
    kept = np.flatnonzero((np.arange(len(ion)) - begins < instrument.peaks) & (relative >= MIN_ABUNDANCE))
    kept = kept[np.lexsort((mz[kept], ion[kept]))]
    ion = ion[kept]
    place = np.arange(len(ion)) - np.searchsorted(ion, ion)
    rows = np.zeros((2, len(ions), instrument.peaks))
    shift = np.array([mass for _, mass in unlabelled]) / abs(instrument.charge)
    rows[:, ion, place] = mz[kept] + shift[ion], 100.0 * relative[kept]
    return rows[0], rows[1]


def _without_labels(ion: str) -> tuple[str | None, float]:
    """Return what of an ion has an isotope pattern, None where nothing has, and the mass of its labels."""
    if not _TO_BE_PARSED.search(ion):
        return ion, 0.0
    counts, shift = split_labels(parse_formula(ion))
    return (None if not counts or _too_many(counts) else format_formula(counts)), shift


def _isotopologues(formulas: Sequence[str | None], charge: int) -> Isotopologues:
    """Return the isotopologues of formulas, without the electrons of the charge; none where the library has none."""
    counts = np.zeros(len(formulas), np.int64)
    masses, abundances = _Column(library.spectrum_masses), _Column(library.spectrum_intensities)
    for row, formula in enumerate(formulas):
        if formula is None:
            continue
        spectrum = library.spectrum_new_from_sf_thr(formula.encode("ascii"), MIN_ABUNDANCE, 1)
        if spectrum == ffi.NULL:
            # The reason, a text that nobody needs: an element without known isotopes, or too many isotopologues.
            continue
        library.spectrum_add_charge(spectrum, charge)
        library.spectrum_sort_by_mass(spectrum)
        counts[row] = size = library.spectrum_size(spectrum)
        masses.take(spectrum, size)
        abundances.take(spectrum, size)
        library.spectrum_free(spectrum)
    return Isotopologues(masses.values(), abundances.values(), counts)


class _Column:
    """Numbers copied out of the library's spectra one after the other; `copy` writes those of a spectrum to a place."""

    def __init__(self, copy: Callable[[Any, Any], None]) -> None:
        self._copy = copy
        self._full: list[Floats] = []
        self._size = self._used = 0

    def take(self, spectrum: Any, size: int) -> None:
        if self._used + size > self._size:
            self._full.append(self._part())
            self._size, self._used = max(size, _COLUMN), 0
            self._memory = ffi.new("double[]", self._size)
        self._copy(spectrum, self._memory + self._used)
        self._used += size

    def values(self) -> Floats:
        return np.concatenate([*self._full, self._part()])

    def _part(self) -> Floats:
        """Return what is in the memory now in use, of which there is none at first."""
        return np.frombuffer(ffi.buffer(self._memory), count=self._used) if self._size else np.empty(0)


def _centroids(isotopologues: Isotopologues, instrument: Instrument) -> tuple[Integers, Floats, Floats]:
    """Return all centroids that may be among the strongest of their ions: the ion's number, m/z, and height."""
    several = (isotopologues.count > 1) & (isotopologues.count <= _MANY_ISOTOPOLOGUES)
    patterns = isotopologues.take(several)
    found = find_maxima(patterns, instrument.sigmas(patterns.mz), instrument.peaks)
    numbers = np.flatnonzero(several)
    one = np.flatnonzero(isotopologues.count == 1)
    alone = isotopologues.first[one]
    walked = np.append(np.flatnonzero(isotopologues.count > _MANY_ISOTOPOLOGUES), numbers[found.odd])
    parts = [
        (numbers[found.ion], found.mz, found.height),
        (one, isotopologues.mz[alone], isotopologues.abundance[alone]),
        *(_walk(isotopologues, row, instrument) for row in walked),
    ]
    ion, mz, height = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return ion, mz, height


def _walk(isotopologues: Isotopologues, row: np.integer, instrument: Instrument) -> tuple[Integers, Floats, Floats]:
    """Have the library find an ion's centroids, point by point."""
    only = isotopologues.take(np.arange(len(isotopologues.count)) == row)
    double = partial(ffi.from_buffer, "double[]")
    spectrum = library.spectrum_new(len(only.mz), double(only.mz), double(only.abundance))
    found = library.spectrum_envelope_centroids(spectrum, instrument.model().ptr, MIN_ABUNDANCE, POINTS_PER_FWHM)
    library.spectrum_free(spectrum)
    if found == ffi.NULL:
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    mz, height = np.empty((2, library.spectrum_size(found)))
    library.spectrum_masses(found, double(mz))
    library.spectrum_intensities(found, double(height))
    library.spectrum_free(found)
    return np.full(len(mz), row), mz, height


def _too_many(counts: Counts) -> bool:
    return any(
        count >= (_MAX_ATOMS_OF_MANY_ISOTOPES if symbol in _MANY_ISOTOPES else _MAX_ATOMS)
        for symbol, count in counts.items()
    )


def tolerance_windows(
    mz: npt.NDArray[np.float64], ppm: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the lower and upper ends (both included) of the m/z windows around centroids, in the shape of `mz`."""
    half_width = mz * ppm * 1e-6
    return mz - half_width, mz + half_width
