"""Finds in a cloud's logs what went wrong last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUNTIME_ERROR = "[ERROR] "
"""How the runtime of a function reports that a process died."""


def last_error(folder: Path) -> str | None:
    """Return the last error in the functions' logs below a cloud's folder, None where there is none."""
    logs = sorted(folder.glob("logs/*/*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    return next((error for log in logs for error in _errors_backwards(log)), None)


def _errors_backwards(log: Path) -> Iterator[str]:
    for line in reversed(log.read_text(encoding="utf-8", errors="replace").splitlines()):
        if line.startswith(RUNTIME_ERROR):
            yield f"{log.parent.name}: {line.removeprefix(RUNTIME_ERROR)}"
        elif (entry := _entry(line)).get("level") == "ERROR":
            trace = entry.get("stack_trace") or {}
            yield f"{log.parent.name}: {entry.get('exception_name', entry.get('message'))}: {trace.get('value', '')}"


def _entry(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
