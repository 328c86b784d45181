"""Fuzzes one target, guided by coverage; `python -m tests.fuzz.engine TARGET SECONDS FOLDER`.

A crash does not end the run: the smallest input of each kind, told apart by the exception and where it was raised, is
kept in FOLDER/crashes. What takes too long or too much memory ends it, as libFuzzer can only stop the process.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import traceback
import warnings
from pathlib import Path

import atheris

from .mutation import mutate
from .registry import Target, cases, load

INSTRUMENTED = ["ionfleet", "ionfleet_aws", "pyimzml"]
SECONDS_AN_INPUT = 20
MEGABYTES = 1536
LONGEST_INPUT = 16_384


class Recorder:
    """Calls a target and keeps what crashes it."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._folder = folder
        self._smallest: dict[str, int] = {}

    def __call__(self, data: bytes) -> None:
        """Try one input."""
        try:
            self._target.check(data)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
            self._keep(data, error)

    def _keep(self, data: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        asked = [frame for frame in frames if Path(frame.filename).parent.name == "targets"][-1:]
        places = (f"{Path(frame.filename).stem}-{frame.lineno}" for frame in (*asked, frames[-1]))
        kind = "-".join((type(error).__name__, *dict.fromkeys(places)))
        if len(data) >= self._smallest.get(kind, sys.maxsize):
            return
        self._smallest[kind] = len(data)
        (self._folder / kind).write_bytes(data)
        report = "".join(traceback.format_exception(error))
        (self._folder / f"{kind}.txt").write_text(report, encoding="utf-8", errors="backslashreplace")


def main() -> None:
    """Run."""
    name, seconds, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    corpus, crashes = folder / "corpus", folder / "crashes"
    for path in (corpus, crashes):
        path.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=INSTRUMENTED):
        target = load(name)
    for seed in (*target.seeds().values(), *cases(name).values()):
        (corpus / hashlib.sha256(seed).hexdigest()[:20]).write_bytes(seed)
    (folder / "words.dict").write_text("".join(f'"{_escaped(word)}"\n' for word in target.WORDS))
    warnings.simplefilter("error")
    logging.disable()
    os.environ.setdefault("POWERTOOLS_TRACE_DISABLED", "true")
    options = {
        "dict": folder / "words.dict",
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": SECONDS_AN_INPUT,
        "rss_limit_mb": MEGABYTES,
        "artifact_prefix": f"{crashes}/",
        "print_final_stats": 1,
    }
    arguments = [f"-{option}={value}" for option, value in options.items()]

    def change(data: bytes, longest: int, seed: int) -> bytes:
        return mutate(data, longest, seed, target.WORDS) if seed % 2 else bytes(atheris.Mutate(data, longest))

    recorder = Recorder(target, crashes)
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], recorder, custom_mutator=change)
    atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02X}" for byte in word)


if __name__ == "__main__":
    main()
