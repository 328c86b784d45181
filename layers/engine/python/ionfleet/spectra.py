"""Peaks of a range of spectra, read from the ibd and cleaned (docs/annotation.md, Reading and cleaning)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ionfleet.concurrently import in_order
from ionfleet.errors import InvalidDatasetError
from ionfleet.index import ARRAY_DTYPES, TYPE_MASK, ZLIB, SpectraIndex

CHUNK_BYTES = 16 << 20
"""Bytes of arrays that are decoded at a time; fetching them brings in at most twice as many, for the gaps between."""
CHUNKS_AHEAD = 2
"""Chunks that are fetched while another is decoded."""
GAP_BYTES = 64 << 10
"""Arrays that lie nearer to each other than this are fetched by one request."""
PEAK_BYTES = 16
"""Bytes that a point of the index takes in the `Peaks` made of it, whether or not the cleaning keeps it."""

Fetch = Callable[[int, int], bytes]
Int64 = NDArray[np.int64]


@dataclass(frozen=True)
class Peaks:
    """Cleaned peaks in the order of their spectra, and in a spectrum in the order of its arrays.

    `mz` is float64[n], `intensity` float32[n], `spectrum` uint32[n] the number of the peak's spectrum in the dataset,
    from 0. `dropped` counts the points that the cleaning left out, `without_mz` those of them that had a positive
    intensity but an m/z that is infinite or no number.
    """

    mz: NDArray[np.float64]
    intensity: NDArray[np.float32]
    spectrum: NDArray[np.uint32]
    dropped: int
    without_mz: int

    def __len__(self) -> int:
        return len(self.mz)


@dataclass(frozen=True)
class _Arrays:
    """The m/z or the intensity arrays of some spectra: where they are in the ibd, how long, of which type."""

    name: str
    offset: Int64
    length: Int64
    taken: Int64
    type: NDArray[np.uint8]
    first: int

    def part(self, start: int, stop: int) -> _Arrays:
        rows = slice(start, stop)
        first = self.first + start
        return _Arrays(self.name, self.offset[rows], self.length[rows], self.taken[rows], self.type[rows], first)

    def place(self, row: int) -> str:
        return f"The {self.name} array of spectrum {self.first + row + 1} at byte {self.offset[row]:,} of the ibd"


@dataclass(frozen=True)
class _Ranges:
    """Byte ranges of the ibd, ascending and apart."""

    start: Int64
    length: Int64


@dataclass(frozen=True)
class _Fetched:
    """Byte ranges of the ibd with what is in them."""

    ranges: _Ranges
    data: Sequence[bytes]


def read_peaks(index: SpectraIndex, first: int, stop: int, fetch: Fetch) -> Peaks:
    """Read the peaks of spectra first ≤ i < stop that have a positive intensity and a finite m/z.

    Intensities are converted to float32 before they are compared, so that a kept one is never 0. NaN falls out, +inf
    stays. Chunks are fetched while others are decoded. Memory: `PEAK_BYTES` a point, and a few times `CHUNK_BYTES`,
    unless one spectrum alone is larger.

    Parameters
    ----------
    index
        Rows that include these spectra, as checked against the ibd.
    first, stop
        Numbers of spectra in the dataset, from 0.
    fetch
        Returns `length` bytes of the ibd from byte `start`, given as (start, length); called by several threads.

    Raises
    ------
    InvalidDatasetError
        Where an array cannot be decoded to the length that the imzML states.

    """
    rows = index.rows(first, stop)
    mz, intensity = _arrays_of(rows)
    points = int(intensity.length.sum())
    peaks = Peaks(np.empty(points), np.empty(points, np.float32), np.empty(points, np.uint32), 0, 0)
    shared = _shared_mz(mz, fetch)
    filled = without_mz = 0
    chunks = _chunks(mz, intensity, with_mz=shared is None)
    for start, end, fetched in in_order(partial(_fetch_chunk, fetch), chunks, _chunk_size, CHUNKS_AHEAD):
        chunk = slice(filled, filled + int(intensity.length[start:end].sum()))
        _decode(intensity.part(start, end), fetched, peaks.intensity[chunk])
        if shared is None:
            _decode(mz.part(start, end), fetched, peaks.mz[chunk])
        else:
            peaks.mz[chunk].reshape(-1, len(shared))[:] = shared
        numbers = np.arange(first + start, first + end, dtype=np.uint32)
        peaks.spectrum[chunk] = np.repeat(numbers, intensity.length[start:end])
        kept, lost = _clean(peaks, chunk)
        filled += kept
        without_mz += lost
    return Peaks(peaks.mz[:filled], peaks.intensity[:filled], peaks.spectrum[:filled], points - filled, without_mz)


def _arrays_of(rows: SpectraIndex) -> tuple[_Arrays, _Arrays]:
    mz = _Arrays("m/z", rows.mz_offset, rows.mz_length, rows.mz_bytes, rows.mz_type, rows.first)
    intensity = _Arrays(
        "intensity", rows.intensity_offset, rows.intensity_length, rows.intensity_bytes, rows.intensity_type, rows.first
    )
    return mz, intensity


def _shared_mz(mz: _Arrays, fetch: Fetch) -> NDArray[np.float64] | None:
    """Return the m/z array that all spectra share (continuous mode), None where they do not or share an empty one."""
    columns = (mz.offset, mz.length, mz.taken, mz.type)
    if len(mz.offset) < 2 or not mz.length[0] or any(bool(np.any(values != values[0])) for values in columns):
        return None
    one = mz.part(0, 1)
    shared = np.empty(int(one.length[0]))
    _decode(one, _fetch_ranges(_Ranges(one.offset, one.taken), fetch), shared)
    return shared


def _chunks(mz: _Arrays, intensity: _Arrays, *, with_mz: bool) -> Iterator[tuple[int, int, _Ranges]]:
    """Cut the spectra so that neither what is read nor what is decoded of a chunk is much more than `CHUNK_BYTES`."""
    taken = intensity.taken + (mz.taken if with_mz else 0)
    ends = np.cumsum(np.maximum(taken, intensity.length * PEAK_BYTES))
    start = 0
    while start < len(ends):
        before = int(ends[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + CHUNK_BYTES, side="right")))
        yield from _halved(mz, intensity, start, stop, with_mz=with_mz)
        start = stop


def _halved(
    mz: _Arrays, intensity: _Arrays, start: int, stop: int, *, with_mz: bool
) -> Iterator[tuple[int, int, _Ranges]]:
    """Cut a chunk further while the gaps between its arrays make too much of it."""
    parts = [intensity.part(start, stop), *([mz.part(start, stop)] if with_mz else [])]
    ranges = _coalesce(np.concatenate([part.offset for part in parts]), np.concatenate([part.taken for part in parts]))
    if stop - start > 1 and int(ranges.length.sum()) > 2 * CHUNK_BYTES:
        middle = (start + stop) // 2
        yield from _halved(mz, intensity, start, middle, with_mz=with_mz)
        yield from _halved(mz, intensity, middle, stop, with_mz=with_mz)
    else:
        yield start, stop, ranges


def _coalesce(offset: Int64, taken: Int64) -> _Ranges:
    """Join byte ranges that overlap or lie at most `GAP_BYTES` apart."""
    order = np.argsort(offset, kind="stable")
    order = order[taken[order] > 0]
    if not len(order):
        return _Ranges(order, order)
    starts, ends = offset[order], np.maximum.accumulate(offset[order] + taken[order])
    breaks = np.flatnonzero(starts[1:] - ends[:-1] > GAP_BYTES)
    start = starts[np.concatenate([[0], breaks + 1])]
    end = ends[np.concatenate([breaks, [len(ends) - 1]])]
    return _Ranges(start, end - start)


def _chunk_size(chunk: tuple[int, int, _Ranges]) -> int:
    return int(chunk[2].length.sum())


def _fetch_chunk(fetch: Fetch, chunk: tuple[int, int, _Ranges]) -> tuple[int, int, _Fetched]:
    start, stop, ranges = chunk
    return start, stop, _fetch_ranges(ranges, fetch)


def _fetch_ranges(ranges: _Ranges, fetch: Fetch) -> _Fetched:
    data = []
    for start, length in zip(ranges.start.tolist(), ranges.length.tolist(), strict=True):
        found = fetch(start, length)
        if len(found) != length:
            message = (
                f"The ibd ends at byte {start + len(found):,}, but the imzML points to bytes up to {start + length:,}. "
                "The ibd is incomplete: upload it again."
            )
            raise InvalidDatasetError(message)
        data.append(found)
    return _Fetched(ranges, data)


def _decode(arrays: _Arrays, fetched: _Fetched, out: NDArray[Any]) -> None:
    """Decode arrays one after the other into `out`, converting to its type."""
    ends = np.cumsum(arrays.length)
    used = np.flatnonzero(arrays.length)
    which = np.searchsorted(fetched.ranges.start, arrays.offset[used], side="right") - 1
    position = arrays.offset[used] - fetched.ranges.start[which]
    columns = (used, arrays.type[used], ends[used] - arrays.length[used], ends[used], which, position)
    # Numbers beyond the range of float32 become infinite, as in every reader of imzML.
    with np.errstate(over="ignore", invalid="ignore"):
        for row, kind, begin, end, part, at in zip(*(column.tolist() for column in columns), strict=True):
            dtype = ARRAY_DTYPES[kind & TYPE_MASK]
            if kind & ZLIB:
                out[begin:end] = _inflate(arrays, row, memoryview(fetched.data[part])[at : at + int(arrays.taken[row])])
            else:
                out[begin:end] = np.frombuffer(fetched.data[part], dtype, end - begin, at)


def _inflate(arrays: _Arrays, row: int, data: memoryview) -> NDArray[Any]:
    """Decompress one array, no further than to the size that it must have."""
    dtype = ARRAY_DTYPES[int(arrays.type[row]) & TYPE_MASK]
    expected = int(arrays.length[row]) * dtype.itemsize
    decompressor = zlib.decompressobj()
    try:
        found = decompressor.decompress(data, expected + 1)
    except zlib.error as error:
        message = f"{arrays.place(row)} cannot be decompressed ({error}). Export the dataset again."
        raise InvalidDatasetError(message) from None
    if len(found) != expected or not decompressor.eof:
        size = f"more than {expected:,}" if len(found) > expected else f"{len(found):,}"
        message = (
            f"{arrays.place(row)} decompresses to {size} bytes, but {arrays.length[row]:,} points of {dtype.itemsize} "
            f"bytes are {expected:,}. Export the dataset again."
        )
        raise InvalidDatasetError(message)
    return np.frombuffer(found, dtype)


def _clean(peaks: Peaks, chunk: slice) -> tuple[int, int]:
    """Move the peaks to keep to the chunk's beginning; return their number, and how many were lost for their m/z."""
    columns = (peaks.mz[chunk], peaks.intensity[chunk], peaks.spectrum[chunk])
    positive = columns[1] > 0
    keep = positive & np.isfinite(columns[0])
    kept = int(np.count_nonzero(keep))
    if kept < len(keep):
        for column in columns:
            column[:kept] = column[keep]
    return kept, int(np.count_nonzero(positive)) - kept
