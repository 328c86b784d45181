"""Many seeds, side by side, and a table of what they came to: `python -m tests.chaos.campaign --seeds 1000`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .experiment import ROOT, Trial, attempt, make_material, undisturbed

PROCESSES_PER_CORE = 2
"""A run mostly waits: for retries, and for the two functions it may run at one time."""


def run_seeds(seeds: Sequence[int], processes: int | None = None) -> Iterator[Trial]:
    """Yield what each seed came to, as soon as that is known."""
    count = min(len(seeds), processes or PROCESSES_PER_CORE * len(os.sched_getaffinity(0)))
    command = [sys.executable, "-m", __name__ if __name__ != "__main__" else "tests.chaos.campaign", "--worker"]
    reader, writer = os.pipe()
    workers = [
        subprocess.Popen([*command, *map(str, seeds[first::count])], cwd=ROOT, stdout=writer) for first in range(count)
    ]
    os.close(writer)
    try:
        with open(reader, encoding="utf-8") as lines:  # noqa: PTH123 - a pipe has no path
            for line in lines:
                trial = json.loads(line)
                yield Trial(**{**trial, "injected": Counter(trial["injected"])})
        if broken := [worker.args for worker in workers if worker.wait()]:
            raise RuntimeError(f"{len(broken)} of {count} processes of the campaign broke: {broken[0]}")
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()


def work(seeds: Sequence[int]) -> None:
    """Run seeds one after the other in this process, and print each as a line of JSON."""
    material = make_material()
    expected = undisturbed(material)
    for seed in seeds:
        line = json.dumps(vars(attempt(material, expected, seed))) + "\n"
        os.write(sys.stdout.fileno(), line.encode())


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
    parser.add_argument("--worker", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker)
        return 0
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
