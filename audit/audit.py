"""Ask whether anything that the lock files pin has a known vulnerability, and remember the answer.

Asks through pip-audit, where the advisories can be reached. Elsewhere the last answer stands, with its age, and what
has been pinned since is named: not asked about is not the same as not vulnerable.

python audit/audit.py                  fails on a known vulnerability, and says how much is known
python audit/audit.py --must-answer    fails as well where nobody answers: for machines that reach the advisories
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements/*.txt", "layers/*/requirements.txt")
LAST = Path("audit/last.json")
PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)

Answer = Mapping[str, Sequence[str]]
"""The ids of the known vulnerabilities of each pin (`name==version`)."""

Ask = Callable[[Sequence[str]], Answer | None]
"""Asks about pins; None where nobody answers about all of them."""


@dataclass(frozen=True)
class Known:
    """What was answered, and on which day."""

    asked: date
    answer: Answer

    @classmethod
    def read(cls, path: Path) -> Known | None:
        """Return what was remembered, None where nobody has answered yet."""
        if not path.is_file():
            return None
        document = json.loads(path.read_text())
        return cls(date.fromisoformat(document["asked"]), document["answer"])

    def write(self, path: Path) -> None:
        """Remember."""
        path.write_text(json.dumps({"asked": self.asked.isoformat(), "answer": self.answer}, indent=1) + "\n")


def pins(root: Path) -> list[str]:
    """Return every pin of the lock files, `name==version`, in order."""
    texts = [path.read_text() for pattern in LOCKS for path in root.glob(pattern)]
    return sorted({f"{name.lower()}=={version}" for text in texts for name, version in PIN.findall(text)})


def ask_pip_audit(asked: Sequence[str]) -> Answer | None:
    """Ask about pins. The first is asked about alone, to learn whether anyone answers at all."""
    answer: dict[str, Sequence[str]] = {}
    for question in (asked[:1], *_without_repetition(asked[1:])):
        part = _question(question)
        if part is None or part.keys() != set(question):
            return None
        answer |= part
    return answer


def _without_repetition(asked: Iterable[str]) -> list[list[str]]:
    """Split pins into questions that have no package twice: a lock file may pin one for each version of Python."""
    questions: list[dict[str, str]] = []
    for pin in asked:
        name = pin.partition("==")[0]
        free = next((question for question in questions if name not in question), None)
        if free is None:
            questions.append(free := {})
        free[name] = pin
    return [list(question.values()) for question in questions]


def _question(asked: Sequence[str]) -> dict[str, Sequence[str]] | None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(asked))
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--format", "json", "--progress-spinner", "off"]
        command += ["--no-deps", "--disable-pip", "--requirement", file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    return None if not done.stdout.strip() else parse(done.stdout)


def parse(report: str) -> dict[str, Sequence[str]]:
    """Return what a report of pip-audit answers; what it skipped, because nobody knew it, is left out."""
    return {
        f"{each['name'].lower()}=={each['version']}": [found["id"] for found in each["vulns"]]
        for each in json.loads(report)["dependencies"]
        if "skip_reason" not in each
    }


def audit(root: Path, ask: Ask, today: date, *, must_answer: bool) -> int:
    """Ask, print what is known, remember what is new; return the exit code."""
    locked = pins(root)
    answer = ask(locked)
    known = Known.read(root / LAST) if answer is None else Known(today, answer)
    if known is None:
        print(
            f"NOT AUDITED: nobody answers here, and nobody has been asked yet about the {len(locked)} locked packages."
        )
        return int(must_answer)
    if answer is None:
        print(f"Nobody answers here. The last answer is of {known.asked}, {(today - known.asked).days} days ago.")
    else:
        known.write(root / LAST)
    unasked = [pin for pin in locked if pin not in known.answer]
    if unasked:
        print(f"NOT AUDITED: pinned since and never asked about: {', '.join(unasked)}")
    vulnerable = {pin: known.answer[pin] for pin in locked if known.answer.get(pin)}
    for pin, ids in vulnerable.items():
        print(f"VULNERABLE: {pin}: {', '.join(ids)}")
    asked = len(locked) - len(unasked)
    print(f"{len(vulnerable)} of {asked} locked packages had known vulnerabilities on {known.asked}.")
    return int(bool(vulnerable) or (must_answer and answer is None))


def main() -> int:
    """Audit this repository."""
    parser = argparse.ArgumentParser(description="Ask for known vulnerabilities of every locked package.")
    parser.add_argument("--must-answer", action="store_true", help="fail where the advisories cannot be asked")
    arguments = parser.parse_args()
    return audit(ROOT, ask_pip_audit, datetime.now(UTC).date(), must_answer=arguments.must_answer)


if __name__ == "__main__":
    sys.exit(main())
