"""A picture of the tissue as a microscope would show it, stained: what lies beneath ion images in the page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import png
from numpy.typing import NDArray

from ionfleet_simulate.simulation import Simulation
from ionfleet_simulate.tissue import STRUCTURES, Tissue

SCALE = 12
"""Pixels of the picture for one of the ion images."""
MARGIN = 3
"""Pixels of the ion image by which the picture goes beyond it on each side."""

_GLASS = (244, 242, 240)
_TISSUE = (232, 168, 190)
_STAINS: dict[str, tuple[int, int, int]] = {
    "regions-1": (196, 108, 158),
    "layers-2": (150, 84, 150),
    "blobs-1": (110, 64, 138),
    "spots-1": (70, 40, 110),
}
"""Colours that structures have, each over those before it."""
_STRENGTH = 0.65


def transform() -> list[list[float]]:
    """Return the rows of the matrix that takes pixels of the ion image to pixels of the picture."""
    return [[SCALE, 0, SCALE * MARGIN], [0, SCALE, SCALE * MARGIN], [0, 0, 1]]


def stained_section(simulation: Simulation) -> NDArray[np.uint8]:
    """Return the picture of a simulation's tissue, uint8[height, width, 3], the same for the same settings."""
    tissue = Tissue(simulation.seed)
    width, height = simulation.width * SCALE, simulation.height * SCALE
    across = np.arange(-SCALE * MARGIN, width + SCALE * MARGIN)
    rows = [
        _stained(tissue.fields(across, np.full(len(across), row), width, height))
        for row in range(-SCALE * MARGIN, height + SCALE * MARGIN)
    ]
    return np.stack(rows)


def write_section(path: Path, simulation: Simulation) -> None:
    """Write the picture as a PNG."""
    picture = stained_section(simulation)
    with path.open("wb") as file:
        png.Writer(picture.shape[1], picture.shape[0], greyscale=False).write(file, picture.reshape(len(picture), -1))


def _stained(fields: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the colours of a line of places, uint8[n, 3]."""
    layers = [("homogeneous-1", _TISSUE, 1.0), *((name, colour, _STRENGTH) for name, colour in _STAINS.items())]
    shown = np.broadcast_to(np.array(_GLASS, np.float64), (fields.shape[1], 3))
    for name, colour, strength in layers:
        share = strength * np.clip(fields[STRUCTURES.index(name)].astype(np.float64), 0, 1)[:, None]
        shown = shown + (np.array(colour) - shown) * share
    return shown.astype(np.uint8)
