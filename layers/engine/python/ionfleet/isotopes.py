"""Isotope patterns as METASPACE computes them (docs/annotation.md, Isotope patterns)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import cpyMSpec
import numpy as np
import numpy.typing as npt

from ionfleet.formula import Counts, format_formula, parse_formula, split_labels

LIBRARY_VERSION = f"cpyMSpec {version('cpyMSpec')}"
"""Part of every cached chunk's key: another version of the library is another pattern."""

_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_MIN_ABUNDANCE = 1e-4
_POINTS_PER_FWHM = 25
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

    def model(self) -> cpyMSpec.InstrumentModel:
        """Return cpyMSpec's model: resolving power 200 / FWHM, defined at m/z 200."""
        return cpyMSpec.InstrumentModel(self.analyzer, 200.0 / (_FWHM_PER_SIGMA * self.sigma), 200.0)


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
    model = instrument.model()
    mz = np.zeros((len(ions), instrument.peaks))
    intensity = np.zeros((len(ions), instrument.peaks))
    for row, ion in enumerate(ions):
        masses, abundances = _pattern(ion, instrument, model)
        mz[row, : len(masses)] = masses
        intensity[row, : len(masses)] = abundances
    return Centroids(mz, intensity)


def _pattern(
    ion: str, instrument: Instrument, model: cpyMSpec.InstrumentModel
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return m/z and intensity of one ion's strongest centroids, ordered by m/z; empty where there is no pattern."""
    counts, shift = split_labels(parse_formula(ion))
    nothing = np.empty(0), np.empty(0)
    if not counts or _too_many(counts):
        return nothing
    try:
        isotopologues = cpyMSpec.isotopePattern(format_formula(counts))
        isotopologues.addCharge(instrument.charge)
        peaks = isotopologues.centroids(model, _MIN_ABUNDANCE, _POINTS_PER_FWHM)
    except Exception as error:
        # cpyMSpec raises plain Exceptions, with the C++ message as bytes, for elements and sizes it cannot do.
        if type(error) is not Exception:
            raise
        return nothing
    masses = np.array(peaks.masses) + shift / abs(instrument.charge)
    abundances = 100.0 * np.array(peaks.intensities)
    strongest = np.sort(np.argsort(-abundances, kind="stable")[: instrument.peaks])
    order = strongest[np.argsort(masses[strongest], kind="stable")]
    return masses[order], abundances[order]


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
