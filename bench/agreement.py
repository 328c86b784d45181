"""What the estimate said of a job, beside what the job then used: CPU seconds, peak memory and bytes, stage by stage.

Simulates each dataset, has it planned as `ionfleet estimate` does, and runs it as `ionfleet run` does with nothing
cached. How many images there will be nobody knows beforehand: `render` is estimated for more than there usually are, so
a second ratio takes the counts of images and segments as they came true. CPU seconds are estimated for the speed that
the machine has at the moment, by the time of a fixed piece of work then and at the calibration.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from large import HUGE
from shapes import Measured, Shape, local_deployment, measured

from ionfleet.coefficients import PROBE_SECONDS
from ionfleet.estimate import PlanFacts, drivers, expected
from ionfleet_simulate.simulation import DEMO, LARGE, Simulation

SHAPES = {
    "demo": Shape("48×48, 0.4 million peaks, 3,774 formulas", DEMO, 3_774),
    "small": Shape("60×60, 3 million peaks, 11,592 formulas", Simulation(width=60, height=60), 11_592),
    "large": Shape("200×200, 65 million peaks, 1,500 formulas", LARGE, 1_500),
    "huge": Shape("1000×1000, 200 million peaks, 2,000 formulas", HUGE.simulation, HUGE.formulas),
}
"""Datasets by name; `huge` takes the better part of an hour."""

LARGEST = "peak_mb"
QUANTITIES = ("cpu_seconds", LARGEST, "bytes")


def used(account: Mapping[str, float]) -> dict[str, float]:
    """Return the compared quantities of a stage, estimated or measured."""
    return {
        "cpu_seconds": account["cpu_seconds"],
        LARGEST: account[LARGEST],
        "bytes": account["bytes_in"] + account["bytes_out"],
    }


def in_all(stages: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the quantities of a whole job: sums, and the largest memory."""
    return {
        name: (max if name == LARGEST else sum)(stage[name] for stage in stages.values())  # type: ignore[operator]
        for name in QUANTITIES
    }


def estimates(facts: PlanFacts, slower: float) -> dict[str, dict[str, float]]:
    """Return what is expected of each stage on a machine that is so much slower than that of the calibration."""
    found = {stage: used(expected(stage, counts)) for stage, counts in drivers(facts).items()}
    return {stage: each | {"cpu_seconds": each["cpu_seconds"] * slower} for stage, each in found.items()}


def show(shape: Shape, job: Measured) -> None:
    """Print the table of one job: estimated, used, their ratio, and the ratio with counts that came true."""
    slower = job.probe / PROBE_SECONDS
    before, known = estimates(job.expected, slower), estimates(job.facts, slower)
    actual = {stage: used(account) for stage, account in job.stages.items()}
    print(f"\n**{shape.name}**, CPU seconds {slower:.2f} times those of the calibration\n")
    heads = [f"{name}: estimated | used | ratio | as it came true" for name in ("CPU s", "peak MB", "MB moved")]
    print(f"| stage | {' | '.join(heads)} |\n{'|---' * (1 + 4 * len(heads))}|")
    for stage, there in {**actual, "in all": in_all(actual)}.items():
        tables = [in_all(each) if stage == "in all" else each.get(stage) for each in (before, known)]
        cells = [
            _cells(name, there[name], *(None if table is None else table[name] for table in tables))
            for name in QUANTITIES
        ]
        print(f"| {stage} | {' | '.join(cells)} |")


def _cells(name: str, there: float, estimated: float | None, known: float | None) -> str:
    unit = 1e6 if name == "bytes" else 1
    figures = [None if estimated is None else estimated / unit, there / unit]
    ratios = [None if each is None or not there else each / there for each in (estimated, known)]
    return " | ".join("" if each is None else f"{each:.3g}" for each in (*figures, *ratios))


def main() -> None:
    """Plan, run and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("datasets", nargs="*", default=["small", "large"], help=f"of {', '.join(SHAPES)}")
    deployment = local_deployment()
    for name in parser.parse_args().datasets:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            show(SHAPES[name], measured(SHAPES[name], Path(folder), deployment))


if __name__ == "__main__":
    main()
