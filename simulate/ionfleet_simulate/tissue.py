"""A tissue section: its outline, the structures ions are found in, and how strongly each pixel answers.

Everything is a function of place, computed for the pixels that are asked for. Places are (u, v) in [-1, 1] x [-1, 1]
over the image, whatever its size. Only arithmetic and square roots are used (see `draws`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ionfleet_simulate.draws import Draws, lognormal_quantiles

Floats = NDArray[np.float64]

VARIANTS = 4
"""How many structures of each kind a tissue has."""

_PARAMETERS = 128
_TISSUE_RADIUS = 0.84
_OUTLINE_ROUGHNESS = 0.45
_WARP = 0.25
_EDGE_SOFTNESS = 0.05


@dataclass(frozen=True)
class Place:
    """Pixels of a tissue: warped coordinates, and the depth below the tissue's edge (0 there, 1 in the middle)."""

    u: Floats
    v: Floats
    depth: Floats


class Noise:
    """A smooth random field with values in [0, 1]: random values on a grid, smoothly interpolated."""

    def __init__(self, draws: Draws, row: int, cells: int) -> None:
        self._cells = cells
        self._values = draws.uniform(row, (cells + 1) ** 2).reshape(cells + 1, cells + 1)

    def at(self, u: Floats, v: Floats) -> Floats:
        """Return the field at places, in their shape."""
        column, across = self._locate(u)
        row, down = self._locate(v)
        upper = _mix(self._values[row, column], self._values[row, column + 1], across)
        lower = _mix(self._values[row + 1, column], self._values[row + 1, column + 1], across)
        return _mix(upper, lower, down)

    def _locate(self, coordinate: Floats) -> tuple[NDArray[np.intp], Floats]:
        scaled = np.clip((coordinate + 1.0) * (0.5 * self._cells), 0.0, self._cells)
        cell = np.minimum(scaled.astype(np.intp), self._cells - 1)
        return cell, _smooth(scaled - cell, 0.0, 1.0)


def _mix(first: Floats, second: Floats, share: Floats) -> Floats:
    return first + (second - first) * share


def _smooth(value: Floats, low: float, high: float) -> Floats:
    """Return 0 below `low`, 1 above `high`, and a smooth step between."""
    share: Floats = np.clip((value - low) / (high - low), 0.0, 1.0)
    step: Floats = share * share * (3.0 - 2.0 * share)
    return step


def _squared_distances(place: Place, u: Floats, v: Floats) -> Floats:
    """Return the squared distance of each of n places to each of m points, float64[m, n]."""
    return np.square(place.u - u[:, np.newaxis]) + np.square(place.v - v[:, np.newaxis])


def _bumps(place: Place, parameters: Floats, count: int, smallest: float, largest: float) -> Floats:
    u, v, size = parameters[: 3 * count].reshape(3, count)
    radius = smallest + (largest - smallest) * size[:, np.newaxis]
    squares = _squared_distances(place, 1.5 * (u - 0.5), 1.5 * (v - 0.5)) / np.square(radius)
    highest: Floats = np.square(np.clip(1.0 - squares, 0.0, 1.0)).max(axis=0)
    return highest


def _homogeneous(place: Place, parameters: Floats) -> Floats:
    return np.full(place.u.shape, 0.7 + 0.3 * parameters[0])


def _gradient(place: Place, parameters: Floats) -> Floats:
    du, dv = parameters[:2] - 0.5
    length = np.sqrt(du * du + dv * dv) + 1e-9
    return 0.03 + 0.97 * _smooth((place.u * du + place.v * dv) / length, -0.8, 0.8)


def _blobs(place: Place, parameters: Floats) -> Floats:
    return _bumps(place, parameters[1:], 2 + int(4 * parameters[0]), 0.25, 0.55)


def _spots(place: Place, parameters: Floats) -> Floats:
    return np.minimum(1.0, 1.6 * _bumps(place, parameters[1:], 20 + int(20 * parameters[0]), 0.05, 0.11))


def _edge(place: Place, parameters: Floats) -> Floats:
    width = 0.08 + 0.3 * float(parameters[0])
    return 1.0 - _smooth(place.depth, 0.6 * width, 1.6 * width)


def _layers(place: Place, parameters: Floats) -> Floats:
    position = place.depth * (1.2 + 2.8 * parameters[0]) + parameters[1]
    return _smooth(np.abs(position - np.floor(position) - 0.5), 0.15, 0.3)


def _regions(place: Place, parameters: Floats) -> Floats:
    u, v, member = parameters[:27].reshape(3, 9)
    nearest = _squared_distances(place, 1.8 * (u - 0.5), 1.8 * (v - 0.5)).argmin(axis=0)
    level: Floats = np.where(member < np.median(member), 1.0, 0.08)[nearest]
    return level


