"""The loops over peaks, points and pixels that are compiled, as functions of arrays (sources: kernels/).

Each function checks what it is given, since compiled code would read or write beyond it. They release the lock of the
interpreter, keep nothing, and give the same bits on every platform.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Uint32 = npt.NDArray[np.uint32]
Bool = npt.NDArray[np.bool_]
_Array = npt.NDArray[Any]

_RECORD = np.dtype([("key", np.uint64), ("intensity", np.uint32), ("pixel", np.uint32)])
_SUFFIX = {"Linux": "so", "Darwin": "dylib"}
_WORD = 64
_KERNELS = (
    "sort_peaks",
    "sum_images",
    "correlate_single",
    "list_images",
    "mz_statistics",
    "exceeded_levels",
    "count_parts",
)
MOST_LEVELS = 126


class _PeakList(ctypes.Structure):
    _fields_ = (
        ("mz", ctypes.c_void_p),
        ("intensity", ctypes.c_void_p),
        ("pixel", ctypes.c_void_p),
        ("pixels", ctypes.c_int64),
    )


class _WindowList(ctypes.Structure):
    _fields_ = (
        ("ions", ctypes.c_int64),
        ("isotopes", ctypes.c_int64),
        ("left", ctypes.c_void_p),
        ("right", ctypes.c_void_p),
    )


class _ScratchImages(ctypes.Structure):
    _fields_ = (("value", ctypes.c_void_p), ("bits", ctypes.c_void_p), ("words", ctypes.c_void_p))


@dataclass(frozen=True)
class PeakArrays:
    """Peaks ordered by m/z: `mz` float64, `intensity` float32 (> 0), `pixel` uint32, all of them below `pixels`."""

    mz: Float64
    intensity: Float32
    pixel: Uint32
    pixels: int

    def __post_init__(self) -> None:
        """Refuse what a kernel would run over."""
        if not len(self.mz) == len(self.intensity) == len(self.pixel):
            raise ValueError(f"{len(self.mz)} m/z, {len(self.intensity)} intensities, {len(self.pixel)} pixels")
        if len(self.pixel) and self.pixel.max() >= self.pixels:
            raise ValueError(f"a peak is in pixel {self.pixel.max()} of {self.pixels}")


@dataclass(frozen=True)
class ImageSums:
    """Sums over the images of n ions and k isotopes: arrays [n, k], but `meets` bool[n].

    `pixels` (int64) counts the pixels of each image; `total` and `maximum` (float32) go over them, `observed` is the
    total over the pixels of the first image, `squares` sums squares, `with_first` products with the first image
    (float64). `meets` tells which ions have a pixel where another image has signal and the first one, too.
    """

    pixels: Int64
    total: Float64
    maximum: Float32
    observed: Float64
    squares: Float64
    with_first: Float64
    meets: Bool


def sort_peaks(
    mz: Float64, intensity: Float32, pixel: Uint32, *, overwrite: bool = False
) -> tuple[Float64, Float32, Uint32]:
    """Order peaks by m/z, ties as they come.

    It takes 16 bytes a peak for a while, beside the columns that it returns: with `overwrite` these may be the memory
    of the given ones, which nobody else may need then.
    """
    given = ((mz, np.float64), (intensity, np.float32), (pixel, np.uint32))
    columns: list[_Array] = [_array(column, dtype) if overwrite else np.array(column, dtype) for column, dtype in given]
    columns = [column if column.flags.writeable else column.copy() for column in columns]
    count = len(mz)
    if not all(column.shape == (count,) for column in columns):
        raise ValueError(f"columns of {[column.shape for column in columns]}")
    records, spare = np.empty(count, _RECORD), np.empty(count, _RECORD)
    _library().sort_peaks(ctypes.c_int64(count), *_addresses([*columns, records, spare]))
    return columns[0], columns[1], columns[2]


def sum_images(peaks: PeakArrays, left: Int64, right: Int64) -> ImageSums:
    """Sum the images of ions, given by their windows left ≤ i < right among the peaks: int64[n, k]."""
    call = _Images(peaks, left, right)
    shape = left.shape
    sums = ImageSums(
        pixels=np.zeros(shape, np.int64),
        total=np.zeros(shape),
        maximum=np.zeros(shape, np.float32),
        observed=np.zeros(shape),
        squares=np.zeros(shape),
        with_first=np.zeros(shape),
        meets=np.zeros(shape[0], bool),
    )
    call.run(
        "sum_images",
        sums.pixels,
        sums.total,
        sums.maximum,
        sums.observed,
        sums.squares,
        sums.with_first,
        sums.meets,
    )
    return sums


def correlate_single(peaks: PeakArrays, left: Int64, right: Int64) -> tuple[Float32, Float32]:
    """Sum squared deviations and products of deviations with the first image's over all pixels, in float32: [n, k]."""
    call = _Images(peaks, left, right)
    mean, variance, covariance = (np.zeros(left.shape, np.float32) for _ in range(3))
    call.run("correlate_single", mean, variance, covariance)
    return variance, covariance


