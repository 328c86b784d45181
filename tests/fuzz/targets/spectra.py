"""Spectra of an ibd: any columns that pass the checks are read as a plain reader would, or refused by name."""

from __future__ import annotations

import zlib
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from ionfleet import spectra
from ionfleet.errors import InvalidDatasetError
from ionfleet.findings import FindingLog
from ionfleet.imzml.checks import check_arrays
from ionfleet.imzml.spectrum_list import UNSTATED
from ionfleet.index import ARRAY_DTYPES, TYPE_MASK, ZLIB, DatasetHeader, SpectraIndex

from ..choices import Choices
from ..invariants import assert_findings, assert_named

ROLES = ("mz", "intensity")
FACTS = ("offset", "length", "encoded", "type")
MAX_POINTS = 100_000
WORDS = (b"\0\0\0\0\0\0\xf0\x7f", b"\0\0\xc0\x7f", b"\0\0\x80\x7f", b"\xff" * 8, b"x\x9c", zlib.compress(b"\1" * 32))
_EDGES = (0, 1, -1, 2**31, -(2**31), 2**32, 2**62, 2**63 - 1, -(2**63))


def seeds() -> dict[str, bytes]:
    """Return a few decisions to begin with."""
    return {
        "zeros": bytes(64),
        "ascending": bytes(range(256)),
        "descending": bytes(range(255, -1, -1)) * 2,
        "one-spectrum": b"\0" + bytes([2, 1, 0, 3]) * 30,
        "compressed": bytes([3]) + bytes([5, 4, 1]) * 40,
    }


def check(data: bytes) -> None:
    """Decide on an ibd and on what an imzML says of it, and compare with the naive reader."""
    choices = Choices(data)
    columns, ibd = _dataset(choices)
    log = FindingLog()
    checked = check_arrays(columns, len(ibd), log)
    assert_findings(log.findings())
    if log.n_errors or int(checked["mz_length"].sum()) > MAX_POINTS:
        return
    index = SpectraIndex(DatasetHeader(len(checked["x"]), int(checked["intensity_length"].sum())), **checked)
    try:
        expected = _plainly_read(index, ibd)
    except (zlib.error, EOFError):
        expected = None
    small = choices.integer(1, 400)
    try:
        with patch.object(spectra, "CHUNK_BYTES", small), patch.object(spectra, "GAP_BYTES", small // 4):
            peaks = spectra.read_peaks(index, 0, len(index), lambda start, length: ibd[start : start + length])
    except InvalidDatasetError as error:
        assert_named(error)
        assert expected is None
    else:
        assert expected is not None
        for found, wanted in zip((peaks.mz, peaks.intensity, peaks.spectrum), expected, strict=True):
            assert np.array_equal(found, wanted)
        assert len(peaks) + peaks.dropped == index.header.n_points


def _dataset(choices: Choices) -> tuple[dict[str, Any], bytes]:
    """Lay arrays down one after the other, some of them compressed, and now and then lie about one."""
    ibd = bytearray(choices.take(16))
    count = choices.integer(1, 6)
    rows: dict[str, list[int]] = {f"{role}_{name}": [] for role in ROLES for name in FACTS}
    shared = choices.integer(0, 3) == 0
    for number in range(count):
        points = choices.integer(0, 9) if number == 0 or not shared else rows["mz_length"][0]
        for role in ROLES:
            if shared and number and role == "mz":
                for name in FACTS:
                    rows[f"mz_{name}"].append(rows[f"mz_{name}"][0])
            else:
                _put(choices, rows, ibd, role, points)
    for _ in range(choices.integer(0, 3)):
        column = choices.pick(sorted(rows))
        lie = choices.pick((*_EDGES, choices.integer(-8, 300)))
        rows[column][choices.integer(0, count - 1)] = lie % 8 if column.endswith("type") else lie
    if choices.integer(0, 3) == 3 and len(ibd) > 16:
        ibd[choices.integer(16, len(ibd) - 1)] ^= choices.integer(0, 255)
    columns: dict[str, Any] = {
        name: np.array(values, np.uint8 if name.endswith("type") else np.int64) for name, values in rows.items()
    }
    places = np.arange(count, dtype=np.int32)
    return columns | {"x": places, "y": places, "number": places + 1}, bytes(ibd)


def _put(choices: Choices, rows: dict[str, list[int]], ibd: bytearray, role: str, points: int) -> None:
    kind = choices.integer(0, 7)
    data = choices.take(points * ARRAY_DTYPES[kind & TYPE_MASK].itemsize)
    data = zlib.compress(data, 1) if kind & ZLIB else data
    ibd.extend(bytes(choices.integer(0, 40)))
    stated = len(data) if kind & ZLIB or choices.integer(0, 1) else choices.pick((UNSTATED, 0))
    values = {"offset": len(ibd), "length": points, "encoded": stated, "type": kind}
    for name, value in values.items():
        rows[f"{role}_{name}"].append(value)
    ibd.extend(data)


def _plainly_read(index: SpectraIndex, ibd: bytes) -> tuple[NDArray[Any], ...]:
    parts: list[list[NDArray[Any]]] = [[np.empty(0)], [np.empty(0, np.float32)], [np.empty(0, np.uint32)]]
    for row in range(len(index)):
        mz, intensity = (_array(index, role, row, ibd) for role in ROLES)
        with np.errstate(over="ignore", invalid="ignore"):
            mz, intensity = mz.astype(np.float64), intensity.astype(np.float32)
        keep = (intensity > 0) & np.isfinite(mz)
        parts[0].append(mz[keep])
        parts[1].append(intensity[keep])
        parts[2].append(np.full(int(keep.sum()), row, np.uint32))
    return tuple(np.concatenate(part) for part in parts)


def _array(index: SpectraIndex, role: str, row: int, ibd: bytes) -> NDArray[Any]:
    offset, length, taken, kind = (
        int(getattr(index, f"{role}_{name}")[row]) for name in ("offset", "length", "bytes", "type")
    )
    dtype = ARRAY_DTYPES[kind & TYPE_MASK]
    if not length:
        return np.empty(0, dtype)
    data = ibd[offset : offset + taken]
    if kind & ZLIB:
        reader = zlib.decompressobj()
        data = reader.decompress(data)
        if not reader.eof or len(data) != length * dtype.itemsize:
            raise EOFError
    return np.frombuffer(data, dtype, length)
