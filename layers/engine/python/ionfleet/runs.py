"""Sorted runs: peaks of a range of spectra by m/z, each run with a sparse index (docs/architecture.md, Objects).

A run is a sequence of blocks of `BLOCK` peaks (the last one shorter). A block holds its peaks' m/z (float64), then
their intensities (float32), then their pixels (uint32), little-endian, so that any m/z range of a run is one range of
bytes. The index keeps the first m/z of every block. Peaks of equal m/z stand in the order of their spectra; reading the
runs of a dataset in the order of their spectra and sorting stably therefore gives the same peaks in the same order
however the spectra were cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt

from ionfleet import kernels
from ionfleet.errors import DamagedObjectError
from ionfleet.store import ObjectStore

BLOCK = 8192
PEAK_BYTES = 16
_BLOCK_BYTES = BLOCK * PEAK_BYTES


class _Head(BaseModel):
    """The first line of a run's index."""

    model_config = ConfigDict(strict=True)

    peaks: NonNegativeInt
    dropped: NonNegativeInt
    last_mz: FiniteFloat
    blocks: NonNegativeInt


Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Uint32 = npt.NDArray[np.uint32]
Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SortedPeaks:
    """Peaks ordered by m/z, ties by spectrum: m/z (float64), intensity (float32), pixel rank (uint32)."""

    mz: Float64
    intensity: Float32
    pixel: Uint32

    def __len__(self) -> int:
        return len(self.mz)


