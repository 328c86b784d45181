"""What the estimate said of a job, beside what the job then used: CPU seconds, peak memory and bytes, stage by stage.

How many images there will be nobody knows beforehand: `render` is estimated for more than there usually are, so a
second ratio takes the counts of images and segments as they came true. CPU seconds are estimated for the speed that the
machine has at the moment, by the time of a fixed piece of work then and at the calibration.
"""

from __future__ import annotations

from collections.abc import Mapping

from shapes import Measured

from ionfleet.coefficients import PROBE_SECONDS
from ionfleet.estimate import PlanFacts, drivers, expected

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


def show_agreement(job: Measured) -> None:
    """Print the table of a job: estimated, used, their ratio, and the ratio with counts that came true."""
    slower = job.probe / PROBE_SECONDS
    before, known = estimates(job.expected, slower), estimates(job.facts, slower)
    actual = {stage: used(account) for stage, account in job.stages.items()}
    print(f"\nThe estimate, with CPU seconds {slower:.2f} times those of the calibration:\n")
    heads = [f"{name}: estimated | used | ratio | as it came true" for name in ("CPU s", "peak MB", "MB moved")]
    print(f"| stage | {' | '.join(heads)} |\n{'|---' * (1 + 4 * len(heads))}|")
    for stage, there in {**actual, "in all": in_all(actual)}.items():
        tables = [in_all(each) if stage == "in all" else each.get(stage) for each in (before, known)]
        cells = [
            _cells(name, there[name], *(None if table is None else table[name] for table in tables))
            for name in QUANTITIES
        ]
        print(f"| {stage} | {' | '.join(cells)} |")
    print(flush=True)


def _cells(name: str, there: float, estimated: float | None, known: float | None) -> str:
    unit = 1e6 if name == "bytes" else 1
    figures = [None if estimated is None else estimated / unit, there / unit]
    ratios = [None if each is None or not there else each / there for each in (estimated, known)]
    return " | ".join("" if each is None else f"{each:.3g}" for each in (*figures, *ratios))
