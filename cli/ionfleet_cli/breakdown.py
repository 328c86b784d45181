"""Dollars by stage and by what they are paid for: a table of what is estimated, and of what was used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

from ionfleet.costs import in_dollars
from ionfleet_cli import terminal

COLUMNS = {
    "compute": "Lambda",
    "requests": "S3 requests",
    "transitions": "transitions",
    "logs": "logs",
    "storage": "storage",
}
"""Parts of a cost (`ionfleet.costs.Dollars`), and what they are called."""


def dollar_table(stages: Mapping[str, Mapping[str, Any]], cost: Mapping[str, Any]) -> Table:
    """Return the table of the stages that cost anything, as they and the whole cost stand in a summary."""
    table = Table(box=box.SIMPLE_HEAD, show_footer=True)
    table.add_column("dollars", "in all")
    for part, name in COLUMNS.items():
        table.add_column(name, in_dollars(cost["parts"][part]), justify="right", no_wrap=True)
    table.add_column("cost", in_dollars(cost["usd"]), justify="right", no_wrap=True)
    for stage, figures in stages.items():
        if "parts" in figures:
            paid = [figures["parts"][part] for part in COLUMNS]
            table.add_row(*map(terminal.styled, [stage, *map(in_dollars, [*paid, figures["usd"]])]))
    return table
