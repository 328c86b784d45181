"""Reads an imzML file as a stream into the spectra index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from ionfleet.errors import InvalidDatasetError
from ionfleet.findings import Finding, FindingLog, refusal
from ionfleet.imzml import terms
from ionfleet.imzml.checks import Columns, check_arrays, check_grid, check_uuid
from ionfleet.imzml.header import FileFacts, HeaderBuilder, read_facts
from ionfleet.imzml.markup import MarkupReader, UnreadableError
from ionfleet.imzml.repetition import Example, Repetitions, parse
from ionfleet.imzml.spectrum_list import SpectrumCollector
from ionfleet.index import DatasetHeader, Polarity, SpectraIndex


def index_imzml(
    stream: BinaryIO, imzml_size: int, ibd_size: int, ibd_head: bytes = b"", *, strict: bool = False
) -> SpectraIndex:
    """Read an imzML file into the index of its spectra, in memory bounded by their number.

    Parameters
    ----------
    stream
        The imzML file, read once from its beginning.
    imzml_size, ibd_size
        Bytes of the two files.
    ibd_head
        At least the first 16 bytes of the ibd, to compare its UUID; b"" leaves this out.
    strict
        Take warnings for errors.

    Raises
    ------
    InvalidDatasetError
        With everything that is wrong. Warnings are in the header's `findings`.

    Examples
    --------
    >>> with open("brain.imzML", "rb") as stream:  # doctest: +SKIP
    ...     index = index_imzml(stream, imzml_size, ibd_size)
    >>> index.geometry().mask.shape  # doctest: +SKIP
    (110, 95)

    """
    log = FindingLog(strict=strict)
    index = _read(stream, imzml_size, ibd_size, ibd_head, log)
    if index is None:
        raise InvalidDatasetError(refusal(log.findings()))
    return index


def inspect_imzml(
    stream: BinaryIO, imzml_size: int, ibd_size: int, ibd_head: bytes = b"", *, strict: bool = False
) -> tuple[SpectraIndex | None, list[Finding]]:
    """Read like `index_imzml`, but return all errors and warnings; the index is None where there are errors."""
    log = FindingLog(strict=strict)
    index = _read(stream, imzml_size, ibd_size, ibd_head, log)
    return index, list(log.findings())


def check_checksums(header: DatasetHeader, ibd: Iterable[bytes]) -> list[Finding]:
    """Compare the whole ibd, given in chunks, with SHA-1 and MD5 as the header declares them; return warnings."""
    declared = {"SHA-1": header.sha1, "MD5": header.md5}
    sums = {"SHA-1": hashlib.sha1(usedforsecurity=False), "MD5": hashlib.md5(usedforsecurity=False)}
    for chunk in ibd:
        for name, digest in sums.items():
            if declared[name]:
                digest.update(chunk)
    return [
        Finding(
            "warning", "checksum-differs", f"The ibd's {name} is {found}, the imzML declares {declared[name][:40]}."
        )
        for name, found in ((name, digest.hexdigest()) for name, digest in sums.items())
        if declared[name] and declared[name] != found
    ]


class _Document:
    """Where header and spectra of one file come together."""

    def __init__(self, log: FindingLog) -> None:
        self._log = log
        self._reader = MarkupReader()
        self._builder = HeaderBuilder(self._reader, log, self._begin_spectra)
        self._declared = ""
        self._parts: tuple[FileFacts, SpectrumCollector] | None = None

    def read(self, stream: BinaryIO, size: int) -> tuple[FileFacts, SpectrumCollector]:
        """Read the whole file, header first."""
        self._reader.handle(self._builder.start, self._builder.end)
        self._reader.read(stream, size)
        if self._parts is None or not self._parts[1].n_spectra:
            raise UnreadableError("no-spectra", "The imzML has no spectrum. Export the dataset again.")
        found = self._parts[1].n_spectra
        if self._declared and self._declared != str(found):
            message = f"The imzML announces {self._declared[:40]} spectra and has {found:,}; these are read."
            self._log.warning("spectrum-count", message)
        return self._parts

    def _begin_spectra(self, name: str, attributes: dict[str, str]) -> None:
        ancestors = self._builder.open
        if not ancestors:
            raise self._reader.not_imzml(f"its first element is <{name[:40]}>, where <mzML> is expected")
        facts = read_facts(ancestors[0], self._log)
        prefix = name[: -len("spectrumList")]
        spectra = SpectrumCollector(self._reader, prefix, facts.groups, self._log, depth=len(ancestors) + 1)
        self._reader.handle(spectra.start, spectra.end)
        follower = _Follower(self._reader, spectra, prefix, facts)
        self._reader.follow(follower.behind, follower)
        self._declared = attributes.get("count", "").strip()
        self._parts = facts, spectra


class _Follower:
    """Reads the spectra behind one that expat has read, as far as they are written like one before (`Repetitions`)."""

    def __init__(self, reader: MarkupReader, spectra: SpectrumCollector, prefix: str, facts: FileFacts) -> None:
        self._reader = reader
        self._spectra = spectra
        self._prefix = prefix
        self._groups = facts.groups
        self._repetitions = Repetitions(self._understand)
        self._between = -1
        self.behind = f"</{prefix}spectrum>".encode()

    def __call__(self, data: bytes, start: int, stop: int) -> int:
        """Read on from `stop`, if a spectrum has ended there and not only what looks like its end tag."""
        fed = self._reader.fed
        if self._spectra.ended != fed - len(self.behind):
            return stop
        if self._between == fed - (stop - start):
            self._repetitions.learn(data[start:stop])
        read = stop
        while (found := self._repetitions.match(data, read)) is not None:
            repetition, numbers, read = found
            self._spectra.extend(repetition.columns(numbers), len(numbers))
        self._between = fed + read - stop
        return read

    def _understand(self, piece: bytes) -> Example | None:
        log = FindingLog()
        alone = SpectrumCollector(MarkupReader(), self._prefix, self._groups, log, depth=0)
        return alone.example() if parse(piece, alone.start, alone.end) and not log.findings() else None


def _read(stream: BinaryIO, imzml_size: int, ibd_size: int, ibd_head: bytes, log: FindingLog) -> SpectraIndex | None:
    try:
        facts, spectra = _Document(log).read(stream, imzml_size)
    except UnreadableError as error:
        log.add(error.finding)
        return None
    columns = _checked(_sound(spectra.columns()), facts, ibd_size, ibd_head, log)
    header = _header(facts, spectra.terms, columns, log)
    if log.n_errors:
        return None
    return SpectraIndex(replace(header, findings=log.findings()), **columns)


def _sound(columns: Columns) -> Columns:
    """Return the columns of the spectra in which nothing is missing, so that no other error follows from that."""
    sound = columns.pop("sound")
    rows = np.flatnonzero(sound)
    if len(rows) < len(sound):
        columns = {name: values[rows] for name, values in columns.items()}
    return columns | {"number": rows + 1}


def _checked(columns: Columns, facts: FileFacts, ibd_size: int, ibd_head: bytes, log: FindingLog) -> Columns:
    if ibd_size == 0:
        log.error("empty-ibd", "The ibd is empty. Upload it again.")
    if ibd_size == 0 or not len(columns["x"]):
        return columns
    check_grid(columns["x"], columns["y"], log)
    if ibd_head:
        check_uuid(facts.uuid, ibd_head, log)
    checked = check_arrays(columns, ibd_size, log)
    if not np.any(checked["intensity_length"]):
        log.error("no-peaks", "None of the spectra has a peak. Export the dataset again.")
    return checked


def _header(facts: FileFacts, at_spectra: set[str], columns: Columns, log: FindingLog) -> DatasetHeader:
    """Put together what header and spectra say; groups that no spectrum refers to count where both are silent."""
    anywhere = facts.content.union(at_spectra)
    unused = frozenset[str]().union(*facts.groups.values())
    modes = anywhere | unused
    continuous, processed = (term in modes for term in (terms.CONTINUOUS, terms.PROCESSED))
    return DatasetHeader(
        n_spectra=len(columns["x"]),
        n_points=int(columns["intensity_length"].sum()),
        continuous=None if continuous == processed else continuous,
        centroided=_centroided(anywhere, unused, log),
        polarity=_polarity(anywhere, unused, log),
        instrument=facts.instrument,
        analyzer=facts.analyzer,
        resolving_power=facts.resolving_power,
        uuid=facts.uuid,
        sha1=facts.sha1,
        md5=facts.md5,
        pixel_size_um=facts.pixel_size_um,
    )


def _polarity(said: frozenset[str], unused: frozenset[str], log: FindingLog) -> Polarity | None:
    both = frozenset({terms.POSITIVE, terms.NEGATIVE})
    found = said & both or unused & both
    if found == both:
        message = "The imzML declares positive and negative scans. Give the polarity in the configuration."
        log.warning("mixed-polarity", message)
    if len(found) != 1:
        return None
    return "positive" if terms.POSITIVE in found else "negative"


def _centroided(said: frozenset[str], unused: frozenset[str], log: FindingLog) -> bool | None:
    both = frozenset({terms.CENTROID, terms.PROFILE})
    found = said & both or unused & both
    if terms.PROFILE in found:
        message = "The spectra are declared profile spectra; all points of a peak within the tolerance are summed."
        log.warning("profile-spectra", message)
        return False
    return True if terms.CENTROID in found else None
