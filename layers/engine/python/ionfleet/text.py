"""Text from files, keys and configurations, made harmless for whatever shows it.

Names and messages may hold anything that a user wrote. Where they are shown, nothing in them may move a cursor, colour
a terminal, turn the direction of the text around it, begin another line of a log, or run in a spreadsheet.
"""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(r"[^ -~\n]+")
_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")  # as wide characters too


def printable(text: str) -> str:
    """Return a text as one line without control, format and unassigned characters; any space is a plain one."""
    return "".join(map(_harmless, text)) if not text.isprintable() else text


def shortened(text: str, length: int) -> str:
    """Return a text of at most `length` characters, its end left out where it is longer."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def escaped_json(document: str) -> str:
    """Return a JSON document that means the same, with what `printable` would replace written as escapes."""
    return document if document.isascii() and document.isprintable() else _UNPRINTABLE.sub(_escaped, document)


def spreadsheet_cell(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula, and no terminal for an instruction."""
    shown = printable(text)
    return f"'{shown}" if shown.lstrip().startswith(_FORMULA_STARTS) else shown


def _harmless(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character.isspace() else "\N{REPLACEMENT CHARACTER}"


def _escaped(match: re.Match[str]) -> str:
    return "".join(each if each.isprintable() else _escape(each) for each in match.group())


def _escape(character: str) -> str:
    """Return a character as JSON escapes it: in UTF-16, two units for those beyond the first plane."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