@dataclass(frozen=True)
class RunIndex:
    """What is known of a run without reading it.

    `first_mz` is the m/z (float64) at the start of every block, `last_mz` that of the run's last peak, `peaks` their
    number, `dropped` how many points the cleaning left out, `tic` the summed intensity per spectrum (float32) of the
    run's range, in spectrum order.
    """

    peaks: int
    dropped: int
    last_mz: float
    first_mz: Float64
    tic: Float32

    def to_bytes(self) -> bytes:
        """Serialise: one line of JSON, then the arrays."""
        head = _Head(peaks=self.peaks, dropped=self.dropped, last_mz=self.last_mz, blocks=len(self.first_mz))
        arrays = self.first_mz.astype("<f8").tobytes() + self.tic.astype("<f4").tobytes()
        return head.model_dump_json().encode() + b"\n" + arrays

    @staticmethod
    def from_bytes(data: bytes) -> RunIndex:
        """Read what `to_bytes` wrote; `ValueError` for anything else."""
        line, _, arrays = data.partition(b"\n")
        head = _Head.model_validate_json(line)
        middle = 8 * head.blocks
        first_mz = np.frombuffer(arrays[:middle], "<f8")
        index = RunIndex(head.peaks, head.dropped, head.last_mz, first_mz, np.frombuffer(arrays[middle:], "<f4"))
        index._check(head.blocks)
        return index

    def _check(self, blocks: int) -> None:
        """Refuse an index that would lead to other rows than those of its run."""
        ends = np.append(self.first_mz, self.last_mz if self.peaks else [])
        whole = len(self.first_mz) == blocks == -(-self.peaks // BLOCK)
        if not whole or not np.all(np.isfinite(ends)) or np.any(ends[1:] < ends[:-1]):
            raise ValueError(f"{self.peaks} peaks in {len(self.first_mz)} blocks that are not ascending")

    def row_ranges(self, lower: Float64, upper: Float64) -> tuple[Int64, Int64]:
        """Return the ranges of rows, first ≤ i < stop, of the blocks that hold every peak in some m/z ranges.

        The m/z ranges [lower, upper] are ascending and apart; ranges of blocks that touch, or would but for one block
        between them, are one.
        """
        stop = np.searchsorted(self.first_mz, upper, side="right")
        # A block before one that starts exactly at `lower` may end with peaks of that m/z.
        first = np.maximum(np.searchsorted(self.first_mz, lower, side="left") - 1, 0)
        first, stop = first[stop > 0], stop[stop > 0]
        apart = first[1:] > stop[:-1] + 1
        opens, closes = np.append(True, apart)[: len(first)], np.append(apart, True)[: len(stop)]
        return first[opens] * BLOCK, np.minimum(stop[closes] * BLOCK, self.peaks)

    def peaks_read(self, lower: Float64, upper: Float64) -> int:
        """Return how many peaks reading these m/z ranges by whole blocks brings in."""
        first, stop = self.row_ranges(lower, upper)
        return int((stop - first).sum())


def sort_peaks(mz: Float64, intensity: Float32, pixel: Uint32) -> SortedPeaks:
    """Order peaks, given in spectrum order, by m/z; ties keep their order."""
    return SortedPeaks(*kernels.sort_peaks(mz, intensity, pixel))


def encode_run(peaks: SortedPeaks) -> bytearray:
    """Lay sorted peaks out in blocks."""
    count = len(peaks)
    data = bytearray(count * PEAK_BYTES)
    full = count // BLOCK
    blocks = np.frombuffer(data, np.uint8, full * _BLOCK_BYTES).reshape(full, _BLOCK_BYTES)
    start = 0
    for column, width in ((peaks.mz, 8), (peaks.intensity, 4), (peaks.pixel, 4)):
        body = np.ascontiguousarray(column[: full * BLOCK]).view(np.uint8).reshape(full, BLOCK * width)
        blocks[:, start : start + BLOCK * width] = body
        start += BLOCK * width
    tail = b"".join(column[full * BLOCK :].tobytes() for column in (peaks.mz, peaks.intensity, peaks.pixel))
    data[full * _BLOCK_BYTES :] = tail
    return data


def decode_blocks(data: bytes | memoryview) -> SortedPeaks:
    """Read whole blocks, of which only the last may be shorter."""
    full = len(data) // _BLOCK_BYTES
    blocks = np.frombuffer(data, np.uint8, full * _BLOCK_BYTES).reshape(full, _BLOCK_BYTES)
    rest = memoryview(data)[full * _BLOCK_BYTES :]
    count = len(rest) // PEAK_BYTES
    columns = []
    start = 0
    for dtype, width in (("<f8", 8), ("<f4", 4), ("<u4", 4)):
        body = np.ascontiguousarray(blocks[:, start * BLOCK : (start + width) * BLOCK]).view(dtype).reshape(-1)
        tail = np.frombuffer(rest, dtype, count, offset=start * count)
        columns.append(np.concatenate([body, tail]) if count else body)
        start += width
    return SortedPeaks(columns[0], columns[1], columns[2])


def index_run(peaks: SortedPeaks, dropped: int, tic: Float32) -> RunIndex:
    """Make the sparse index of a run."""
    last = float(peaks.mz[-1]) if len(peaks) else 0.0
    return RunIndex(len(peaks), dropped, last, peaks.mz[::BLOCK].copy(), tic)


def run_key(dataset: str, first: int, stop: int) -> str:
    """Return the key of the run over spectra first ≤ i < stop."""
    return f"datasets/{dataset}/runs/{first:08d}-{stop:08d}.run"


def index_key(dataset: str, first: int, stop: int) -> str:
    """Return the key of that run's index."""
    return f"datasets/{dataset}/runs/{first:08d}-{stop:08d}.index"


def existing_runs(work: ObjectStore, dataset: str) -> dict[int, int]:
    """Return the runs that are there: where each ends, by where it begins."""
    runs: dict[int, int] = {}
    for info in work.list(f"datasets/{dataset}/runs/"):
        if info.key.endswith(".index"):
            first, stop = info.key.rsplit("/", 1)[1].removesuffix(".index").split("-")
            runs[int(first)] = int(stop)
    return runs


def covering_runs(runs: Mapping[int, int], spectra: int) -> list[tuple[int, int]] | None:
    """Return ranges of runs that cover a dataset of so many spectra, None where none do."""
    cover = []
    position = 0
    while position < spectra:
        if position not in runs:
            return None
        cover.append((position, runs[position]))
        position = runs[position]
    return cover


def read_ranges(
    store: ObjectStore,
    runs: Sequence[tuple[str, RunIndex]],
    lower: Float64,
    upper: Float64,
    windows: tuple[Float64, Float64] | None = None,
) -> SortedPeaks:
    """Read the blocks of all runs that hold peaks in some m/z ranges, and merge them.

    Memory: some 60 bytes a peak that is kept, and the blocks of one range of one run.

    Parameters
    ----------
    store
        The work bucket.
    runs
        Key and index of every run, in the order of their spectra.
    lower, upper
        Ends of the m/z ranges, both included, ascending and apart.
    windows
        Lower and upper ends of those parts of the ranges whose peaks are kept, likewise; None to keep whole blocks.

    Returns
    -------
    SortedPeaks
        Every peak in the windows, or else every one in the ranges and others of the same blocks, in the order of one
        stable sort over all spectra.

    """
    parts = [
        _read_rows(store, key, first, stop, windows)
        for key, index in runs
        for first, stop in zip(*(ends.tolist() for ends in index.row_ranges(lower, upper)), strict=True)
    ]
    if not parts:
        return SortedPeaks(np.empty(0), np.empty(0, np.float32), np.empty(0, np.uint32))
    mz = np.concatenate([part.mz for part in parts])
    intensity = np.concatenate([part.intensity for part in parts])
    pixel = np.concatenate([part.pixel for part in parts])
    return SortedPeaks(mz, intensity, pixel) if len(parts) == 1 else sort_peaks(mz, intensity, pixel)


def _read_rows(
    store: ObjectStore, key: str, first: int, stop: int, windows: tuple[Float64, Float64] | None
) -> SortedPeaks:
    """Read whole blocks, given by their rows; keep the peaks in some windows, if given."""
    start, length = first * PEAK_BYTES, (stop - first) * PEAK_BYTES
    data = store.get_range(key, start, length)
    if len(data) != length:
        raise DamagedObjectError(
            f"Sorted run {key} gave {len(data):,} bytes from byte {start:,} where its index promises {length:,}. "
            "Remove the dataset's runs from the work bucket and run the job again."
        )
    peaks = decode_blocks(data)
    return peaks if windows is None else _within(peaks, *windows)


def _within(peaks: SortedPeaks, lower: Float64, upper: Float64) -> SortedPeaks:
    """Keep the peaks in windows that are ascending and apart, their ends included."""
    near = slice(np.searchsorted(upper, peaks.mz[0]), np.searchsorted(lower, peaks.mz[-1], side="right"))
    starts = np.searchsorted(peaks.mz, lower[near])
    stops = np.searchsorted(peaks.mz, upper[near], side="right")
    # Outside, inside, outside and so on, to the end.
    ends = np.append(np.column_stack([starts, stops]), len(peaks))
    kept = np.repeat(np.arange(len(ends)) % 2 == 1, np.diff(ends, prepend=0))
    return SortedPeaks(peaks.mz[kept], peaks.intensity[kept], peaks.pixel[kept])
