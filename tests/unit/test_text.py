"""Text that means harm is shown, and does nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionfleet.text import escaped_json, printable, shortened, spreadsheet_cell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Säure μ 水", "Säure μ 水"),
        ("a\x1b[31mb", "a�[31mb"),
        ("a\x9bb\x7f", "a�b�"),
        ("a\u202eb", "a�b"),
        ("a\nb\tc\u2028d\xa0e", "a b c d e"),
        ("\ud800", "�"),
    ],
)
def test_what_controls_a_terminal_is_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_printable_text_is_one_line(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable(text)) == len(text)


@given(st.dictionaries(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=()))))
def test_an_escaped_document_means_the_same(value: dict[str, str]) -> None:
    document = escaped_json(json.dumps(value, indent=1, ensure_ascii=False))
    assert all(line.isprintable() for line in document.split("\n"))
    assert json.loads(document) == json.loads(json.dumps(value))


def test_readable_text_of_a_document_stays_as_it_is() -> None:
    assert escaped_json('{"name": "Säure"}') == '{"name": "Säure"}'
    assert escaped_json('"\x9b\U000e0001"') == r'"\u009b\udb40\udc01"'


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t@", "\uff1d", "\uff0b"])
def test_no_cell_begins_as_a_formula(start: str) -> None:
    assert spreadsheet_cell(f"{start}1").startswith("'")
    assert spreadsheet_cell(f"x{start}1") == printable(f"x{start}1")


def test_shortened_text_says_so() -> None:
    assert (shortened("abcdef", 6), shortened("abcdefg", 6)) == ("abcdef", "abcde…")
