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

from ionfleet_cli import terminal
from ionfleet_cli.results import SUMMARY

BEST = 15
"""Annotations that are shown."""

NAMES_LENGTH = 60
LEVELS = ("5", "10", "20", "50")
COLUMNS = ["ion", "adduct", "mz", "msm", "fdr", "molecule_names", "database"]


def show(folder: Path, console: Console) -> None:
    """Print the best annotations and the summary of the results in a folder."""
    summary = json.loads((folder / SUMMARY).read_bytes())
    annotations = pq.read_table(folder / "annotations.parquet", columns=COLUMNS)
    best = annotations.sort_by([("msm", "descending")]).slice(0, BEST).to_pylist()
    several = len(summary["databases"]) > 1
    if best:
        console.print(_annotation_table(best, with_database=several))
    else:
        console.print("Nothing was annotated at an FDR of up to 50 %.")
    console.print(_summary_table(summary))
    for warning in summary["warnings"]:
        place = f"{warning['where']}: " if warning["where"] else ""
        console.print(terminal.styled(f"warning: {place}{warning['message']}", "yellow"))


def _annotation_table(rows: list[dict[str, Any]], *, with_database: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title="Best annotations", title_justify="left")
    for name in ("ion", "adduct"):
        table.add_column(name, no_wrap=True)
    for name in ("m/z", "MSM", "FDR"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("molecules", no_wrap=True, overflow="ellipsis", ratio=1)
    if with_database:
        table.add_column("database", no_wrap=True)
    for row in rows:
        cells = [row["ion"], f"M{row['adduct']}" if row["adduct"][:1] in "+-" else row["adduct"]]
        cells += [f"{row['mz']:.4f}", f"{row['msm']:.3f}", f"{row['fdr']:.1%}", _names(row["molecule_names"])]
        table.add_row(*map(terminal.styled, [*cells, row["database"]] if with_database else cells))
    return table


def _names(names: list[str]) -> str:
    first = terminal.shortened(names[0], NAMES_LENGTH) if names else ""
    return f"{first} and {len(names) - 1:,} more" if len(names) > 1 else first


def _summary_table(summary: Mapping[str, Any]) -> Table:
    dataset, ions, stages = summary["dataset"], summary["ions"], summary["stages"]
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    rows = {
        "dataset": f"{dataset['name']} ({dataset['id']})",
        "pixels": f"{dataset['pixels']:,} of {dataset['spectra']:,} spectra",
        "peaks": f"{dataset['peaks']:,}",
        "ions": f"{ions['targets']:,} targets, {ions['decoys']:,} decoys, {ions['scored']:,} scored",
        **_annotation_counts(summary["annotations"]),
        "images": f"{summary['images']:,}",
        "time": _times(summary["seconds"], stages),
        "invocations": _invocations(stages),
    }
    for name, value in rows.items():
        table.add_row(name, terminal.styled(value))
    return table


def _annotation_counts(annotations: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    levels = " / ".join(LEVELS)
    several = len(annotations) > 1
    return {
        f"annotations{f' with {terminal.printable(name)}' if several else ''}": " / ".join(
            f"{counts[level]:,}" for level in LEVELS
        )
        + f" at {levels} % FDR"
        for name, counts in annotations.items()
    }


def _times(seconds: float, stages: Mapping[str, Mapping[str, Any]]) -> str:
    parts = [f"{name} {terminal.elapsed(stage['seconds'])}" for name, stage in stages.items() if "seconds" in stage]
    return f"{terminal.elapsed(seconds)}: {', '.join(parts)}"


def _invocations(stages: Mapping[str, Mapping[str, Any]]) -> str:
    counts = {name: stage["invocations"] for name, stage in stages.items() if "invocations" in stage}
    parts = [f"{name} {count:,}" for name, count in counts.items()]
    return f"{sum(counts.values()):,}: {', '.join(parts)}"
