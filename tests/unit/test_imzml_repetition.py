"""Spectra written like one before are read by a pattern: with the same outcome as tag by tag, whatever they are."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from unittest.mock import patch

import numpy as np
import pytest

from ionfleet.findings import Finding
from ionfleet.imzml import inspect_imzml, markup, spectrum_list
from ionfleet.imzml.repetition import Repetitions
from ionfleet.imzml.spectrum_list import SpectrumCollector

from .imzml_files import UUID, Place, document, header, spectrum_xml

MANY = 60
IBD_SIZE = 16 + 24 * MANY
STATED = (
    '<cvParam accession="MS:1000285" value="{}"/><cvParam accession="MS:1000504" name="base peak m/z" value="{}"/>'
    '<cvParam accession="MS:1000528" value="{}"/><userParam name="note" value="scan {}, 5%"/>'
)
Outcome = tuple[dict[str, list[float]] | None, list[Finding]]


def many(edit: Callable[[int, str], str] = lambda _, spectrum: spectrum, head: str | None = None) -> str:
    """Return a document of spectra that differ in their numbers, after `edit` of each."""
    rng = random.Random(1)
    parts = []
    for number in range(MANY):
        stated = STATED.format(rng.random() * 1e6, rng.uniform(50, 999), f"{rng.uniform(50, 99):e}", number)
        place = Place(16 + 24 * number, 2, 16), Place(32 + 24 * number, 2, 8)
        parts.append(edit(number, spectrum_xml(number % 7 + 1, number // 7 + 1, *place, stated)))
    return document(parts, head)


def outcome(data: bytes) -> Outcome:
    """Return every column and the header of the index, and the findings."""
    index, findings = inspect_imzml(io.BytesIO(data), len(data), IBD_SIZE, UUID)
    if index is None:
        return None, findings
    found = {field.name: getattr(index, field.name) for field in fields(index)}
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in found.items()}, findings


@contextmanager
def read_in(size: int) -> Iterator[list[int]]:
    """Read files in pieces of so many bytes; yield how many spectra each use of a pattern has taken in."""
    taken: list[int] = []
    extend = SpectrumCollector.extend

    def counted(self: SpectrumCollector, found: object, count: int) -> None:
        taken.append(count)
        extend(self, found, count)

    with patch.object(markup, "_CHUNK", size), patch.object(SpectrumCollector, "extend", counted):
        yield taken


def by_tags(data: bytes) -> Outcome:
    with patch.object(Repetitions, "learn", lambda *_: None):
        return outcome(data)


def check_same(text: str, *sizes: int, encoding: str = "utf-8") -> list[int]:
    """Check that the outcome is that of reading tag by tag; return how many spectra patterns took in, by size."""
    data = text.encode(encoding)
    expected, counts = by_tags(data), []
    for size in sizes or (100, 3001, 20_000, 1 << 20):
        with read_in(size) as taken:
            assert outcome(data) == expected
        counts.append(sum(taken))
    return counts


def test_most_spectra_of_a_file_are_read_by_a_pattern() -> None:
    data = many().encode()
    with read_in(20_000) as taken:
        found, findings = outcome(data)
    assert found is not None
    assert not findings
    assert sum(taken) > MANY / 2
    assert (found, findings) == by_tags(data)
    assert len(found["min_mz"]) == len(found["tic"]) == MANY


def test_pieces_of_any_size_give_the_same_index() -> None:
    alone, *some, whole = check_same(many())
    assert alone == whole == 0 < min(some)


ALL, ODD, LATE, ONE = range(MANY), range(1, MANY, 2), range(MANY // 4, MANY), [MANY // 2]


@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        (ODD, 'position x" value="', 'position x" value="+'),
        (ONE, "position x", "position z"),
        (ONE, "IMS:1000050", "IMS:1000059"),
        (ONE, 'offset" value="', 'offset" value="-'),
        (LATE, 'offset" value="', 'offset" value="99999999999999999999'),
        (LATE, 'position y" value="', 'position y" value="4294967296'),
        (ODD, 'length" value="', 'length" value=" '),
        (ALL, 'length" value="', 'length" value="1_'),
        (ALL, 'MS:1000285" value="', 'MS:1000285" value="1_'),
        (ALL, 'MS:1000285" value="', 'MS:1000285" value="inf" x="'),
        (ONE, 'MS:1000285" value="', 'MS:1000285" value="1e'),
        (ALL, 'MS:1000528" value="', 'MS:1000528" value="1e999" x="'),
        (LATE, 'MS:1000528" value="', 'MS:1000528" value="nan" x="'),
        (ALL, "mzArray", "mzArray{}"),
        (ODD, 'ref="mzArray"', 'ref="nothing"'),
        (ALL, "<binary/>", "<binary>{}</binary>"),
        (ALL, "<scan>", "<!-- </spectrum> --><scan>"),
        (ALL, "<scan>", "<![CDATA[</spectrum>{}]]><scan>"),
        (ODD, "<spectrum>", "<!-- <spectrum></spectrum> --><spectrum>"),
        (ODD, "</spectrum>", "</spectrum >"),
        (ALL, "</spectrum>", "</spectrum><other/>"),
        (ODD, "<scan>", "<spectrum></spectrum><scan>"),
        (ALL, 'name="note"', "name='note'"),
        (ALL, 'name="note"', 'name="note {}"'),
        (ALL, 'name="note"', 'name="note &amp; &#100;"'),
        (ALL, 'name="note"', 'name="Ärger"'),
        (ALL, "\n", "\r\n"),
        (ALL, "\n", "\r"),
        (ONE, "<scan>", "<scan a='1' a='2'>"),
        (ONE, "</scan>", "</scam>"),
        (ONE, "<scan>", "<scan>&nothing;"),
        (ALL, "MS:1000504", "MS:1000285"),
        (ALL, "IMS:1000051", "IMS:1000050"),
        (ALL, '"position x"', '"position y"'),
        (ALL, 'value="2"', 'value="{}"'),
    ],
)
def test_spectra_written_in_any_way_are_understood_the_same(where: Sequence[int], old: str, new: str) -> None:
    check_same(many(lambda number, text: text.replace(old, new.format(number)) if number in where else text))


def test_a_prefix_is_read_the_same() -> None:
    text = re.sub(r"<(/?)(\w)", r"<\1m:\2", many()).replace("xmlns=", "xmlns:m=")
    assert check_same(text)[2] > 0


@pytest.mark.parametrize(("encoding", "read"), [("iso-8859-1", True), ("windows-1252", True), ("utf-16", False)])
def test_other_encodings_are_read_the_same(encoding: str, read: bool) -> None:
    text = many(head=header().replace("utf-8", encoding).replace("LTQ Orbitrap", "Gerät"))
    assert (check_same(text, 3000, encoding=encoding)[0] > 0) == read
    check_same(text.replace('name="note"', 'name="Notiz für später"'), 3000, encoding=encoding)


@pytest.mark.parametrize("seed", range(60))
def test_damaged_files_come_to_the_same(seed: int) -> None:
    rng = random.Random(seed)
    text = list(many())
    for _ in range(rng.choice([1, 1, 2, 30])):
        place = rng.randrange(len(text))
        text[place : place + rng.choice([0, 1, 1, 5, 400])] = rng.choice(
            ["", "<", '"', "9", "-", "e", "<!--", "é", "\n"]
        )
    check_same("".join(text), 700, 2500)


def test_an_error_behind_many_spectra_is_told_with_its_place() -> None:
    data = many(lambda number, text: text.replace("</scan>", "</scam>") if number == MANY - 1 else text).encode()
    with read_in(20_000) as taken:
        _, (finding,) = outcome(data)
    assert sum(taken) > MANY / 2
    before = data.partition(b"scam")[0]
    assert f"at byte {len(before):,} (line {before.count(10) + 1:,})" in finding.message


def test_more_spectra_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectrum_list, "MAX_SPECTRA", MANY - 3)
    check_same(many())
    assert [finding.code for finding in outcome(many().encode())[1]] == ["too-many-spectra"]


def test_no_more_than_a_few_ways_of_writing_are_learned() -> None:
    text = many(lambda number, text: text.replace("<scan>", "<scan>" + "<a/>" * number)).encode()
    learned = []
    with read_in(3000), patch.object(Repetitions, "_repetition", lambda _, piece, __: learned.append(piece)):
        outcome(text)
    assert 1 < len(learned) <= 8
