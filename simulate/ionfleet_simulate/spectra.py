"""Spectra, made block by block from the template, the tissue and noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ionfleet_simulate.draws import Draws, lognormal_quantiles, normal_quantiles
from ionfleet_simulate.ions import DETECTION_LIMIT, Template
from ionfleet_simulate.simulation import Simulation
from ionfleet_simulate.tissue import Tissue

_STREAMS = ("counts", "signal", "jitter", "shift", "noise", "axis")
_BLOCK_CELLS = 1 << 19
# Counting statistics: the relative error shrinks with the root of the intensity, down to a floor.
_COUNTING_ERROR = np.float32(0.5 * DETECTION_LIMIT**0.5)
_RELATIVE_ERROR = np.float32(0.05)
_SHARED_JITTER = 0.6
_OWN_JITTER = 0.8
_CHEMICAL_NOISE_SHARE = 0.5
# m/z are kept as integers of 2^-32 Da, above 20 bits for the peak's column, so that sorting a spectrum's peaks is
# sorting integers, without equal ones.
_MZ_UNIT = 2.0**-32
_COLUMN_BITS = np.uint64(20)
_COLUMN_MASK = np.uint64((1 << 20) - 1)


@dataclass(frozen=True)
class Block:
    """Spectra in the order of acquisition.

    Attributes
    ----------
    x, y
        1-based coordinates, intp[n].
    stops
        Where each spectrum's peaks end in the arrays of peaks, intp[n].
    mz, intensity
        The peaks of all spectra, float64 and float32; m/z ascends within a spectrum. In continuous mode `mz` is the
        axis that all spectra share.

    """

    x: NDArray[np.intp]
    y: NDArray[np.intp]
    stops: NDArray[np.intp]
    mz: NDArray[np.float64]
    intensity: NDArray[np.float32]


class Sample:
    """What is measured: the tissue with its template, and where its spectra are."""

    def __init__(self, simulation: Simulation, template: Template, block_cells: int = _BLOCK_CELLS) -> None:
        """Lay out the spectra; `block_cells` bounds the possible peaks of a block: its memory, not what is made."""
        self._simulation = simulation
        self._template = template
        self._tissue = Tissue(simulation.seed)
        self.mask = self._tissue.measured(simulation.width, simulation.height)
        self._y, self._x = np.nonzero(self.mask)
        columns = len(template.mz) + simulation.peaks_per_spectrum
        self._block_size = max(1, block_cells // columns)
        self._streams = {name: Draws(simulation.seed, name) for name in _STREAMS}

    def __len__(self) -> int:
        """Return the number of spectra."""
        return len(self._x)

    def blocks(self) -> Iterator[Block]:
        """Yield all spectra, line by line of the image."""
        make = self._processed if self._simulation.mode == "processed" else self._continuous
        for first in range(0, len(self), self._block_size):
            yield make(np.arange(first, min(first + self._block_size, len(self))))

    def _processed(self, spectra: NDArray[np.intp]) -> Block:
        signal = self._signal(spectra)
        detected = signal > DETECTION_LIMIT
        noise_mz, noise, noisy = self._noise(spectra, detected.sum(axis=1))
        mz = np.concatenate([self._jittered(spectra), noise_mz], axis=1)
        present = np.concatenate([detected, noisy], axis=1)
        row, column = np.nonzero(present)
        keys = (mz[present] * (1.0 / _MZ_UNIT)).astype(np.uint64) << _COLUMN_BITS
        keys |= column.astype(np.uint64)
        stops = np.cumsum(present.sum(axis=1))
        for start, stop in zip([0, *stops[:-1].tolist()], stops.tolist(), strict=True):
            keys[start:stop].sort()
        intensity = np.concatenate([signal, noise], axis=1)[row, (keys & _COLUMN_MASK).astype(np.intp)]
        return self._block(spectra, stops, (keys >> _COLUMN_BITS) * _MZ_UNIT, intensity)

    def _continuous(self, spectra: NDArray[np.intp]) -> Block:
        """Put ions, matrix and noise on one axis; what is not detected has intensity 0."""
        signal = self._signal(spectra)
        signal[signal <= DETECTION_LIMIT] = 0.0
        columns = max(0, self._simulation.peaks_per_spectrum - signal.shape[1])
        bits = self._streams["noise"].bits(spectra, columns)
        axis = np.concatenate([self._template.mz, self._noise_mz(self._streams["axis"].bits([0], columns))[0]])
        order = np.argsort(axis, kind="stable")
        intensity = np.concatenate([signal, _noise_intensity(bits)], axis=1)[:, order]
        stops = np.arange(1, len(spectra) + 1) * len(axis)
        return self._block(spectra, stops, axis[order], np.ascontiguousarray(intensity).ravel())

    def _block(
        self,
        spectra: NDArray[np.intp],
        stops: NDArray[np.intp],
        mz: NDArray[np.float64],
        intensity: NDArray[np.float32],
    ) -> Block:
        return Block(self._x[spectra] + 1, self._y[spectra] + 1, stops, mz, intensity)

    def _signal(self, spectra: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the intensities of the template's peaks as measured, float32[spectra, peaks]."""
        place = self._x[spectra], self._y[spectra], self._simulation.width, self._simulation.height
        fields = self._tissue.fields(*place) * self._tissue.response(*place)
        expected = fields.T[:, self._template.field]
        expected *= self._template.level
        error = np.sqrt(expected) * _COUNTING_ERROR
        error += expected * _RELATIVE_ERROR
        error *= normal_quantiles().take(self._streams["signal"].short_bits(spectra, expected.shape[1]))
        expected += error
        return expected

    def _jittered(self, spectra: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the m/z of the template's peaks as measured, float64[spectra, peaks]."""
        scale = self._simulation.jitter_ppm * 1e-6
        peaks = len(self._template.mz)
        shift = normal_quantiles()[self._streams["shift"].short_bits(spectra, 1)].astype(np.float64)
        error = normal_quantiles().take(self._streams["jitter"].short_bits(spectra, peaks)).astype(np.float64)
        error *= _OWN_JITTER * scale
        error += shift * (_SHARED_JITTER * scale) + 1.0
        error *= self._template.mz
        return error

    def _noise(
        self, spectra: NDArray[np.intp], detected: NDArray[np.intp]
    ) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.bool_]]:
        """Return m/z, intensity and presence of the noise that fills spectra up to their numbers of peaks."""
        spread = lognormal_quantiles(0.1)[self._streams["counts"].short_bits(spectra, 1)[:, 0]]
        wanted = np.maximum(1, (spread * self._simulation.peaks_per_spectrum).astype(np.intp))
        missing = np.maximum(0, wanted - detected)
        bits = self._streams["noise"].bits(spectra, int(missing.max()))
        present = np.arange(bits.shape[1]) < missing[:, np.newaxis]
        return self._noise_mz(bits), _noise_intensity(bits), present

    def _noise_mz(self, bits: NDArray[np.uint64]) -> NDArray[np.float64]:
        """Return m/z from the upper 48 bits: half anywhere, half where the mass defects of organic ions are."""
        low, high = self._simulation.lowest_mz, self._simulation.highest_mz
        place = (bits >> np.uint64(32)) * 2.0**-32
        mz = place * (high - low)
        mz += low
        chemical = (bits >> np.uint64(16) & np.uint64(0xFF)) * 2.0**-8 < _CHEMICAL_NOISE_SHARE
        nominal = np.floor(mz)
        defective = nominal + 0.0003 * nominal + 0.25 * (mz - nominal)
        return np.where(chemical & (defective >= low) & (defective < high), defective, mz)


def _noise_intensity(bits: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Return intensities from the lowest 16 bits: above the limit of detection, rarely far."""
    excess = lognormal_quantiles(1.0).take((bits & np.uint64(0xFFFF)).astype(np.intp))
    excess *= np.float32(0.4 * DETECTION_LIMIT)
    excess += np.float32(DETECTION_LIMIT)
    return excess
