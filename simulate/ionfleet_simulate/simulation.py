"""What to simulate: the settings of a dataset, checked, and the presets."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, get_args

from ionfleet.errors import InvalidConfigurationError

Analyzer = Literal["orbitrap", "fticr", "tof"]
Polarity = Literal["positive", "negative"]
Mode = Literal["processed", "continuous"]

ADDUCTS: dict[str, tuple[str, ...]] = {"positive": ("+H", "+Na", "+K"), "negative": ("-H", "+Cl")}
"""The adducts of planted ions by polarity, the most frequent first."""

_BOUNDS: dict[str, tuple[float, float]] = {
    "width": (1, 10_000),
    "height": (1, 10_000),
    "seed": (0, 2**63 - 1),
    "peaks_per_spectrum": (1, 200_000),
    "ions": (0, 100_000),
    "matrix_peaks": (0, 10_000),
    "wrong_patterns": (0.0, 1.0),
    "jitter_ppm": (0.0, 100.0),
    "resolving_power": (100.0, 1e8),
    "resolving_power_mz": (50.0, 4000.0),
    "lowest_mz": (10.0, 4000.0),
    "highest_mz": (10.0, 4000.0),
    "pixel_size": (0.01, 10_000.0),
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "analyzer": get_args(Analyzer),
    "polarity": get_args(Polarity),
    "mode": get_args(Mode),
}


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """Settings of a simulated dataset. The same settings give the same bytes.

    Attributes
    ----------
    width, height
        Size of the image in pixels; about nine tenths of them are measured.
    seed
        Everything random follows from it.
    peaks_per_spectrum
        Mean number of peaks, reached by adding random noise; more where ions and matrix alone have more. In continuous
        mode the length of the axis, likewise.
    ions
        How many ions are planted, drawn from `formulas` with the adducts of the polarity.
    planted
        Pairs of formula and adduct to plant instead of drawing any.
    formulas
        Formulas to draw from; those of ionfleet-core when empty.
    matrix_peaks
        How many peaks the matrix has.
    wrong_patterns
        Share of the planted ions whose isotope ratios are wrong, as those of decoys would be.
    jitter_ppm
        Standard deviation of m/z, partly shared by the peaks of a spectrum.
    analyzer, resolving_power, resolving_power_mz, polarity
        The instrument, and the m/z its resolving power holds at.
    lowest_mz, highest_mz
        Range of m/z.
    pixel_size
        Micrometres between neighbouring pixels.
    mode
        `processed`: each spectrum has its own m/z. `continuous`: all share one m/z axis, without jitter.

    Raises
    ------
    InvalidConfigurationError
        A setting is out of its bounds, named with what is allowed.

    """

    width: int = 60
    height: int = 60
    seed: int = 1
    peaks_per_spectrum: int = 900
    ions: int = 150
    planted: tuple[tuple[str, str], ...] = ()
    formulas: tuple[str, ...] = ()
    matrix_peaks: int = 100
    wrong_patterns: float = 0.1
    jitter_ppm: float = 0.7
    analyzer: Analyzer = "orbitrap"
    resolving_power: float = 140_000.0
    resolving_power_mz: float = 200.0
    polarity: Polarity = "positive"
    lowest_mz: float = 100.0
    highest_mz: float = 1200.0
    pixel_size: float = 50.0
    mode: Mode = "processed"

    def __post_init__(self) -> None:
        """Refuse settings that cannot be simulated."""
        for field in fields(self):
            _check(field.name, getattr(self, field.name))
        if self.lowest_mz >= self.highest_mz:
            raise InvalidConfigurationError(
                f"The m/z range of the simulation is from {self.lowest_mz:g} to {self.highest_mz:g}; "
                "give a lowest_mz below highest_mz."
            )

    @property
    def charge(self) -> int:
        """+1 or -1, by polarity."""
        return 1 if self.polarity == "positive" else -1

    @property
    def adducts(self) -> tuple[str, ...]:
        """Adducts that ions are drawn with, the most frequent first."""
        return ADDUCTS[self.polarity]


def _check(name: str, value: object) -> None:
    if name in _CHOICES and value not in _CHOICES[name]:
        raise InvalidConfigurationError(
            f"The simulation's {name} is {value!r}; give one of {', '.join(_CHOICES[name])}."
        )
    if name not in _BOUNDS:
        return
    low, high = _BOUNDS[name]
    # Whole where the bounds are.
    kinds, noun = (int, "whole number") if isinstance(low, int) else (int | float, "number")
    if not isinstance(value, kinds) or not low <= value <= high:
        raise InvalidConfigurationError(
            f"The simulation's {name} is {value!r}; give a {noun} from {low:g} to {high:g}."
        )


DEMO = Simulation(width=48, height=48, seed=3, peaks_per_spectrum=200, ions=100, matrix_peaks=30)
"""A small tissue for a first look: some 400,000 peaks."""

LARGE = Simulation(width=200, height=200, seed=3, peaks_per_spectrum=1850, ions=600, matrix_peaks=300)
"""A dataset for benchmarks: some 65 million peaks."""

PRESETS: dict[str, Simulation] = {"demo": DEMO, "large": LARGE}
