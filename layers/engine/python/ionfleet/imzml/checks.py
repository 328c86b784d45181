"""Checks of an imzML file's spectra against the ibd that they point into, before anything is read from it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ionfleet.findings import FindingLog
from ionfleet.imzml.spectrum_list import UNSTATED
from ionfleet.imzml.terms import ROLES
from ionfleet.index import ARRAY_DTYPES, TYPE_MASK, ZLIB

MAX_PIXELS = 1 << 25
"""Of the box around all coordinates: what a function has the memory to render; METASPACE takes 4.5 million."""
MAX_POINTS = 1 << 38
"""Of all spectra together: three terabytes, beyond which the tasks are too many to plan. Arrays may share bytes."""
_ITEM_BYTES = np.array([dtype.itemsize for dtype in ARRAY_DTYPES], np.int64)
_TURN = 1 << 32
_MAX_BYTES = 1 << 50
_DEFLATE_RATIO = 1032  # the most that zlib can save

Int64 = NDArray[np.int64]
Columns = dict[str, Any]


class _Notes:
    """Puts into the log what is wrong with the spectra at some rows."""

    def __init__(self, log: FindingLog, numbers: Int64) -> None:
        self._log = log
        self._numbers = numbers

    def error(self, code: str, rows: NDArray[np.bool_], message: Callable[[int], str]) -> None:
        """Note an error for each row that is True."""
        self._log.each("error", code, np.flatnonzero(rows), lambda row: (message(row), self._place(row)))

    def warning(self, code: str, rows: NDArray[np.bool_], message: Callable[[int], str]) -> None:
        """Note a warning for each row that is True."""
        self._log.each("warning", code, np.flatnonzero(rows), lambda row: (message(row), self._place(row)))

    def _place(self, row: int) -> str:
        return f"spectrum {self._numbers[row]}"


def check_arrays(columns: Columns, ibd_size: int, log: FindingLog) -> Columns:
    """Return the columns with `…_bytes` for `…_encoded` and unwrapped offsets, every error in the log.

    Afterwards, if no error was noted, each array lies inside of the ibd and holds as many points as its partner.
    `number` is the number of each spectrum for messages, from 1.
    """
    checked = dict(columns)
    notes = _Notes(log, checked.pop("number"))
    for role in ROLES:
        checked[f"{role}_bytes"] = _array_bytes(checked, role, notes)
    _check_equal_lengths(checked, notes)
    checked |= _unwrapped(checked, ibd_size, log)
    for role in ROLES:
        _check_inside(checked, role, ibd_size, notes)
        del checked[f"{role}_encoded"]
    _check_sum(checked, log)
    return checked


def check_grid(x: NDArray[np.int32], y: NDArray[np.int32], log: FindingLog) -> None:
    """Note coordinates that span more pixels than an image may have, and spectra that share pixels."""
    columns, rows = x.astype(np.int64) - x.min(), y.astype(np.int64) - y.min()
    width, height = int(columns.max()) + 1, int(rows.max()) + 1
    if width * height > MAX_PIXELS:
        message = (
            f"The coordinates, x {x.min()} to {x.max()} and y {y.min()} to {y.max()}, span {width:,} by {height:,} "
            f"pixels, more than {MAX_PIXELS:,}. Crop or split the dataset, or check the positions IMS:1000050 and "
            "IMS:1000051."
        )
        log.error("grid-too-large", message)
        return
    shared = len(x) - len(np.unique(rows * width + columns))
    if shared:
        message = (
            f"{shared:,} of {len(x):,} spectra share a pixel with an earlier one; intensities of a pixel are summed."
        )
        log.warning("shared-pixels", message)


def check_uuid(declared: str, ibd_head: bytes, log: FindingLog) -> None:
    """Compare the header's UUID with the first 16 bytes of the ibd, in either byte order that writers use."""
    found = ibd_head[:16]
    if len(found) == 16:
        known = uuid.UUID(bytes=found)
        if declared in (known.hex, known.bytes_le.hex()):
            return
    message = (
        f"The imzML expects an ibd with the UUID {declared[:40] or '(none)'}, but the ibd begins with {found.hex()}. "
        "Check that the two files belong together."
    )
    log.warning("uuid-differs", message)


def _array_bytes(columns: Columns, role: str, notes: _Notes) -> Int64:
    """Return how many bytes of the ibd each array takes, 0 where its length is impossible, which is noted."""
    length, encoded, kind = (columns[f"{role}_{name}"] for name in ("length", "encoded", "type"))
    zlib, item = (kind & ZLIB) != 0, _ITEM_BYTES[kind & TYPE_MASK]

    def unstated(row: int) -> str:
        points = f"{length[row]:,} points"
        return f"The {ROLES[role]} array of {points} is compressed, but its encoded length (IMS:1000104) is missing."

    def impossible(row: int) -> str:
        inside = f"{encoded[row]:,} compressed bytes" if zlib[row] else "an array of an ibd"
        return f"The {ROLES[role]} array is said to have {length[row]:,} points, which cannot be in {inside}."

    def differs(row: int) -> str:
        return (
            f"The {ROLES[role]} array's encoded length is {encoded[row]:,} bytes, but {length[row]:,} points of "
            f"{item[row]} bytes are {plain[row]:,}; these are read."
        )

    lost = zlib & (encoded == UNSTATED)
    capacity = np.where(zlib, np.clip(encoded, 0, _MAX_BYTES) * _DEFLATE_RATIO, _MAX_BYTES) // item
    wrong = ~lost & ((length < 0) | (length > capacity))
    plain = np.where(zlib | wrong, 0, length) * item
    # Some writers state 0 for arrays that are not compressed; readers go by the number of points.
    unequal = ~zlib & ~wrong & (encoded != plain) & (encoded > 0)
    notes.error("encoded-length-missing", lost, unstated)
    notes.error("impossible-length", wrong, impossible)
    notes.warning("encoded-length", unequal, differs)
    taken: Int64 = np.where(zlib & ~wrong & ~lost, encoded, plain)
    return taken


