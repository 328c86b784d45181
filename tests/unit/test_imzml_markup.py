"""Files that are no imzML, or that mean harm, are refused by name and in bounded memory."""

from __future__ import annotations

import io
import itertools
import random

import pytest

from ionfleet.errors import InvalidDatasetError
from ionfleet.imzml import inspect_imzml

from .imzml_files import SMALL, Dataset, document, header


class Endless(io.RawIOBase):
    """A stream that repeats a piece of text after a beginning, and counts what was read of it."""

    def __init__(self, beginning: str, piece: str) -> None:
        super().__init__()
        self._pieces = itertools.chain(
            [beginning.encode()], itertools.repeat(piece.encode() * (1 + 4096 // len(piece)))
        )
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        data = b""
        while len(data) < size:
            data += next(self._pieces)
        self.taken += len(data)
        assert self.taken < 64 << 20, "the file is read without end"
        return data


def refusal(data: bytes) -> str:
    index, findings = inspect_imzml(io.BytesIO(data), len(data), 1000)
    assert index is None
    assert [finding.severity for finding in findings] == ["error"]
    return f"{findings[0].code}: {findings[0].message}"


@pytest.mark.parametrize(
    "data",
    [b"PK\x03\x04 a zip", b"\x1f\x8b\x08\x00", b"mz,intensity\n1,2\n", b"{}", bytes(100), b"   \n", b"\x89HDF\r\n"],
)
def test_what_is_no_markup_is_refused_with_its_beginning(data) -> None:
    assert refusal(data).startswith(f"not-imzml: This is not an imzML file: it begins with {data[:60]!r}")


@pytest.mark.parametrize("data", [b"<html><body/></html>", b"<?xml version='1.0'?><svg/>", b"<spectrumList/>"])
def test_other_markup_is_refused_with_its_first_element(data) -> None:
    assert "where <mzML> is expected" in refusal(data)


def test_an_empty_file_is_refused() -> None:
    assert refusal(b"") == "empty-imzml: The imzML file is empty. Upload it again."


def test_a_truncated_imzml_is_refused_with_its_place() -> None:
    text = refusal(SMALL.imzml[: len(SMALL.imzml) // 2].encode())
    assert text.startswith("not-well-formed: ")
    assert "line " in text
    assert "upload it again" in text


def test_random_bytes_in_place_of_others_never_raise_anything_unexpected() -> None:
    rng = random.Random(1)
    original = SMALL.imzml.encode()
    for _ in range(300):
        data = bytearray(original)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.choice(b"<>/\"'=0a9 -\x00\xff")
        index, findings = inspect_imzml(io.BytesIO(data), len(data), len(SMALL.ibd), SMALL.ibd[:16])
        assert (index is None) == any(finding.severity == "error" for finding in findings)


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE html>",
        '<!DOCTYPE mzML SYSTEM "http://localhost/imzml.dtd">',
        '<!DOCTYPE mzML [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE mzML [<!ENTITY a "aa"><!ENTITY b "&a;&a;"><!ENTITY c "&b;&b;">]>',
    ],
)
def test_any_document_type_is_refused(doctype) -> None:
    text = SMALL.imzml.replace("<mzML", f"{doctype}<mzML", 1)
    assert refusal(text.encode()).startswith("document-type: ")


def test_an_undefined_entity_is_refused() -> None:
    assert refusal(SMALL.edit('value="20"', 'value="&x;"').imzml.encode()).startswith("not-well-formed: ")


@pytest.mark.parametrize(
    "beginning",
    ["", "<mzML>", "<mzML><softwareList>", header(), header() + "<spectrumList>"],
    ids=lambda text: text[-20:],
)
@pytest.mark.parametrize("piece", ["<cvParam>", "<mzML>"])
def test_nesting_without_end_is_refused(beginning, piece) -> None:
    stream = Endless(beginning + "<mzML>" * (beginning == ""), piece)
    assert inspect_imzml(stream, 1 << 30, 1000)[1][0].code == "too-deep"


@pytest.mark.parametrize("inside", ['<cvParam value="', "<!--", "<"])
def test_a_tag_without_end_is_refused(inside) -> None:
    stream = Endless(header() + "<spectrumList>" + inside, "a")
    assert inspect_imzml(stream, 1 << 30, 1000)[1][0].code == "tag-too-long"
    assert stream.taken < 8 << 20


def test_a_header_without_end_is_refused() -> None:
    stream = Endless("<mzML><fileDescription>", "<fileContent/>")
    assert inspect_imzml(stream, 1 << 30, 1000)[1][0].code == "header-too-large"


def test_names_without_end_are_refused() -> None:
    names = "".join(f"<a{i}/>" for i in range(60_000))
    text = document([names])
    assert Dataset(text).codes() == [("error", "too-many-names")]


def test_a_file_beyond_the_limit_is_refused_unread() -> None:
    index, (finding,) = inspect_imzml(io.BytesIO(), 1 << 40, 1000)
    assert index is None
    assert finding.code == "imzml-too-large"


def test_more_spectra_than_the_limit_are_refused(monkeypatch) -> None:
    monkeypatch.setattr("ionfleet.imzml.spectrum_list.MAX_SPECTRA", 2)
    assert SMALL.codes() == [("error", "too-many-spectra")]


def test_wrappers_within_wrappers_are_refused_before_they_fill_the_memory() -> None:
    assert refusal(b"<indexedmzML>" * 2 + b"<mzML/>").startswith("not-imzml: ")


@pytest.mark.parametrize("name", ["referenceableParamGroup", "referenceableParamGroupRef"])
def test_more_groups_or_references_than_any_header_needs_are_refused(name: str) -> None:
    data = SMALL.edit(
        "<referenceableParamGroupList>", "<referenceableParamGroupList>" + f"<{name}/>" * 1001
    ).imzml.encode()
    assert refusal(data).startswith("header-too-large: ")


def test_long_text_between_tags_is_passed_by() -> None:
    assert SMALL.edit("<binary/>", f"<binary>{'A' * (9 << 20)}</binary>", 1).index().header == SMALL.index().header


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "utf-16"])
def test_declared_encodings_are_honoured(encoding) -> None:
    text = SMALL.imzml.replace('encoding="utf-8"', f'encoding="{encoding}"').replace("LTQ Orbitrap", "Gerät aus Gießen")
    text = text.replace("MS:1000449", "MS:9999999")
    data = text.encode(encoding)
    index, _ = inspect_imzml(io.BytesIO(data), len(data), len(SMALL.ibd), SMALL.ibd[:16])
    assert index is not None
    assert index.header.instrument == "Gerät aus Gießen"


@pytest.mark.parametrize("encoding", ["klingon", "shift_jis"])
def test_an_encoding_that_cannot_be_read_is_named(encoding) -> None:
    text = SMALL.imzml.replace('encoding="utf-8"', f'encoding="{encoding}"')
    assert refusal(text.encode()).startswith("unknown-encoding: ")


def test_the_error_reaches_callers_as_an_invalid_dataset() -> None:
    with pytest.raises(InvalidDatasetError, match="not an imzML file"):
        Dataset("hello").index()
