"""The targets by name, and the cases that are kept of each."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

HERE = Path(__file__).parent
CASES = HERE / "cases"
NAMES = (
    "imzml", "spectra", "formulas", "ions", "database", "configuration", "keys", "events", "work_bucket",
    "scoring_model",
)  # fmt: skip


class Target(Protocol):
    """What a module of `targets` offers."""

    WORDS: tuple[bytes, ...]

    def check(self, data: bytes) -> None:
        """Raise nothing, whatever the bytes, unless there is a defect."""

    def seeds(self) -> dict[str, bytes]:
        """Return inputs by name to begin with."""


def load(name: str) -> Target:
    """Import a target."""
    return cast(Target, importlib.import_module(f"{__package__}.targets.{name}"))


def cases(name: str) -> dict[str, bytes]:
    """Return the inputs that once were crashes, by name."""
    return {file.stem: file.read_bytes() for file in sorted((CASES / name).glob("*")) if file.is_file()}
