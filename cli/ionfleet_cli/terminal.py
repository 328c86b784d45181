"""What is written to terminals and pipes: text from files and databases made harmless, numbers made readable."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ionfleet.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPE_WIDTH = 120
"""Columns of tables where no terminal says how wide it is."""


def printable_lines(text: str) -> str:
    """Return a text of several lines, each made printable."""
    return "\n".join(printable(line) for line in text.splitlines())


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, the noun with an s unless the number is 1."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def elapsed(seconds: float) -> str:
    """Return a time span such as "0.4 s", "35 s" or "3:05 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02} min"


def styled(text: str, style: str = "") -> Text:
    """Return a text that Rich shows as it stands, without reading markup from it."""
    from rich.text import Text

    return Text(printable_lines(text), style)


def labelled(label: str, style: str, text: str) -> Text:
    """Return a text after a label, which alone is styled."""
    from rich.text import Text

    return Text.assemble((printable(label), style), printable_lines(text))


def print_facts(facts: Mapping[str, str], console: Console) -> None:
    """Print facts, one in a line, their names in a column."""
    width = max(map(len, facts), default=0) + 2
    for name, value in facts.items():
        console.print(labelled(f"{name:<{width}}", "bold", value))


def output() -> Console:
    """Return the console of what a command is asked for."""
    return _console(stderr=False)


def errors() -> Console:
    """Return the console of messages about what went wrong."""
    return _console(stderr=True)


def tolerate_any_encoding() -> None:
    """Have characters that the output's encoding lacks shown as question marks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    if not console.is_terminal:
        # Lines of a pipe are for programs: they stay whole.
        console.width, console.soft_wrap = PIPE_WIDTH, True
    return console
