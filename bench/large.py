"""Large datasets through `ionfleet run`, their time, memory and floors: `make bench` has them all.

    python bench/large.py standard     200×200 pixels, 65 million peaks, 1,500 formulas
    python bench/large.py huge         1000×1000 pixels, 200 million peaks, 2,000 formulas
    python bench/large.py doublings    twice the pixels, peaks or formulas of the first: CPU seconds
    python bench/large.py index        the index of an imzML of a million spectra

Datasets are simulated from a fixed seed and kept in build/bench. The template is synthesized beforehand, isotope
patterns are computed anew. The first is annotated twice: with nothing beside it for its time, and sampled for its
memory. What it used, and what the second did, is compared with its estimate. An idle machine is needed for wall times,
not for CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from agreement import show_agreement
from processes import LOCAL_RUNTIME, Usage, measure, run
from shapes import Job
from simulated import Case, Made, make

from ionfleet.imzml import inspect_imzml
from ionfleet.planning import cut_evenly
from ionfleet.spectra import Peaks, read_peaks
from ionfleet_replay import synthesize
from ionfleet_simulate.simulation import LARGE, Simulation

REPOSITORY = Path(__file__).resolve().parents[1]
IONFLEET = str(Path(sys.executable).with_name("ionfleet"))
STANDARD = Case(LARGE, 1500)
HUGE = Case(Simulation(width=1000, height=1000, seed=5, peaks_per_spectrum=228, ions=75, matrix_peaks=40), 2000)
MANY_SPECTRA = Simulation(width=1070, height=1070, seed=6, peaks_per_spectrum=4, ions=2, matrix_peaks=1)
DECOYS = {"fdr_method": "v1"}
"""METASPACE's first way of drawing decoys: of the two the one with more ions, which other engines were timed with."""
PARTS = 16
"""Parts that a dataset is cut into for the floor of sorting it, of which every eighth is sorted."""


def main() -> None:
    """Run what the command line asks for."""
    commands = {"standard": standard, "huge": huge, "doublings": doublings, "index": index}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="+", choices=commands)
    for name in parser.parse_args().what:
        commands[name]()


def standard() -> None:
    """Show the dataset that others were timed with."""
    made = make(STANDARD)
    job = Job(made.imzml, made.database, DECOYS)
    timed, summary = annotated(made, run)
    compared = job.done(summary)
    sampled, summary = annotated(made, measure)
    line("run", timed.wall, "s", f"goal 25 s; {timed.cpu:.1f} s of CPU, {len(os.sched_getaffinity(0))} cores")
    show(STANDARD, made, sampled, summary)
    floors(made)
    show_agreement(compared)


def huge() -> None:
    """Show a dataset of a million pixels."""
    made = make(HUGE)
    job = Job(made.imzml, made.database, DECOYS)
    usage, summary = annotated(made, measure)
    show(HUGE, made, usage, summary)
    show_agreement(job.done(summary))


