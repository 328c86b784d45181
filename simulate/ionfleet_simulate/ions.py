"""The ions planted in a dataset, and the template of peaks that every spectrum is made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
from numpy.typing import NDArray

from ionfleet.errors import InvalidConfigurationError
from ionfleet.formula import (
    InvalidFormulaError,
    InvalidIonError,
    format_formula,
    ion_counts,
    ion_mz,
    parse_formula,
    parse_modifier,
)
from ionfleet.isotopes import Instrument, centroids
from ionfleet_simulate.core_database import core_molecules
from ionfleet_simulate.draws import Draws, lognormal_quantiles
from ionfleet_simulate.simulation import Simulation
from ionfleet_simulate.tissue import MATRIX_FIELDS, STRUCTURES

DETECTION_LIMIT = 100.0
"""Intensity below which a peak is not reported."""

_ISOTOPE_PEAKS = 6
_WRONG_PEAKS = 4
_MEDIAN_ABUNDANCE = 45.0 * DETECTION_LIMIT
_ABUNDANCE_SPREAD = 1.2
_SECOND_ADDUCT_SHARE = 0.25
_FWHM_PER_SIGMA = 2.3548200450309493
_REFERENCE_MZ = 200.0


@dataclass(frozen=True)
class PlantedIon:
    """An ion in the dataset: a row of the truth table.

    `mz` is that of its lightest isotopologue; `structure` is one of `tissue.STRUCTURES`; `abundance` the intensity of
    its strongest peak where the structure is 1; without `true_pattern` its isotope ratios are wrong.
    """

    formula: str
    adduct: str
    ion: str
    mz: float
    structure: str
    abundance: float
    true_pattern: bool


@dataclass(frozen=True)
class Template:
    """The peaks that a spectrum can have beside noise, by ascending m/z: arrays of shape (n,).

    `mz` is float64; `level`, float32, the intensity where the field is 1; `field` the index of the field of the tissue
    that a peak follows.
    """

    mz: NDArray[np.float64]
    level: NDArray[np.float32]
    field: NDArray[np.intp]


def plant(simulation: Simulation) -> list[PlantedIon]:
    """Choose the ions of a dataset, their structures and abundances.

    Raises
    ------
    InvalidConfigurationError
        A pair in `planted` makes no ion within the range of m/z, or there are not enough formulas for `ions`.

    """
    chosen = [_explicit_ion(simulation, *pair) for pair in simulation.planted] or _draw_ions(simulation)
    return _placed(simulation, chosen)


@dataclass(frozen=True)
class _Candidate:
    """An ion that is to be placed; `sibling` when it is another adduct of the one before."""

    formula: str
    adduct: str
    ion: str
    mz: float
    sibling: bool = False


def _candidate(simulation: Simulation, formula: str, adduct: str, sibling: bool = False) -> _Candidate:
    ion = format_formula(ion_counts(parse_formula(formula), parse_modifier(adduct)))
    return _Candidate(formula, adduct, ion, ion_mz(ion, simulation.charge), sibling)


def _within(simulation: Simulation, mz: float) -> bool:
    return simulation.lowest_mz <= mz <= simulation.highest_mz


def _explicit_ion(simulation: Simulation, formula: str, adduct: str) -> _Candidate:
    try:
        candidate = _candidate(simulation, formula, adduct)
    except (InvalidFormulaError, InvalidIonError) as error:
        raise InvalidConfigurationError(f"{formula} {adduct} cannot be planted: {error}. Give another pair.") from error
    if not _within(simulation, candidate.mz):
        raise InvalidConfigurationError(
            f"{formula} {adduct} has m/z {candidate.mz:.4f}, outside the simulation's range from "
            f"{simulation.lowest_mz:g} to {simulation.highest_mz:g}; widen the range or plant another ion."
        )
    return candidate


def _draw_ions(simulation: Simulation) -> list[_Candidate]:
    chosen = list(islice(_drawn(simulation), simulation.ions))
    if len(chosen) < simulation.ions:
        raise InvalidConfigurationError(
            f"The simulation is to plant {simulation.ions} ions, but its formulas make only {len(chosen)} within its "
            "range of m/z; give fewer ions, more formulas or a wider range."
        )
    return chosen


def _drawn(simulation: Simulation) -> Iterator[_Candidate]:
    """Yield ions of the formulas in random order: one adduct each, for some a second one."""
    formulas = list(dict.fromkeys(simulation.formulas or (molecule.formula for molecule in core_molecules())))
    draws = Draws(simulation.seed, "ions")
    chances = draws.uniform(1, 2 * len(formulas)).reshape(-1, 2)
    for index in draws.order(0, len(formulas)):
        favourite, second = chances[index]
        # The square favours the first adducts.
        first = int(favourite * favourite * len(simulation.adducts))
        adducts = [simulation.adducts[first]]
        if second < _SECOND_ADDUCT_SHARE:
            adducts.append(simulation.adducts[first - 1])
        yield from _adduct_ions(simulation, formulas[index], adducts)


def _adduct_ions(simulation: Simulation, formula: str, adducts: list[str]) -> Iterator[_Candidate]:
    sibling = False
    for adduct in adducts:
        try:
            candidate = _candidate(simulation, formula, adduct, sibling)
        except InvalidFormulaError as error:
            raise InvalidConfigurationError(f"{formula} is no formula to draw ions from: {error}.") from error
        except InvalidIonError:
            # A formula without hydrogen has no -H ion; the next formula takes its place.
            continue
        if _within(simulation, candidate.mz):
            yield candidate
            sibling = True


def _placed(simulation: Simulation, candidates: list[_Candidate]) -> list[PlantedIon]:
    draws = Draws(simulation.seed, "places")
    strength = lognormal_quantiles(_ABUNDANCE_SPREAD)[draws.short_bits([0], len(candidates))[0]]
    wrong = set(draws.order(1, len(candidates))[: round(simulation.wrong_patterns * len(candidates))].tolist())
    share = 0.15 + 0.5 * draws.uniform(3, len(candidates))
    in_turn = cycle(STRUCTURES[index] for index in draws.order(2, len(STRUCTURES)))
    placed: list[PlantedIon] = []
    for index, candidate in enumerate(candidates):
        if candidate.sibling:
            structure, abundance = placed[-1].structure, placed[-1].abundance * float(share[index])
        else:
            structure, abundance = next(in_turn), _MEDIAN_ABUNDANCE * float(strength[index])
        placed.append(
            PlantedIon(
                candidate.formula,
                candidate.adduct,
                candidate.ion,
                candidate.mz,
                structure,
                round(abundance, 3),
                index not in wrong,
            )
        )
    return placed


def make_template(simulation: Simulation, ions: list[PlantedIon]) -> Template:
    """Return the peaks of the planted ions' isotope patterns and of the matrix."""
    ion_peaks, matrix = _ion_peaks(simulation, ions), _matrix_peaks(simulation)
    mz, level, field = (np.concatenate(pair) for pair in zip(ion_peaks, matrix, strict=True))
    order = np.argsort(mz, kind="stable")
    return Template(mz[order], level[order].astype(np.float32), field[order])