def list_images(peaks: PeakArrays, left: Int64, right: Int64) -> tuple[Int64, Uint32, Float32]:
    """List the pixels of images, ascending, and their values, one image after the other.

    Parameters
    ----------
    peaks
        The peaks.
    left, right
        The window of each image: int64[m].

    Returns
    -------
    (ends, pixel, value)
        Where each image ends (int64[m]), pixels (uint32) and the float32 sums of their points.

    """
    call = _Images(peaks, left.reshape(-1, 1), right.reshape(-1, 1))
    most = int(np.maximum(right - left, 0).sum())
    ends, pixel, value = np.zeros(len(left), np.int64), np.empty(most, np.uint32), np.empty(most, np.float32)
    call.run("list_images", ends, pixel, value)
    entries = int(ends[-1]) if len(ends) else 0
    return ends, pixel[:entries], value[:entries]


def mz_statistics(peaks: PeakArrays, left: Int64, right: Int64, centre: Float64) -> tuple[Float64, Float64]:
    """Return mean and standard deviation of each window's m/z, weighted by intensity: float64[n, k].

    The m/z are rounded to float32 first; a window without points has its `centre` (float64[n, k]) and 0.
    """
    call = _Images(peaks, left, right)
    if centre.shape != left.shape:
        raise ValueError(f"{centre.shape} centres of {left.shape} windows")
    mean, deviation = np.empty(left.shape), np.empty(left.shape)
    call.run("mz_statistics", _array(centre, np.float64), mean, deviation)
    return mean, deviation


def exceeded_levels(ends: Int64, value: Float32, levels: int) -> Int8:
    """Return for each entry how many of the thresholds max * i / levels, i = 0 … levels - 1, lie below its value.

    `ends` (int64[m]) tells where each image's entries (float32, > 0) end. Thresholds are float32 and rounded in two
    steps. An infinite maximum leaves no pixel above any.
    """
    ends, value = _array(ends, np.int64), _array(value, np.float32)
    _check_ends(ends, len(value))
    if not 1 <= levels <= MOST_LEVELS:
        raise ValueError(f"{levels} levels; from 1 to {MOST_LEVELS} are possible")
    level = np.empty(len(value), np.int8)
    _library().exceeded_levels(
        ctypes.c_int64(len(ends)), _address(ends), _address(value), ctypes.c_int64(levels), _address(level)
    )
    return level


