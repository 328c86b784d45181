"""Many seeds, side by side, and a table of what they came to: `python -m tests.chaos.campaign --seeds 1000`."""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from ionfleet_cli.local_cloud import HANDLERS_NEED
from ionfleet_replay import Nursery

from .experiment import Material, Trial, attempt, make_material, undisturbed

PROCESSES_PER_CORE = 4
"""A run mostly waits: for clients' retries, and for the two functions it may run at one time."""


class Bench:
    """What a process tries seeds with: the material, the tables it should come to, and a nursery for all clouds."""

    def __init__(self, material: Material, expected: Mapping[str, bytes], folder: str) -> None:
        self.material = material
        self.expected = expected
        self.nursery = Nursery(Path(folder), HANDLERS_NEED)


_benches: list[Bench] = []


def _set_up(material: Material, expected: Mapping[str, bytes], folder: str) -> None:
    _benches.append(Bench(material, expected, folder))
    gc.freeze()


def _attempt(seed: int) -> Trial:
    (bench,) = _benches
    return attempt(bench.material, bench.expected, seed, bench.nursery)


def run_seeds(seeds: Sequence[int], processes: int | None = None) -> Iterator[Trial]:
    """Yield what each seed came to, as soon as that is known."""
    count = min(len(seeds), processes or PROCESSES_PER_CORE * len(os.sched_getaffinity(0)))
    material = make_material()
    with tempfile.TemporaryDirectory(prefix="ionfleet-chaos-") as folder:
        with Nursery(Path(folder), HANDLERS_NEED) as nursery:
            expected = undisturbed(material, nursery)
        with ProcessPoolExecutor(count, get_context("spawn"), _set_up, (material, expected, folder)) as pool:
            for trial in as_completed([pool.submit(_attempt, seed) for seed in seeds]):
                yield trial.result()


def table(trials: Sequence[Trial]) -> str:
    """Return what a campaign came to, as Markdown."""
    injected = sum((trial.injected for trial in trials), Counter[str]())
    outcomes = Counter(trial.outcome for trial in trials)
    struck = Counter(kind for trial in trials for kind in trial.injected)
    seeds = sorted(trial.seed for trial in trials)
    lines = [f"{len(trials):,} runs (seeds {seeds[0]} to {seeds[-1]}), {injected.total():,} faults.", ""]
    lines += ["| fault | injected | in runs |", "|---|---:|---:|"]
    lines += [f"| {kind} | {count:,} | {struck[kind]:,} |" for kind, count in sorted(injected.items())]
    lines += ["", "| end | runs |", "|---|---:|"]
    lines += [f"| {outcome} | {count:,} |" for outcome, count in outcomes.most_common()]
    failing = [trial for trial in trials if trial.findings]
    lines += ["", f"Runs in which something did not hold: {len(failing):,}."]
    for trial in sorted(failing, key=lambda each: each.seed):
        command = f"make chaos SEEDS=1 FIRST={trial.seed}"
        lines += [f"* seed {trial.seed} (`{command}`): {finding}" for finding in trial.findings]
    return "\n".join(lines)


def main() -> int:
    """Run a campaign, print its table, and return 1 where something did not hold."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.campaign", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many seeds, from --first on")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--out", type=Path, help="file for the table")
    options = parser.parse_args()
    trials = []
    for trial in run_seeds(range(options.first, options.first + options.seeds)):
        trials.append(trial)
        mark = "; ".join(trial.findings) or "holds"
        facts = f"{trial.outcome}, {trial.injected.total()} faults, {trial.seconds:.0f} s"
        print(f"seed {trial.seed}: {facts}: {mark}", flush=True)
    text = table(trials)
    print(f"\n{text}")
    if options.out:
        options.out.write_text(f"{text}\n", encoding="utf-8")
    return int(any(trial.findings for trial in trials) or len(trials) < options.seeds)


if __name__ == "__main__":
    sys.exit(main())
