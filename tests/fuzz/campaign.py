"""Fuzzes all targets in turn and prints a table of what came of it.

`python -m tests.fuzz.campaign --seconds 60 --folder .fuzz [TARGET …]` (`make fuzz`); the corpora in the folder are
taken up by the next campaign. `--repeat FILE TARGET` runs one input alone.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .registry import NAMES, load


@dataclass(frozen=True)
class Result:
    """What one target's run came to; `crashes` are the inputs that were kept."""

    target: str
    executions: int
    edges: int
    new_inputs: int
    corpus: int
    crashes: tuple[Path, ...]
    exit_code: int

    def row(self) -> str:
        """Return the row of the table."""
        numbers = (self.executions, self.edges, self.new_inputs, self.corpus, len(self.crashes))
        cells = (f"`{self.target}`", *(f"{number:,}" for number in numbers))
        return f"| {' | '.join(cells)} |"


def fuzz(target: str, seconds: int, folder: Path) -> Result:
    """Fuzz one target in a process of its own; its output stays in the folder as `log.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", f"{__package__}.engine", target, str(seconds), str(folder)]
    with (folder / "log.txt").open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=log, check=False)
    said = (folder / "log.txt").read_text(encoding="utf-8", errors="replace")
    return read_result(target, said, folder, done.returncode)


def read_result(target: str, said: str, folder: Path, exit_code: int) -> Result:
    """Return the figures that libFuzzer printed, and what it left in the folder."""
    return Result(
        target=target,
        executions=_last_number(r"number_of_executed_units:\s*([0-9]+)|^#([0-9]+)", said),
        edges=_last_number(r"cov: ([0-9]+)", said),
        new_inputs=_last_number(r"new_units_added:\s*([0-9]+)", said),
        corpus=len(list((folder / "corpus").glob("*"))),
        crashes=tuple(sorted(file for file in (folder / "crashes").glob("*") if file.suffix != ".txt")),
        exit_code=exit_code,
    )


def _last_number(pattern: str, text: str) -> int:
    """Return the last match of a number, 0 where there is none: a process that was stopped has no final figures."""
    found = re.findall(pattern, text, re.MULTILINE)
    return int("".join(found[-1])) if found else 0


def report(results: list[Result], seconds: int) -> str:
    """Return the table, and how to repeat what crashed."""
    lines = [
        f"{seconds:,} seconds a target.",
        "",
        "| target | executions | edges covered | new inputs | corpus | crashes |",
        "|---|--:|--:|--:|--:|--:|",
        *(result.row() for result in results),
    ]
    for result in results:
        for crash in result.crashes:
            lines += ["", f"Repeat with: python -m {__package__}.campaign --repeat {crash} {result.target}"]
        if result.exit_code and not result.crashes:
            lines += ["", f"{result.target} ended with exit code {result.exit_code}: see its log.txt"]
    return "\n".join(lines)


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "targets", nargs="*", choices=[*NAMES, []], default=[], help="all of them unless some are named"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--folder", type=Path, default=Path(".fuzz"), help="keeps corpora and crashes")
    parser.add_argument("--repeat", type=Path, help="an input to run once, for the one target that is named")
    given = parser.parse_args()
    if given.repeat is not None:
        for target in given.targets:
            load(target).check(given.repeat.read_bytes())
        return
    results = []
    for target in given.targets or NAMES:
        results.append(fuzz(target, given.seconds, given.folder / target))
        sys.stderr.write(f"{target}: {len(results[-1].crashes)} crashes\n")
    sys.stdout.write(report(results, given.seconds) + "\n")
    sys.exit(any(result.crashes or result.exit_code for result in results))


if __name__ == "__main__":
    main()
