"""imzML files: bytes in, an index that can be trusted or findings that say why not."""

from __future__ import annotations

import io
from unittest.mock import patch

import numpy as np

from ionfleet.errors import InvalidDatasetError
from ionfleet.findings import Finding, errors_of
from ionfleet.imzml import index_imzml, inspect_imzml, markup
from ionfleet.index import TYPE_MASK, ZLIB, SpectraIndex
from ionfleet.spectra import read_peaks

from ...unit.imzml_files import PLAIN, UUID, Dataset, Place, document, header, make, spectrum_xml
from ..invariants import assert_findings, assert_named

IBD = UUID + bytes(range(256)) * 16
MAX_POINTS = 200_000
PIECE_BYTES = 4000

WORDS = (
    b"<spectrum>", b"</spectrum>", b"<binaryDataArray>", b"</binaryDataArray>", b"<scan>", b"</scan>",
    b"<spectrumList ",
    b"</spectrumList>", b"<referenceableParamGroup id=", b'<referenceableParamGroupRef ref="', b"<indexedmzML>",
    b"<fileDescription>", b"</fileDescription>", b"<fileContent>", b"<scanSettings ", b"<instrumentConfiguration ",
    b"<componentList>", b"<analyzer>", b"<cvParam ", b'accession="', b'name="', b'value="', b'unitAccession="', b'id="',
    b'count="', b"<mzML>", b"</mzML>", b"<run>", b"<!DOCTYPE x [", b"<!--", b"-->", b"<![CDATA[", b"&#155;", b"&#10;",
    b"&amp;", b'encoding="', b"utf-16", b"MS:1000514", b"MS:1000515", b"MS:1000574", b"MS:1000576", b"MS:1000521",
    b"MS:1000523", b"MS:1000519", b"MS:1000522", b"IMS:1000050", b"IMS:1000051", b"IMS:1000102", b"IMS:1000103",
    b"IMS:1000104", b"IMS:1000046", b"IMS:1000047", b"IMS:1000080", b"IMS:1000090", b"IMS:1000091", b"MS:1000128",
    b"MS:1000129", b"MS:1000130", b"MS:1000285", b"MS:1000528", b"MS:1000800", b"UO:0000016", b"-1", b"2147483648",
    b"4294967296", b"9223372036854775807", b"9223372036854775808", b"1e308", b"nan", b"inf", b"1_0", b'"/>',
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return small files of every kind that the reader knows."""
    spectra = [([100.0, 200.5], [1.0, 2.0]), ([150.25], [3.0])]
    datasets = {
        "plain": make(spectra),
        "many": make(spectra * 6),
        "compressed": make(spectra, compress=True),
        "integers": make(spectra, mz="<f4", intensity="<i8"),
        "continuous": _continuous(),
        "prefixed": _prefixed(),
    }
    return {name: dataset.imzml.encode() for name, dataset in datasets.items()} | {
        "no-namespace": make(spectra).edit(' xmlns="http://psi.hupo.org/ms/mzml"', "").imzml.encode(),
        "windows-lines": make(spectra).imzml.replace("\n", "\r\n").encode(),
        "utf-16": make(spectra).edit("utf-8", "utf-16").imzml.encode("utf-16"),
        "inline": _inline().imzml.encode(),
    }


def check(data: bytes) -> None:
    """Read bytes as an imzML; the ibd beside it is 4 KiB of ascending bytes."""
    index, findings = inspect_imzml(io.BytesIO(data), len(data), len(IBD), IBD[:16])
    assert_findings(findings)
    _check_by_pattern(data, index, findings)
    assert (index is None) == bool(errors_of(findings))
    strict, _ = inspect_imzml(io.BytesIO(data), len(data), len(IBD), IBD[:16], strict=True)
    assert (strict is None) == bool(findings)
    try:
        again = index_imzml(io.BytesIO(data), len(data), len(IBD), IBD[:16])
    except InvalidDatasetError as error:
        assert_named(error)
        assert index is None
    else:
        assert index is not None
        assert again.header == index.header
        _check_index(index)


def _check_by_pattern(data: bytes, index: SpectraIndex | None, findings: list[Finding]) -> None:
    """Read bytes in pieces so small that spectra behind the first are read by its pattern, where they are alike."""
    with patch.object(markup, "_CHUNK", PIECE_BYTES):
        again, found = inspect_imzml(io.BytesIO(data), len(data), len(IBD), IBD[:16])
    assert found == findings
    assert (again is None) == (index is None)
    if index is not None and again is not None:
        assert again.to_parquet() == index.to_parquet()


def _check_index(index: SpectraIndex) -> None:
    assert len(index) == index.header.n_spectra > 0
    assert index.header.n_points == int(index.intensity_length.sum()) > 0
    assert np.array_equal(index.mz_length, index.intensity_length)
    for role in ("mz", "intensity"):
        offset, length, taken = (getattr(index, f"{role}_{name}") for name in ("offset", "length", "bytes"))
        assert np.all((taken >= 0) & (length >= 0))
        assert np.all(((offset >= 0) & (offset <= len(IBD) - taken))[taken > 0])
        assert np.all(getattr(index, f"{role}_type") <= TYPE_MASK | ZLIB)
        assert np.all(length[taken == 0] == 0)
    assert len(index.header.to_json()) < 100_000
    kept = SpectraIndex.read(index.to_parquet())
    assert kept.header == index.header
    assert np.array_equal(kept.x, index.x)
    assert np.array_equal(kept.mz_offset, index.mz_offset)
    grid = index.geometry()
    assert int(grid.mask.sum()) == len(grid.pixel_index) <= len(index)
    _check_peaks(index)


def _check_peaks(index: SpectraIndex) -> None:
    if index.header.n_points > MAX_POINTS:
        return
    try:
        peaks = read_peaks(index, 0, len(index), lambda start, length: IBD[start : start + length])
    except InvalidDatasetError as error:
        assert_named(error)
    else:
        assert len(peaks) + peaks.dropped == index.header.n_points
        assert np.all(np.isfinite(peaks.mz))
        assert np.all(peaks.intensity > 0)


def _continuous() -> Dataset:
    shared = Place(16, 4, 32)
    spectra = [spectrum_xml(i, 2 * i, shared, Place(48 + 16 * i, 4, 16)) for i in range(3)]
    return Dataset(document(spectra).replace("IMS:1000031", "IMS:1000030"))


def _prefixed() -> Dataset:
    text = make([([100.0], [1.0])]).imzml
    for name in ("mzML", "run", "spectrumList", "spectrum", "cvParam", "binaryDataArray", "scan"):
        text = text.replace(f"<{name} ", f"<m:{name} ").replace(f"<{name}>", f"<m:{name}>")
        text = text.replace(f"</{name}>", f"</m:{name}>")
    return Dataset(text.replace("xmlns=", "xmlns:m="))


def _inline() -> Dataset:
    """Return a file whose arrays say themselves what they are, and whose spectra state what is in them."""
    stated = '<cvParam accession="MS:1000285" value="6"/><cvParam accession="MS:1000528" value="50.5"/>'
    text = spectrum_xml(1, 1, Place(16, 2, 16), Place(32, 2, 8), stated)
    for group, role, kind in (("mzArray", "MS:1000514", "MS:1000523"), ("intensityArray", "MS:1000515", "MS:1000521")):
        own = f'<cvParam accession="{role}"/><cvParam accession="{kind}"/>{PLAIN}'
        text = text.replace(f'<referenceableParamGroupRef ref="{group}"/>', own)
    analyzer = '<cvParam accession="MS:1000484"/><cvParam accession="MS:1000800" value="70000"/>'
    end = "</instrumentConfiguration>"
    head = header().replace(end, f"<componentList><analyzer>{analyzer}</analyzer></componentList>{end}")
    return Dataset(document([text], head))