KINDS: dict[str, Callable[[Place, Floats], Floats]] = {
    "homogeneous": _homogeneous,
    "gradient": _gradient,
    "blobs": _blobs,
    "spots": _spots,
    "edge": _edge,
    "layers": _layers,
    "regions": _regions,
}
"""Kinds of structures: functions of n places and 128 uniform numbers, float64[n] between 0 and 1."""

STRUCTURES = tuple(f"{kind}-{variant}" for kind in KINDS for variant in range(1, VARIANTS + 1))
"""Names of the structures of every tissue."""

MATRIX_FIELDS = 2
"""How many fields stand behind the structures for the matrix: even, and strongest beside the tissue."""


class Tissue:
    """The tissue of one seed; see `fields` for what it is made of."""

    def __init__(self, seed: int) -> None:
        draws = Draws(seed, "tissue")
        self._outline = (Noise(draws, 0, 4), Noise(draws, 1, 11))
        self._warp = (Noise(draws, 2, 5), Noise(draws, 3, 5))
        self._response = Noise(draws, 4, 6)
        self._crystals = Noise(draws, 5, 25)
        self._textures = [Noise(draws, 100 + index, 14) for index in range(len(STRUCTURES))]
        self._parameters = [draws.uniform(200 + index, _PARAMETERS) for index in range(len(STRUCTURES))]
        self._shots = Draws(seed, "shots")
        self._lines = Draws(seed, "lines")

    def measured(self, width: int, height: int) -> NDArray[np.bool_]:
        """Return which pixels have a spectrum, bool[height, width]: the tissue and an irregular margin around it."""
        area = np.empty((height, width), np.bool_)
        across = np.arange(width)
        for row in range(height):
            u, v = _coordinates(across, np.full(width, row), width, height)
            area[row] = self._radius(u, v) < 1.0
        area[height // 2, width // 2] = True
        return area

    def fields(self, x: NDArray[np.intp], y: NDArray[np.intp], width: int, height: int) -> NDArray[np.float32]:
        """Return how much of each field pixels have.

        Parameters
        ----------
        x, y
            0-based coordinates of n pixels.
        width, height
            Size of the image in pixels.

        Returns
        -------
        NDArray[np.float32]
            Shape (len(STRUCTURES) + MATRIX_FIELDS, n), values from 0 to about 1.3. Structures are 0 outside the tissue.

        """
        u, v = _coordinates(x, y, width, height)
        depth = 1.0 - self._radius(u, v) / _TISSUE_RADIUS
        first, second = self._warp
        place = Place(u + _WARP * (first.at(u, v) - 0.5), v + _WARP * (second.at(u, v) - 0.5), depth)
        tissue = _smooth(depth, 0.0, _EDGE_SOFTNESS)
        functions = [function for function in KINDS.values() for _ in range(VARIANTS)]
        result = np.empty((len(STRUCTURES) + MATRIX_FIELDS, len(x)), np.float32)
        for index, (function, texture) in enumerate(zip(functions, self._textures, strict=True)):
            result[index] = function(place, self._parameters[index]) * tissue * (0.7 + 0.6 * texture.at(u, v))
        crystals = 0.5 + self._crystals.at(u, v)
        result[-2] = crystals
        result[-1] = crystals * (1.0 - 0.8 * tissue)
        return result

    def response(self, x: NDArray[np.intp], y: NDArray[np.intp], width: int, height: int) -> NDArray[np.float32]:
        """Return the factor on all intensities of n pixels, float32[n]: slow drift, stripes of lines, single shots."""
        u, v = _coordinates(x, y, width, height)
        drift = (0.6 + 0.8 * self._response.at(u, v)).astype(np.float32)
        line = lognormal_quantiles(0.06)[self._lines.short_bits(y, 1)[:, 0]]
        shot = lognormal_quantiles(0.15)[self._shots.short_bits(y * width + x, 1)[:, 0]]
        return drift * line * shot

    def _radius(self, u: Floats, v: Floats) -> Floats:
        """Return the distance from the middle of the image, 1 at the outline of what is measured."""
        coarse, fine = self._outline
        across, down = np.square(u), np.square(v)
        ellipse = np.sqrt(across + down)
        rounded_box = np.sqrt(np.sqrt(np.square(across) + np.square(down)))
        roughness = (coarse.at(u, v) - 0.5) + 0.25 * (fine.at(u, v) - 0.5)
        radius: Floats = 0.35 * ellipse + 0.65 * rounded_box + _OUTLINE_ROUGHNESS * roughness
        return radius


def _coordinates(x: NDArray[np.intp], y: NDArray[np.intp], width: int, height: int) -> tuple[Floats, Floats]:
    return (2 * x + 1 - width) / width, (2 * y + 1 - height) / height