def count_parts(ends: Int64, y: Int32, x: Int32, level: Int8, heights: Int64, widths: Int64) -> Int64:
    """Close images, and count the 4-connected parts of each, summed over all its level sets {level > i}, i ≥ 0.

    Parameters
    ----------
    ends
        Where the entries of each of m images end: int64[m].
    y, x, level
        The entries: int32, int32 and int8.
    heights, widths
        The size of each image: int64[m].

    """
    ends, y, x, level = _array(ends, np.int64), _array(y, np.int32), _array(x, np.int32), _array(level, np.int8)
    heights, widths = _array(heights, np.int64), _array(widths, np.int64)
    _check_ends(ends, len(level))
    image = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    inside = (y >= 0) & (y < heights[image]) & (x >= 0) & (x < widths[image]) & (level >= 0) & (level <= MOST_LEVELS)
    if not len(y) == len(x) == len(level) == np.count_nonzero(inside):
        raise ValueError("entries of images are outside them, or not as many as their levels")
    places = int(((heights + 2) * (widths + 2)).max(initial=4))
    closed, left = np.zeros(places, np.int8), np.zeros(places, np.int8)
    parent, listed, order = np.full(places, -1, np.int32), np.empty(places, np.int32), np.empty(places, np.int32)
    parts = np.zeros(len(ends), np.int64)
    given = (ends, y, x, level, heights, widths)
    scratch = (closed, left, parent, listed, order)
    _library().count_parts(
        ctypes.c_int64(len(ends)),
        *_addresses(given),
        *_addresses(scratch),
        _address(parts),
    )
    return parts


class _Images:
    """A call on the images of some windows, with the memory in which they are summed."""

    def __init__(self, peaks: PeakArrays, left: Int64, right: Int64) -> None:
        columns = (
            _array(peaks.mz, np.float64),
            _array(peaks.intensity, np.float32),
            _array(peaks.pixel, np.uint32),
        )
        ends = _array(left, np.int64), _array(right, np.int64)
        if left.shape != right.shape or left.ndim != 2:
            raise ValueError(f"windows from {left.shape} to {right.shape}")
        filled = ends[0] < ends[1]
        if np.any(ends[0][filled] < 0) or np.any(ends[1][filled] > len(peaks.mz)):
            raise ValueError(f"a window lies outside the {len(peaks.mz)} peaks")
        ions, isotopes = left.shape
        words = peaks.pixels // _WORD + 1
        scratch = (
            np.zeros((peaks.pixels, isotopes), np.float32),
            np.zeros(words, np.uint64),
            np.zeros(words // _WORD + 1, np.uint64),
        )
        self._held = (columns, ends, scratch)
        self._peaks = _PeakList(*_addresses(columns), peaks.pixels)
        self._windows = _WindowList(ions, isotopes, *_addresses(ends))
        self._scratch = _ScratchImages(*_addresses(scratch))

    def run(self, kernel: str, *arrays: _Array) -> None:
        structures = [self._peaks, self._windows]
        if kernel != "mz_statistics":
            structures.append(self._scratch)
        getattr(_library(), kernel)(*map(ctypes.byref, structures), *_addresses(arrays))


def _check_ends(ends: Int64, entries: int) -> None:
    whole = np.all(np.diff(ends, prepend=0) >= 0) and (ends[-1] if len(ends) else 0) == entries
    if not whole:
        raise ValueError(f"{entries} entries in images that do not end there")


def _array(values: _Array, dtype: npt.DTypeLike) -> _Array:
    """Return values one after the other in memory, as the type that a kernel reads; copied only where they are not."""
    return np.ascontiguousarray(values, dtype)


def _address(array: _Array) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _addresses(arrays: Iterable[_Array]) -> list[ctypes.c_void_p]:
    return [_address(array) for array in arrays]


@cache
def _library() -> ctypes.CDLL:
    """Load the kernels of this platform.

    Raises
    ------
    ImportError
        There are none.

    """
    system, machine = platform.system(), platform.machine()
    path = Path(__file__).with_name(f"kernels-{system.lower()}-{machine}.{_SUFFIX.get(system, 'so')}")
    if not path.is_file():
        built = ", ".join(sorted(each.name for each in path.parent.glob("kernels-*")))
        raise ImportError(
            f"Ionfleet has no compiled kernels for {system} on {machine}, only {built}. "
            "Add the platform to kernels/build.py and run `make kernels`."
        )
    library = ctypes.CDLL(str(path))
    for name in _KERNELS:
        getattr(library, name).restype = None
    return library
