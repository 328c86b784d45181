"""What a validation found wrong or worth a warning, in a dataset or in a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # who only reads findings, such as the status function, has no numpy
    import numpy as np
    from numpy.typing import NDArray

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong ("error") or should be known ("warning") about an input.

    `code` names the kind in a few words joined by hyphens and never changes; `message` is for people; `where` is the
    place, such as "spectrum 17" or "row 3, column formula"; `count` is how many things this stands for.
    """

    severity: Severity
    code: str
    message: str
    where: str = ""
    count: int = 1

    def __str__(self) -> str:
        """Return the finding as one line of text."""
        return f"{self.where}: {self.message}" if self.where else self.message


class FindingLog:
    """Collects findings, of each code the first `limit` spelled out and the rest counted: bounded whatever the input.

    With `strict` every warning is taken down as an error.
    """

    def __init__(self, limit: int = 20, *, strict: bool = False) -> None:
        self._limit = limit
        self._strict = strict
        self._kept: dict[str, list[Finding]] = {}
        self._counts: dict[str, int] = {}

    def add(self, finding: Finding) -> None:
        """Note a finding."""
        if self._strict and finding.severity == "warning":
            finding = replace(finding, severity="error")
        kept = self._kept.setdefault(finding.code, [])
        if len(kept) < self._limit:
            kept.append(finding)
        self._counts[finding.code] = self._counts.get(finding.code, 0) + 1

    def error(self, code: str, message: str, where: str = "") -> None:
        """Note something that forbids going on."""
        self.add(Finding("error", code, message, where))

    def warning(self, code: str, message: str, where: str = "") -> None:
        """Note something a user should know."""
        self.add(Finding("warning", code, message, where))

    def each(
        self, severity: Severity, code: str, rows: NDArray[np.int64], describe: Callable[[int], tuple[str, str]]
    ) -> None:
        """Note one finding for each of `rows`; `describe` gives message and place of those that are spelled out."""
        for row in rows[: self._limit].tolist():
            self.add(Finding(severity, code, *describe(row)))
        if len(rows) > self._limit:
            self._counts[code] += len(rows) - self._limit

    @property
    def n_errors(self) -> int:
        """The number of errors, those not spelled out included."""
        return sum(n for code, n in self._counts.items() if self._kept[code][0].severity == "error")

    def findings(self) -> tuple[Finding, ...]:
        """Return the findings, code by code in the order of their first occurrence; what was left out as a count."""
        found: list[Finding] = []
        for code, kept in self._kept.items():
            found += kept
            rest = self._counts[code] - len(kept)
            if rest > 0:
                found.append(Finding(kept[0].severity, code, f"and {rest:,} more of this kind.", count=rest))
        return tuple(found)


def errors_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings that forbid going on, in their order."""
    return tuple(finding for finding in findings if finding.severity == "error")


def report(findings: Iterable[Finding], limit: int = 20) -> str:
    """Return findings as lines of text: the first `limit` spelled out, the rest counted."""
    found = tuple(findings)
    lines = [str(finding) for finding in found[:limit]]
    rest = sum(finding.count for finding in found[limit:])
    return "\n".join([*lines, f"and {rest:,} more."] if rest else lines)


def refusal(findings: Iterable[Finding]) -> str:
    """Return why a dataset cannot be used: its errors as `report` has them, below their number where there are more."""
    errors = errors_of(findings)
    number = sum(error.count for error in errors)
    total = f"The dataset has {number:,} errors:\n" if number > 1 else ""
    return total + report(errors)