def _check_equal_lengths(columns: Columns, notes: _Notes) -> None:
    mz, intensity = columns["mz_length"], columns["intensity_length"]

    def unequal(row: int) -> str:
        return f"There are {mz[row]:,} m/z values but {intensity[row]:,} intensities. Export the dataset again."

    notes.error("unequal-lengths", mz != intensity, unequal)


def _check_inside(columns: Columns, role: str, ibd_size: int, notes: _Notes) -> None:
    offset, taken = columns[f"{role}_offset"], columns[f"{role}_bytes"]

    def beyond(row: int) -> str:
        first, end = int(offset[row]), int(offset[row]) + int(taken[row])
        return (
            f"The {ROLES[role]} array lies at bytes {first:,} to {end:,}, but the ibd has {ibd_size:,} bytes. It is "
            "incomplete or belongs to another imzML: upload it again."
        )

    notes.error("beyond-ibd", (taken > 0) & ((offset < 0) | (offset > ibd_size - taken)), beyond)


def _check_sum(columns: Columns, log: FindingLog) -> None:
    # Impossible lengths, which are noted by themselves, take no bytes.
    possible = columns["intensity_bytes"] > 0
    points = float(columns["intensity_length"][possible].sum(dtype=np.float64))
    if points > MAX_POINTS:
        message = (
            f"The spectra have {points:,.0f} points together, more than {MAX_POINTS:,}; where arrays share bytes of "
            "the ibd they can be more than it holds. Split the dataset, or export it again."
        )
        log.error("too-many-points", message)


def _unwrapped(columns: Columns, ibd_size: int, log: FindingLog) -> Columns:
    """Return the offset columns that had to be unwrapped, none where nothing wrapped.

    Some writers count bytes in 32 bits, so that offsets beyond 2^31 come out negative, or those beyond 2^32 start again
    at 0. Turns of 2^32 are added where the spectra follow each other in the ibd and only one number of turns fits.
    """
    negative = any(bool(np.any(columns[f"{role}_offset"][columns[f"{role}_bytes"] > 0] < 0)) for role in ROLES)
    if not negative and not _looks_wrapped(columns, ibd_size):
        return {}
    repaired = {f"{role}_offset": _unwrap(columns, role, ibd_size) for role in ROLES}
    found = {name: offsets for name, offsets in repaired.items() if offsets is not None}
    if len(found) < len(repaired) or _overlap(columns | found):
        message = (
            "Offsets into the ibd are negative or start again at 0, as if counted in 32 bits, and cannot be told apart "
            "from their order and the ibd's size. Export the dataset again with 64-bit offsets (IMS:1000102)."
        )
        log.error("ambiguous-offsets", message)
        return {}
    changed = sum(int(np.count_nonzero(offsets != columns[name])) for name, offsets in found.items())
    message = f"{changed:,} offsets into the ibd were counted in 32 bits; the turns of 2^32 bytes were added to them."
    log.warning("wrapped-offsets", message)
    return found


def _looks_wrapped(columns: Columns, ibd_size: int) -> bool:
    """Tell whether offsets without a sign jump back by more than 2^31 so that arrays come to lie on each other."""
    if ibd_size <= _TURN or any(bool(np.any(columns[f"{role}_offset"] >= _TURN)) for role in ROLES):
        return False
    jumps = (np.diff(columns[f"{role}_offset"][columns[f"{role}_bytes"] > 0]) for role in ROLES)
    return any(bool(np.any(jump < -(_TURN // 2))) for jump in jumps) and _overlap(columns)


def _unwrap(columns: Columns, role: str, ibd_size: int) -> Int64 | None:
    """Return 32-bit offsets with their turns added, None where that is not possible or not the only possibility."""
    offset: Int64 = columns[f"{role}_offset"]
    taken: Int64 = columns[f"{role}_bytes"]
    used = np.flatnonzero(taken > 0)
    if not len(used):
        return offset
    wrapped = offset[used]
    if wrapped.min() < -(_TURN // 2) or wrapped.max() >= _TURN:
        return None
    residue = wrapped % _TURN
    steps = np.diff(residue)
    turned = steps < -(_TURN // 2)
    if np.any((steps < 0) & ~turned):
        return None
    unwrapped = residue + _TURN * np.concatenate([[0], np.cumsum(turned)])
    end = int((unwrapped + taken[used]).max())
    one_turn_more_fits = wrapped[0] < 0 and end + _TURN <= ibd_size
    if end > ibd_size or one_turn_more_fits:
        return None
    result = offset.copy()
    result[used] = unwrapped
    return result


def _overlap(columns: Columns) -> bool:
    """Tell whether arrays share bytes without being one and the same."""
    ranges = np.concatenate([np.stack([columns[f"{role}_offset"], columns[f"{role}_bytes"]], axis=1) for role in ROLES])
    ranges = np.unique(ranges[ranges[:, 1] > 0], axis=0)
    return bool(np.any(ranges[1:, 0] < ranges[:-1].sum(axis=1)))