_Peaks = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]


def _ion_peaks(simulation: Simulation, ions: list[PlantedIon]) -> _Peaks:
    patterns = centroids([ion.ion for ion in ions], _instrument(simulation))
    # Rounded, so that the last bits of other mathematical libraries do not show (see `draws`).
    mz = np.round(patterns.mz, 6)
    ratio = np.round(patterns.intensity / 100.0, 6)
    for ion in (ion for ion, ratios in zip(ions, ratio, strict=True) if not ratios.any()):
        raise InvalidConfigurationError(f"{ion.ion} has no isotope pattern and cannot be planted; give another ion.")
    for index, ion in enumerate(ions):
        if not ion.true_pattern:
            ratio[index] = _wrong_ratios(ratio[index])
    abundance = np.array([ion.abundance for ion in ions], np.float64)
    field = np.array([STRUCTURES.index(ion.structure) for ion in ions], np.intp)
    row, peak = np.nonzero(ratio)
    return mz[row, peak], ratio[row, peak] * abundance[row], field[row]


def _instrument(simulation: Simulation) -> Instrument:
    """Return the instrument with the width its peaks have at m/z 200."""
    moved = simulation.resolving_power_mz / _REFERENCE_MZ
    factor = {"orbitrap": np.sqrt(moved), "fticr": moved, "tof": 1.0}[simulation.analyzer]
    width = _REFERENCE_MZ / (simulation.resolving_power * float(factor))
    return Instrument(simulation.analyzer, width / _FWHM_PER_SIGMA, simulation.charge, _ISOTOPE_PEAKS)


def _wrong_ratios(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ratios of the strongest peaks the other way round, and none for the others."""
    peaks = min(_WRONG_PEAKS, np.count_nonzero(ratios))
    strongest = np.sort(np.argsort(-ratios, kind="stable")[:peaks])
    wrong = np.zeros_like(ratios)
    wrong[strongest] = ratios[strongest[::-1]]
    return wrong


def _matrix_peaks(simulation: Simulation) -> _Peaks:
    """Return clusters of matrix: a peak at a nominal mass with its mass defect, and its first isotope."""
    count = simulation.matrix_peaks
    clusters = -(-count // 2)
    draws = Draws(simulation.seed, "matrix")
    place, defect, fields = (draws.uniform(row, clusters) for row in range(3))
    span = simulation.highest_mz - simulation.lowest_mz
    nominal = np.floor(simulation.lowest_mz + span * np.square(place))
    mz = nominal + 0.0002 * nominal + 0.15 * defect
    level = 10.0 * DETECTION_LIMIT * lognormal_quantiles(1.5)[draws.short_bits([3], clusters)[0]].astype(np.float64)
    field = len(STRUCTURES) + (fields * MATRIX_FIELDS).astype(np.intp)
    isotope_ratio = 0.0006 * mz
    both = np.concatenate([mz, mz + 1.003355]), np.concatenate([level, level * isotope_ratio])
    kept = slice(0, count)
    return both[0][kept], both[1][kept], np.tile(field, 2)[kept]
