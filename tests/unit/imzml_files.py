"""Small imzML datasets, made in the test that uses them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ionfleet.findings import Finding
from ionfleet.imzml import index_imzml, inspect_imzml
from ionfleet.index import SpectraIndex
from ionfleet.spectra import Peaks, read_peaks

UUID = bytes.fromhex("1d0c6f1b9d7a4e2b9c330a7a5b2e4411")
FORMATS = {
    "<f4": '<cvParam accession="MS:1000521" name="32-bit float"/>',
    "<f8": '<cvParam accession="MS:1000523" name="64-bit float"/>',
    "<i4": '<cvParam accession="MS:1000519" name="32-bit integer"/>',
    "<i8": '<cvParam accession="MS:1000522" name="64-bit integer"/>',
}
PLAIN = '<cvParam accession="MS:1000576" name="no compression"/>'
ZLIB = '<cvParam accession="MS:1000574" name="zlib compression"/>'


class Place(NamedTuple):
    """Where an array is said to be: offset and encoded length in bytes, length in points."""

    offset: int
    length: int
    encoded: int


@dataclass(frozen=True)
class Dataset:
    """An imzML and an ibd in memory. `ibd_size` may claim an ibd that is larger than what is there."""

    imzml: str
    ibd: bytes = UUID
    ibd_size: int = 0

    def edit(self, old: str, new: str, count: int = -1) -> Dataset:
        """Replace text of the imzML that must be there."""
        assert old in self.imzml
        return replace(self, imzml=self.imzml.replace(old, new, count))

    def inspect(self, *, strict: bool = False) -> tuple[SpectraIndex | None, list[Finding]]:
        """Return the index and all findings."""
        data = self.imzml.encode()
        return inspect_imzml(io.BytesIO(data), len(data), self.ibd_size or len(self.ibd), self.ibd[:16], strict=strict)

    def codes(self, *, strict: bool = False) -> list[tuple[str, str]]:
        """Return severity and code of all findings."""
        return [(finding.severity, finding.code) for finding in self.inspect(strict=strict)[1]]

    def index(self) -> SpectraIndex:
        """Return the index, or raise."""
        data = self.imzml.encode()
        return index_imzml(io.BytesIO(data), len(data), self.ibd_size or len(self.ibd), self.ibd[:16])

    def peaks(self) -> Peaks:
        """Return the cleaned peaks of all spectra."""
        index = self.index()
        return read_peaks(index, 0, len(index), self.fetch)

    def fetch(self, start: int, length: int) -> bytes:
        """Return a range of the ibd."""
        return self.ibd[start : start + length]


def header(mz: str = "<f8", intensity: str = "<f4", compression: str = PLAIN) -> str:
    """Return an imzML up to its spectra, in lines that tests replace."""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<mzML xmlns="http://psi.hupo.org/ms/mzml" version="1.1">
<fileDescription><fileContent>
<cvParam accession="MS:1000127" name="centroid spectrum"/>
<cvParam accession="IMS:1000031" name="processed"/>
<cvParam accession="IMS:1000080" name="universally unique identifier" value="{{{UUID.hex()}}}"/>
</fileContent></fileDescription>
<referenceableParamGroupList>
<referenceableParamGroup id="mzArray">
<cvParam accession="MS:1000514" name="m/z array"/>{FORMATS[mz]}{compression}
</referenceableParamGroup>
<referenceableParamGroup id="intensityArray">
<cvParam accession="MS:1000515" name="intensity array"/>{FORMATS[intensity]}{compression}
</referenceableParamGroup>
<referenceableParamGroup id="spectrum"><cvParam accession="MS:1000130" name="positive scan"/></referenceableParamGroup>
</referenceableParamGroupList>
<scanSettingsList><scanSettings id="s1">
<cvParam accession="IMS:1000046" name="pixel size (x)" value="20"/>
</scanSettings></scanSettingsList>
<instrumentConfigurationList><instrumentConfiguration id="i1">
<cvParam accession="MS:1000449" name="LTQ Orbitrap"/>
</instrumentConfiguration></instrumentConfigurationList>
<run>
"""


def array_xml(group: str, place: Place) -> str:
    """Return a binary data array."""
    return f"""<binaryDataArray><referenceableParamGroupRef ref="{group}"/>
<cvParam accession="IMS:1000102" name="external offset" value="{place.offset}"/>
<cvParam accession="IMS:1000103" name="external array length" value="{place.length}"/>
<cvParam accession="IMS:1000104" name="external encoded length" value="{place.encoded}"/>
<binary/></binaryDataArray>
"""


def spectrum_xml(x: int, y: int, mz: Place, intensity: Place, extra: str = "") -> str:
    """Return a spectrum, `extra` among its parameters."""
    return f"""<spectrum><referenceableParamGroupRef ref="spectrum"/>{extra}
<scanList count="1"><scan>
<cvParam accession="IMS:1000050" name="position x" value="{x}"/>
<cvParam accession="IMS:1000051" name="position y" value="{y}"/>
</scan></scanList>
<binaryDataArrayList count="2">
{array_xml("mzArray", mz)}{array_xml("intensityArray", intensity)}</binaryDataArrayList>
</spectrum>
"""


def document(spectra: Sequence[str], head: str | None = None) -> str:
    """Return a whole imzML."""
    body = f'<spectrumList count="{len(spectra)}">\n{"".join(spectra)}</spectrumList>\n</run>\n</mzML>\n'
    return (head if head is not None else header()) + body


def make(
    spectra: Sequence[tuple[Sequence[float], Sequence[float]]],
    coordinates: Sequence[tuple[int, int]] | None = None,
    *,
    mz: str = "<f8",
    intensity: str = "<f4",
    compress: bool = False,
    gap: int = 0,
) -> Dataset:
    """Return a dataset of (m/z, intensity) spectra, in a row unless coordinates are given, `gap` bytes between them."""
    ibd = bytearray(UUID)

    def put(values: Sequence[float], dtype: str) -> Place:
        data = np.asarray(values, dtype).tobytes()
        data = zlib.compress(data) if compress else data
        offset = len(ibd)
        ibd.extend(data)
        return Place(offset, len(values), len(data))

    parts = []
    for i, (mzs, intensities) in enumerate(spectra):
        x, y = coordinates[i] if coordinates is not None else (i + 1, 1)
        parts.append(spectrum_xml(x, y, put(mzs, mz), put(intensities, intensity)))
        ibd.extend(bytes(gap))
    return Dataset(document(parts, header(mz, intensity, ZLIB if compress else PLAIN)), bytes(ibd))


def at_offsets(offsets: Sequence[tuple[int, int]], points: int, ibd_size: int) -> Dataset:
    """Return a dataset of float64 m/z and float32 intensities in an ibd that is only said to be there."""
    parts = [
        spectrum_xml(i + 1, 1, Place(mz, points, 8 * points), Place(intensity, points, 4 * points))
        for i, (mz, intensity) in enumerate(offsets)
    ]
    return Dataset(document(parts), UUID, ibd_size)


SMALL = make([([100.0, 200.5], [1.0, 2.0]), ([150.25], [3.0]), ([100.0, 300.0], [4.0, 5.0])])
"""Three spectra in a row, five peaks."""
