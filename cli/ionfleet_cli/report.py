"""What a run ends with: the best annotations, and the figures of the whole job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich import box
from rich.console import Console
from rich.table import Table

from ionfleet.costs import in_dollars
from ionfleet.text import shortened
from ionfleet_cli import terminal
from ionfleet_cli.breakdown import dollar_table
from ionfleet_cli.results import SUMMARY

BEST = 15
"""Annotations that are shown."""

NAMES_LENGTH = 60
SAMPLE_LENGTH = 100
LEVELS = ("5", "10", "20", "50")
COLUMNS = ["ion", "adduct", "mz", "msm", "fdr", "molecule_names", "database"]


def show(folder: Path, seconds: Mapping[str, float], console: Console, *, here: bool) -> None:
    """Print the best annotations and the summary of the results in a folder.

    `seconds` is how long stages took, and `here` whether that was on this machine rather than in AWS.
    """
    summary = json.loads((folder / SUMMARY).read_bytes())
    annotations = pq.read_table(folder / "annotations.parquet", columns=COLUMNS)
    best = annotations.sort_by([("fdr", "ascending"), ("msm", "descending")]).slice(0, BEST).to_pylist()
    several = len(summary["databases"]) > 1
    if best:
        console.print(_annotation_table(best, with_database=several))
    else:
        console.print("Nothing was annotated at an FDR of up to 50 %.")
    _show_summary(summary, console, here=here)
    console.print(_stage_table(summary["stages"], seconds))
    console.print(dollar_table(summary["stages"], summary["cost"]))
    for warning in summary["warnings"]:
        place = f"{warning['where']}: " if warning["where"] else ""
        console.print(terminal.styled(f"warning: {place}{warning['message']}", "yellow"))


def _annotation_table(rows: list[dict[str, Any]], *, with_database: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Best annotations", title_justify="left")
    table.add_column("ion", no_wrap=True)
    table.add_column("adduct", no_wrap=True, min_width=6)
    for name, width in (("m/z", 9), ("MSM", 5), ("FDR", 5)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    table.add_column("molecules", no_wrap=True, overflow="ellipsis", ratio=1)
    if with_database:
        table.add_column("database", no_wrap=True)
    for row in rows:
        cells = [row["ion"], f"M{row['adduct']}" if row["adduct"][:1] in "+-" else row["adduct"]]
        cells += [f"{row['mz']:.4f}", f"{row['msm']:.3f}", f"{row['fdr']:.1%}", _names(row["molecule_names"])]
        table.add_row(*map(terminal.styled, [*cells, row["database"]] if with_database else cells))
    return table


def _names(names: list[str]) -> str:
    first = shortened(names[0], NAMES_LENGTH) if names else ""
    return f"{first} and {len(names) - 1:,} more" if len(names) > 1 else first


def _show_summary(summary: Mapping[str, Any], console: Console, *, here: bool) -> None:
    cost = in_dollars(summary["cost"]["usd"])
    dataset, ions = summary["dataset"], summary["ions"]
    facts = {
        "dataset": f"{dataset['name']} ({dataset['id']})",
        **_sample(summary["metadata"]),
        "pixels": f"{dataset['pixels']:,} ({dataset['spectra']:,} spectra)",
        "peaks": f"{dataset['peaks']:,}",
        "ions": f"{ions['targets']:,} targets, {ions['decoys']:,} decoys, {ions['scored']:,} scored",
        **_annotation_counts(summary["annotations"]),
        "images": f"{summary['images']:,}",
        "time": terminal.elapsed(summary["seconds"]),
        "invocations": f"{sum(stage.get('invocations', 0) for stage in summary['stages'].values()):,}",
        "cost": f"≈ {cost} on AWS, at this machine's speed" if here else cost,
    }
    terminal.print_facts(facts, console)


def _sample(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return what was said of the sample, as far as it is said in words and numbers and fits into a line."""
    said = ", ".join(f"{name}: {value}" for name, value in metadata.items() if not isinstance(value, dict | list))
    return {"sample": shortened(said, SAMPLE_LENGTH)} if said else {}


def _annotation_counts(annotations: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Return the counts at each level of FDR, with the database they are of where there are several."""
    facts = {}
    for name, counts in annotations.items():
        whose = f" of {name}" if len(annotations) > 1 else ""
        numbers = " / ".join(f"{counts[level]:,}" for level in LEVELS)
        facts[f"annotations{whose}"] = f"{numbers} at {' / '.join(LEVELS)} % FDR"
    return facts


def _stage_table(stages: Mapping[str, Mapping[str, Any]], seconds: Mapping[str, float]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("stage")
    for name in ("time", "invocations", "function", "peak memory", "CPU"):
        table.add_column(name, justify="right")
    for name, duration in seconds.items():
        table.add_row(*map(terminal.styled, (name, terminal.elapsed(duration), *_used(stages.get(name, {})))))
    return table


def _used(figures: Mapping[str, Any]) -> tuple[str, ...]:
    if not figures.get("invocations"):
        return ("",) * 4
    memory = figures["gb_seconds"] / figures["billed_seconds"] * 1024
    return (
        f"{figures['invocations']:,}",
        f"{memory:,.0f} MB",
        f"{figures['peak_mb']:,} MB",
        terminal.elapsed(figures["cpu_seconds"]),
    )