def doublings() -> None:
    """Show how CPU seconds grow with pixels, peaks and formulas."""
    base = STANDARD.simulation
    wide, rich = {"width": 283, "height": 283}, 2 * base.peaks_per_spectrum
    cases = {
        "as it is": STANDARD,
        "twice the pixels, as many peaks": _with(peaks_per_spectrum=base.peaks_per_spectrum // 2, **wide),
        "twice the peaks": _with(peaks_per_spectrum=rich),
        "twice the pixels and the peaks": _with(**wide),
        "twice the formulas": replace(STANDARD, formulas=2 * STANDARD.formulas),
    }
    print("| dataset | spectra | peaks | formulas | CPU s | of the first |\n|---|---|---|---|---|---|")
    first = 0.0
    for name, case in cases.items():
        made = make(case)
        cpu = annotated(made, run)[0].cpu
        first = first or cpu
        counts = f"{made.spectra:,} | {made.peaks:,} | {case.formulas:,}"
        print(f"| {name} | {counts} | {cpu:.1f} | {cpu / first:.2f} × |", flush=True)


def _with(**settings: Any) -> Case:
    return replace(STANDARD, simulation=replace(STANDARD.simulation, **settings))


def index() -> None:
    """Show what reading a large imzML takes."""
    made = make(Case(MANY_SPECTRA, 1))
    size = made.imzml.stat().st_size
    usage = measure([IONFLEET, "validate", str(made.imzml)])
    print(f"index of {made.spectra:,} spectra, {size:,} bytes of imzML")
    line("index", usage.wall, "s", f"{usage.cpu:.3g} s of CPU")
    line("index, peak memory", max(usage.peak_rss_mb.values()), "MB RSS")
    line("floor: a plain read of the file", read_whole(made.imzml), "s")


def annotated(made: Made, use: Callable[..., Usage]) -> tuple[Usage, dict[str, Any]]:
    """Annotate a dataset by the command that users run, with no isotope pattern known; return its summary, too.

    What it uses is told by `run` or by `measure`.
    """
    assembly = synthesize(REPOSITORY / "app.py", REPOSITORY / "cdk.out" / "local")
    with tempfile.TemporaryDirectory(dir=made.imzml.parent) as folder:
        out = Path(folder) / "results"
        command = [IONFLEET, "run", str(made.imzml), "--database", str(made.database)]
        command += ["--fdr-method", DECOYS["fdr_method"], "--assembly", str(assembly), "--out", str(out)]
        usage = use(command, {"XDG_CACHE_HOME": folder, "TMPDIR": folder})
        return usage, json.loads((out / "summary.json").read_text())


def show(case: Case, made: Made, usage: Usage, summary: dict[str, Any]) -> None:
    """Print what a run used, whole and by stage."""
    size = f"{case.simulation.width}×{case.simulation.height} pixels, {made.peaks:,} peaks"
    ions = summary["ions"]["distinct"]
    print(f"{size}, {case.formulas:,} formulas, {ions:,} ions, {summary['images']:,} images")
    line("run, sampled", usage.wall, "s", f"{usage.cpu:.1f} s of CPU")
    line(LOCAL_RUNTIME, usage.role_cpu[LOCAL_RUNTIME], "s of CPU", "start of Python and of the cloud included")
    line("no function computes", usage.waiting / usage.wall * 100, "%", "of the run, after its first function began")
    line("all processes together", usage.pss_mb, "MB PSS")
    line(LOCAL_RUNTIME, usage.peak_pss_mb[LOCAL_RUNTIME], "MB PSS", "of its largest process")
    line("largest function", _largest(usage.peak_pss_mb), "MB PSS", f"{_largest(usage.peak_rss_mb):.0f} MB RSS")
    functions = sorted(usage.role_cpu.items(), key=lambda each: -each[1])
    print("CPU seconds: " + ", ".join(f"{role} {seconds:.1f}" for role, seconds in functions))
    print("| stage | invocations | seconds in functions | peak memory, MB RSS | memory, MB |\n|---|---|---|---|---|")
    for name, stage in summary["stages"].items():
        limit = stage["gb_seconds"] / stage["billed_seconds"] * 1024
        print(f"| {name} | {stage['invocations']} | {stage['billed_seconds']:.1f} | {stage['peak_mb']} | {limit:.0f} |")
    sys.stdout.flush()


def _largest(peaks: dict[str, float]) -> float:
    return max(value for role, value in peaks.items() if role != LOCAL_RUNTIME)


def floors(made: Made) -> None:
    """Print what the least is that any program does with these files."""
    line("floor: a plain read of the ibd", read_whole(made.ibd), "s")
    with made.imzml.open("rb") as stream, made.ibd.open("rb") as ibd:
        found, _ = inspect_imzml(stream, made.imzml.stat().st_size, made.ibd.stat().st_size, ibd.read(16))
        if found is None:
            raise ValueError(f"{made.imzml} cannot be read.")
        cuts = cut_evenly(found.mz_length, -(-made.peaks // PARTS))[:: PARTS // 2]
        parts = [read_peaks(found, *cut, lambda start, length: os.pread(ibd.fileno(), length, start)) for cut in cuts]
    taken = sum(sort_seconds(part) for part in parts)
    sorted_peaks = sum(len(part) for part in parts)
    line("floor: argsort and gathers of all peaks", taken * made.peaks / sorted_peaks, "s of CPU")


def sort_seconds(peaks: Peaks) -> float:
    """Return the CPU seconds of a stable argsort of a run's peaks and of gathering its three columns."""
    began = time.process_time()
    order = np.argsort(peaks.mz, kind="stable")
    for column in (peaks.mz, peaks.intensity, peaks.spectrum):
        column[order]
    return time.process_time() - began


def read_whole(path: Path) -> float:
    """Return how many seconds a plain read of a file takes; it may be in memory already, as in the run itself."""
    buffer = bytearray(1 << 20)
    began = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            continue
    return time.perf_counter() - began


def line(name: str, value: float, unit: str, note: str = "") -> None:
    """Print one figure."""
    print(f"{name:42s} {value:10.3g} {unit:12s} {note}", flush=True)


if __name__ == "__main__":
    main()
