"""The spectra of an imzML file: from tags to columns, a million of them in a minute."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyimzml.ontology.ontology import ACCESSION_FIX_MAPPING

from ionfleet.findings import FindingLog
from ionfleet.imzml import terms
from ionfleet.imzml.header import too_deep
from ionfleet.imzml.markup import MAX_DEPTH, MAX_TEXT, MarkupReader, UnreadableError
from ionfleet.imzml.repetition import Example
from ionfleet.index import ZLIB

MAX_SPECTRA = 5_000_000
"""What the planner reads, and holds, in its time and memory; METASPACE takes 2 million."""
_MAX_ARRAYS = 64
_INT32 = (-(1 << 31), (1 << 31) - 1)
_INT64 = (-(1 << 63), (1 << 63) - 1)
_MISLABELLED = frozenset(accession for accession, _ in ACCESSION_FIX_MAPPING)
_STATED_BY = {"tic": terms.TIC, "min_mz": terms.LOWEST_MZ, "max_mz": terms.HIGHEST_MZ}
_TYPECODES = {"x": "i", "y": "i", "sound": "B"} | {
    f"{role}_{column}": code
    for role in terms.ROLES
    for column, code in (("offset", "q"), ("length", "q"), ("encoded", "q"), ("type", "B"))
}
UNSTATED = -1
"""The encoded length of arrays that do not state it."""


class ArrayKind(NamedTuple):
    """What a binary data array holds: its role ("mz", "intensity", "" for others), its type, or what is wrong."""

    role: str
    type: int
    problem: str


def array_kind(found: frozenset[str]) -> ArrayKind:
    """Tell what an array with these terms holds."""
    roles = {terms.MZ_ARRAY: "mz", terms.INTENSITY_ARRAY: "intensity"}
    role = next((role for accession, role in roles.items() if accession in found), "")
    formats = {terms.NUMBER_FORMATS[accession] for accession in found & terms.NUMBER_FORMATS.keys()}
    others = [terms.OTHER_NUMBER_FORMATS[accession] for accession in found & terms.OTHER_NUMBER_FORMATS.keys()]
    others += [terms.OTHER_COMPRESSIONS[accession] for accession in found & terms.OTHER_COMPRESSIONS.keys()]
    zlib = terms.ZLIB_COMPRESSION in found
    problem = ""
    if roles.keys() <= found:
        problem = "is declared both m/z and intensity array"
    elif others:
        problem = f"is stored as {' and '.join(others)}; 32 or 64 bit float or integer, plain or zlib, can be read"
    elif not formats:
        problem = "declares no number format (such as MS:1000521, 32-bit float)"
    elif len(formats) > 1:
        problem = "declares more than one number format"
    elif zlib and terms.NO_COMPRESSION in found:
        problem = "is declared both compressed and not compressed"
    return ArrayKind(role, min(formats, default=0) | (ZLIB if zlib else 0), problem)


class SpectrumCollector:
    """Takes the tags after `spectrumList` and appends one value a spectrum to every column.

    What is missing or no number is noted in the log; 0 takes its place, and `sound` is 0 for that spectrum. Which terms
    a spectrum or an array has is much the same from one to the next, so what follows from them is worked out once for
    each combination.
    """

    def __init__(
        self, reader: MarkupReader, prefix: str, groups: Mapping[str, frozenset[str]], log: FindingLog, depth: int
    ) -> None:
        self._reader = reader
        self._groups = groups
        self._log = log
        self._depth = depth
        self._param = prefix + "cvParam"
        self._array = prefix + "binaryDataArray"
        self._spectrum = prefix + "spectrum"
        self._actions: dict[str, Callable[[dict[str, str]], None]] = {
            self._spectrum: self._start_spectrum,
            self._array: self._start_array,
            prefix + "referenceableParamGroupRef": self._refer,
        }
        self._array_kind = lru_cache(maxsize=256)(self._find_array_kind)
        self._note_terms = lru_cache(maxsize=256)(self._add_terms)
        self._inside = False
        self._sound = True
        self._params: dict[str, str] = {}
        self._refs: dict[str, None] = {}
        self._spectrum_params = self._params
        self._spectrum_refs = self._refs
        self._arrays: list[tuple[dict[str, str], dict[str, None]]] = []
        self._columns: dict[str, array[Any]] = {name: array(code) for name, code in _TYPECODES.items()}
        self._stated: dict[str, array[float]] = {name: array("d") for name in _STATED_BY}
        self.terms: set[str] = set()
        """Terms found at spectra and in the groups that they refer to."""
        self.n_spectra = 0
        """Number of spectra taken in, the one at hand included."""
        self.ended = -1
        """Byte of the file that the end tag of the last spectrum begins at."""

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the spectra, those only that every spectrum has; `…_encoded` may be `UNSTATED`."""
        complete = {name: values for name, values in self._stated.items() if len(values) == self.n_spectra}
        return {name: np.frombuffer(values, values.typecode) for name, values in (self._columns | complete).items()}

    def example(self) -> Example | None:
        """Return what the only spectrum came to; None where there are more, or it was not sound."""
        if self.n_spectra != 1 or not all(self._columns["sound"]):
            return None
        columns = {name: values for name, values in (self._columns | self._stated).items() if values}
        kinds = {name: values.typecode for name, values in columns.items()}
        return Example(kinds, {name: values[0] for name, values in columns.items()})

    def extend(self, columns: Mapping[str, Iterable[Any]], count: int) -> None:
        """Take in so many sound spectra, whose terms are those of one before, with the columns of its `example`."""
        self._make_room(count)
        for name, values in columns.items():
            (self._stated if name in self._stated else self._columns)[name].extend(values)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take a start tag; most are parameters."""
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise too_deep()
        if name == self._param:
            accession = attributes.get("accession", "")
            if accession in terms.SPECTRUM_TERMS:
                if accession in _MISLABELLED:
                    accession = self._believed(accession, attributes.get("name", ""))
                value = attributes.get("value", "")
                if len(value) > MAX_TEXT:
                    raise self._reader.refuse_long(value)
                self._params.setdefault(accession, value)
        elif name in self._actions:
            self._actions[name](attributes)

    def end(self, name: str) -> None:
        """Take an end tag."""
        self._depth -= 1
        if name == self._array:
            self._params, self._refs = self._spectrum_params, self._spectrum_refs
        elif name == self._spectrum:
            self._finish_spectrum()

    def _believed(self, accession: str, name: str) -> str:
        believed: str = ACCESSION_FIX_MAPPING.get((accession, name), accession)
        if believed != accession:
            message = f"{accession} has the name {name!r}, which belongs to {believed}; the name is believed."
            self._log.warning("mislabelled-term", message, self._where())
        return believed

    def _start_spectrum(self, _: dict[str, str]) -> None:
        self._make_room(1)
        self._inside = self._sound = True
        self._spectrum_params = self._params = {}
        self._spectrum_refs = self._refs = {}
        self._arrays = []

    def _make_room(self, count: int) -> None:
        if self.n_spectra + count > MAX_SPECTRA:
            message = f"The imzML has more than {MAX_SPECTRA:,} spectra. Split the dataset, or bin its pixels."
            raise UnreadableError("too-many-spectra", message)
        self.n_spectra += count

    def _start_array(self, _: dict[str, str]) -> None:
        if self._inside and len(self._arrays) < _MAX_ARRAYS:
            self._params, self._refs = {}, {}
            self._arrays.append((self._params, self._refs))

    def _refer(self, attributes: dict[str, str]) -> None:
        ref = attributes.get("ref", "")
        if ref in self._groups:
            self._refs[ref] = None
        elif self._inside:
            message = f"The header does not define the parameter group {ref[:40]!r}, which is referred to."
            self._log.warning("unknown-group", message, self._where())

    def _finish_spectrum(self) -> None:
        params = self._spectrum_params
        self._note_terms(tuple(self._spectrum_refs), tuple(params))
        for column, accession in (("x", terms.POSITION_X), ("y", terms.POSITION_Y)):
            self._columns[column].append(self._integer(params, accession, f"{column} coordinate", _INT32))
        for column, accession in _STATED_BY.items():
            if accession in params:
                self._append_stated(column, params[accession])
        arrays: dict[str, dict[str, str]] = {}
        kinds: dict[str, ArrayKind] = {}
        for inline, refs in self._arrays:
            kind = self._array_kind(tuple(refs), tuple(inline))
            if kind.role and kind.role in kinds:
                self._wrong("repeated-array", f"There is more than one {terms.ROLES[kind.role]} array.")
            arrays[kind.role], kinds[kind.role] = inline, kind
        for role in terms.ROLES:
            self._append_array(role, arrays.get(role, {}), kinds.get(role))
        self._columns["sound"].append(self._sound)
        self._inside = False
        self.ended = self._reader.position

    def _find_array_kind(self, refs: tuple[str, ...], inline: tuple[str, ...]) -> ArrayKind:
        return array_kind(frozenset(inline).union(*(self._groups[ref] for ref in refs)))

    def _add_terms(self, refs: tuple[str, ...], inline: tuple[str, ...]) -> None:
        self.terms.update(inline, *(self._groups[ref] for ref in refs))

    def _append_stated(self, column: str, text: str) -> None:
        try:
            value = float(text)
        except ValueError:
            return
        if not math.isnan(value):
            self._stated[column].append(value)

    def _append_array(self, role: str, params: dict[str, str], kind: ArrayKind | None) -> None:
        name = terms.ROLES[role]
        offset = length = 0
        encoded = UNSTATED
        if kind is None:
            self._wrong("missing-array", f"There is no {name} array.")
        elif kind.problem:
            self._wrong("array-type", f"The {name} array {kind.problem}.")
        else:
            offset = self._integer(params, terms.EXTERNAL_OFFSET, f"{name} array's external offset", _INT64)
            length = self._integer(params, terms.EXTERNAL_LENGTH, f"{name} array's external array length", _INT64)
            if terms.ENCODED_LENGTH in params:
                encoded = self._integer(params, terms.ENCODED_LENGTH, f"{name} array's encoded length", _INT64)
        columns = self._columns
        columns[role + "_offset"].append(offset)
        columns[role + "_length"].append(length)
        columns[role + "_encoded"].append(encoded)
        columns[role + "_type"].append(kind.type if kind is not None else 0)

    def _integer(self, params: dict[str, str], accession: str, what: str, limits: tuple[int, int]) -> int:
        text = params.get(accession)
        if text is None:
            self._wrong("missing-number", f"The {what} ({accession}) is missing.")
            return 0
        try:
            # Python reads digits of all scripts, and underscores between them; XML's integers have neither.
            value = int(text) if text.isascii() and "_" not in text else limits[1] + 1
        except ValueError:
            value = limits[1] + 1
        if limits[0] <= value <= limits[1]:
            return value
        message = (
            f"The {what} ({accession}) is {text[:40]!r}, where a whole number of {limits[1]:,} at most is expected."
        )
        self._wrong("bad-number", message)
        return 0

    def _wrong(self, code: str, message: str) -> None:
        self._sound = False
        self._log.error(code, message, self._where())

    def _where(self) -> str:
        return f"spectrum {self.n_spectra}"
