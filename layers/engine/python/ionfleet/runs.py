"""Sorted runs: peaks of a range of spectra by m/z, each run with a sparse index (docs/architecture.md, Objects).

A run is a sequence of blocks of `BLOCK` peaks (the last one shorter). A block holds its peaks' m/z (float64), then
their intensities (float32), then their pixels (uint32), little-endian, so that any m/z range of a run is one range of
bytes. The index keeps the first m/z of every block. Peaks of equal m/z stand in the order of their spectra; reading the
runs of a dataset in the order of their spectra and sorting stably therefore gives the same peaks in the same order
however the spectra were cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt

from ionfleet import kernels
from ionfleet.concurrently import in_order
from ionfleet.errors import DamagedObjectError
from ionfleet.identity import run_prefix
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

    def row_ranges(self, lower: Float64, upper: Float64, group: Int64 | None = None) -> tuple[Int64, Int64, Int64]:
        """Return the ranges of rows, first ≤ i < stop, of the blocks that hold every peak in some m/z ranges.

        The m/z ranges [lower, upper] are ascending and apart; ranges of blocks that touch, or would but for one block
        between them, are one. With several such groups of m/z ranges one after the other, told apart by `group`
        (int64), each is looked up for itself. The third array (int64) is the group of each range of rows, 0 without.
        """
        group = np.zeros(len(lower), np.int64) if group is None else group
        stop = np.searchsorted(self.first_mz, upper, side="right")
        # A block before one that starts exactly at `lower` may end with peaks of that m/z.
        first = np.maximum(np.searchsorted(self.first_mz, lower, side="left") - 1, 0)
        first, stop, group = first[stop > 0], stop[stop > 0], group[stop > 0]
        apart = (first[1:] > stop[:-1] + 1) | (group[1:] != group[:-1])
        opens, closes = np.append(True, apart)[: len(first)], np.append(apart, True)[: len(stop)]
        return first[opens] * BLOCK, np.minimum(stop[closes] * BLOCK, self.peaks), group[opens]


@dataclass(frozen=True)
class RunRows:
    """Ranges of rows first ≤ i < stop of runs, int64[n] each, in the order of the runs and of their rows.

    `run` (int64[n]) is the place of each one's run among those of its dataset. Ranges begin and end with blocks, or
    with their run.
    """

    run: Int64
    first: Int64
    stop: Int64

    @property
    def peaks(self) -> int:
        """Number of all rows."""
        return int((self.stop - self.first).sum())

    def to_bytes(self) -> bytes:
        """Serialise: run, first and stop of each range, little-endian int64."""
        return np.column_stack([self.run, self.first, self.stop]).astype("<i8").tobytes()

    @staticmethod
    def from_bytes(data: bytes, runs: int, peaks: int) -> RunRows:
        """Read what `to_bytes` wrote of that many peaks of that many runs; `ValueError` for anything else."""
        run, first, stop = np.frombuffer(data, "<i8").reshape(-1, 3).T
        rows = RunRows(run, first, stop)
        forth = (run[1:] > run[:-1]) | ((run[1:] == run[:-1]) & (first[1:] >= stop[:-1]))
        within = (run >= 0) & (run < runs) & (first >= 0) & (first % BLOCK == 0) & (first < stop)
        if rows.peaks != peaks or not np.all(forth) or not np.all(within):
            raise ValueError(f"{rows.peaks:,} rows of {runs:,} runs in {len(run):,} ranges, {peaks:,} are expected")
        return rows


def rows_to_read(runs: Iterable[RunIndex], windows: Sequence[tuple[Float64, Float64]]) -> list[RunRows]:
    """Return for each group of m/z ranges, ascending and apart, the rows of all runs that hold every peak in them."""
    lower, upper = (np.concatenate([np.empty(0), *(group[end] for group in windows)]) for end in (0, 1))
    group = np.repeat(np.arange(len(windows)), [len(each) for each, _ in windows])
    found = [index.row_ranges(lower, upper, group) for index in runs]
    run = np.repeat(np.arange(len(found)), [len(first) for first, *_ in found])
    first, stop, group = (np.concatenate([np.empty(0, np.int64), *(each[part] for each in found)]) for part in range(3))
    order = np.argsort(group, kind="stable")
    ends = np.searchsorted(group[order], np.arange(1, len(windows)))
    return [RunRows(run[part], first[part], stop[part]) for part in np.split(order, ends)][: len(windows)]


def sort_peaks(mz: Float64, intensity: Float32, pixel: Uint32, *, overwrite: bool = False) -> SortedPeaks:
    """Order peaks, given in spectrum order, by m/z; ties keep their order. With `overwrite` the columns may be lost."""
    return SortedPeaks(*kernels.sort_peaks(mz, intensity, pixel, overwrite=overwrite))


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
    return f"runs/{run_prefix(dataset, first)}/{dataset}/{first:08d}-{stop:08d}.run"


def index_key(dataset: str, first: int, stop: int) -> str:
    """Return the key of that run's index."""
    return f"datasets/{dataset}/indexes/{first:08d}-{stop:08d}.index"


def existing_runs(work: ObjectStore, dataset: str) -> dict[int, int]:
    """Return the runs that are there: where each ends, by where it begins."""
    runs: dict[int, int] = {}
    for info in work.list(f"datasets/{dataset}/indexes/"):
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


def read_rows(
    store: ObjectStore, keys: Sequence[str], rows: RunRows, windows: tuple[Float64, Float64] | None = None
) -> SortedPeaks:
    """Read rows of runs, several ranges at a time, and merge their peaks.

    Memory: some 35 bytes a peak that is kept, and the blocks of the ranges that are under way: of one range, or of
    several up to `ionfleet.concurrently.BYTES_AT_ONCE`.

    Parameters
    ----------
    store
        The work bucket.
    keys
        Of every run of the dataset, in the order of their spectra.
    rows
        What to read.
    windows
        Lower and upper ends of m/z ranges, ascending and apart, both included, whose peaks are kept; None to keep all.

    Returns
    -------
    SortedPeaks
        The peaks in the order of one stable sort over all spectra, whichever request was answered first.

    Raises
    ------
    DamagedObjectError
        A run is shorter than the ranges say.

    """

    def read(span: tuple[int, int, int]) -> SortedPeaks:
        run, first, stop = span
        return _read_range(store, keys[run], first, stop, windows)

    spans = zip(rows.run.tolist(), rows.first.tolist(), rows.stop.tolist(), strict=True)
    parts = list(in_order(read, spans, lambda span: (span[2] - span[1]) * PEAK_BYTES))
    return _merged(parts)


def _merged(parts: list[SortedPeaks]) -> SortedPeaks:
    """Merge parts by one stable sort, ties in the order of the parts; these are taken away, to hold no column twice."""
    if len(parts) <= 1:
        return parts[0] if parts else SortedPeaks(np.empty(0), np.empty(0, np.float32), np.empty(0, np.uint32))
    columns = [[getattr(part, name) for part in parts] for name in ("mz", "intensity", "pixel")]
    parts.clear()
    mz, intensity, pixel = (np.concatenate(columns.pop(0)) for _ in range(3))
    return sort_peaks(mz, intensity, pixel, overwrite=True)


def _read_range(
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
