"""A whole `ionfleet run`, once with an empty cache of isotope patterns and once with what that run left in it.

    python bench/job.py
    python bench/job.py --dataset brain.imzML --database hmdb.tsv

By default on a simulated section of 60×60 pixels and 3.0 million peaks, searched for 11,592 formulas with three adducts
and their decoys. The template is synthesized beforehand. Each run is made twice: with nothing beside it for its time,
and sampled for its memory. What the first used is compared with its estimate. An idle machine is needed for wall times.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from agreement import show_agreement
from kernels import SECTION
from processes import LOCAL_RUNTIME, Usage, measure, run
from shapes import Job
from simulated import CACHE, Case, make

from ionfleet.databases import bundled_database, read_database
from ionfleet.formula import format_formula, parse_formula
from ionfleet.imzml import index_imzml
from ionfleet.spectra import Peaks, read_peaks
from ionfleet_replay import synthesize

REPOSITORY = Path(__file__).resolve().parents[1]
IONFLEET = str(Path(sys.executable).with_name("ionfleet"))
FORMULAS = 11_592
GOALS = {"cold": 30.0, "warm": 8.0}
"""Seconds of wall time on two idle cores."""


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", type=Path, help="an imzML, its ibd and job.json beside it")
    parser.add_argument("--database", type=Path, help="a molecular database")
    chosen = parser.parse_args()
    imzml = chosen.dataset or make(Case(SECTION, 1)).imzml
    database = chosen.database or homologues(FORMULAS)
    began = time.perf_counter()
    assembly = synthesize(REPOSITORY / "app.py", REPOSITORY / "cdk.out" / "local")
    line("the template, unless synthesized before", time.perf_counter() - began, "s")
    command = [IONFLEET, "run", str(imzml), "--database", str(database), "--assembly", str(assembly)]
    with tempfile.TemporaryDirectory(dir=REPOSITORY / "build") as folder:
        job = Job(imzml, database, {})
        show_agreement(job.done(annotated("cold", command, Path(folder))))
        annotated("warm", command, Path(folder))
    show_floors(imzml)


def annotated(name: str, command: list[str], folder: Path) -> dict[str, Any]:
    """Run a command twice, each with a cache of its own, show what it used, and return the first run's summary."""
    timed, sampled = (
        use([*command, "--out", str(folder / f"{name} {use.__name__}"), "--cache", str(folder / use.__name__)])
        for use in (run, measure)
    )
    summary: dict[str, Any] = json.loads((folder / f"{name} {run.__name__}" / "summary.json").read_text())
    show(name, timed, sampled, summary)
    return summary


def homologues(count: int) -> Path:
    """Return a database of so many formulas: those of the bundled one, then the same with more and more CH2."""
    formulas = read_database(bundled_database(), "core").formulas
    made: dict[str, None] = {}
    for longer in range(count):
        for text in islice(formulas, count):
            counts = dict(parse_formula(text))
            counts["C"], counts["H"] = counts.get("C", 0) + longer, counts.get("H", 0) + 2 * longer
            made[format_formula(counts)] = None
        if len(made) >= count:
            break
    rows = [f"{number}\tmolecule {number}\t{formula}" for number, formula in enumerate(islice(made, count), 1)]
    path = CACHE / f"homologues{count}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["id\tname\tformula", *rows, ""]))
    return path


def show(name: str, timed: Usage, sampled: Usage, summary: dict[str, Any]) -> None:
    """Print what a run used, whole and by stage: time and CPU of the one, memory of the other."""
    ions = summary["ions"]["targets"] + summary["ions"]["decoys"]
    line(f"{name}: wall", timed.wall, "s", f"goal {GOALS[name]:.0f} s; {ions:,} ions, {summary['images']:,} images")
    line(f"{name}: CPU of all processes", timed.cpu, "s")
    line(f"{name}: memory of all processes", sampled.pss_mb, "MB PSS")
    for stage, facts in summary["stages"].items():
        note = f"{facts['invocations']} invocations of {facts['billed_seconds']:.3g} s, peak {facts['peak_mb']} MB RSS"
        line(f"  {stage}", facts.get("seconds", 0.0), "s", note)
    line("  local runtime", sampled.role_cpu[LOCAL_RUNTIME], "s of CPU", f"peak {rss(sampled):.0f} MB RSS")
    line("  no function computes", sampled.waiting, "s")


def rss(usage: Usage) -> float:
    """Return the most that one process of the local runtime held, in MB."""
    return usage.peak_rss_mb[LOCAL_RUNTIME]


def show_floors(imzml: Path) -> None:
    """Print what no program can do without on the same files."""
    ibd = next(path for path in imzml.parent.iterdir() if path.stem == imzml.stem and path.suffix.lower() == ".ibd")
    content, seconds = timed(lambda: [path.read_bytes() for path in (imzml, ibd)])
    line("floor: a plain read of both files", seconds, "s", f"{sum(map(len, content)):,} bytes")
    line("floor: a copy of them in memory", timed(lambda: [*map(bytearray, content)])[1], "s")
    index = index_imzml(io.BytesIO(content[0]), *map(len, content))
    peaks = read_peaks(index, 0, len(index), lambda start, length: content[1][start : start + length])
    line("floor: argsort and gathers of the peaks", timed(lambda: ordered(peaks))[1], "s", f"{len(peaks):,} peaks")


def ordered(peaks: Peaks) -> tuple[np.ndarray, ...]:
    """Sort peaks in the plainest way."""
    order = np.argsort(peaks.mz, kind="stable")
    return peaks.mz[order], peaks.intensity[order], peaks.spectrum[order]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """Return what some work returns, and its wall time."""
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def line(name: str, value: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    print(f"{name:42s} {value:10.3g} {unit:12s} {note}", flush=True)


if __name__ == "__main__":
    main()
