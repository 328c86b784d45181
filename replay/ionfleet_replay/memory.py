"""How much memory there is for handlers, and how much of it each is expected to take."""

from __future__ import annotations

from pathlib import Path

SHARE = 0.9
"""Of the memory that is free when a cloud is made; the rest is the cloud's own, and the user's."""
MARGIN = 1.25
"""How much more than the most so far an invocation may take, within its function's memory."""
_MB = 2**20


class Expectations:
    """What invocations of functions take: a function's whole memory, until one of them has shown what it needs.

    What a process shares with the others is counted with each: rather too much than too little.
    """

    def __init__(self) -> None:
        self._peaks: dict[str, float] = {}

    def of(self, function: str, memory_mb: float) -> float:
        """Return what the next invocation of a function with so much memory is expected to take, in MB."""
        return min(memory_mb, MARGIN * self._peaks.get(function, memory_mb))

    def learn(self, function: str, peak_mb: float) -> None:
        """Take note of what an invocation took; 0 where nobody saw it."""
        if peak_mb:
            self._peaks[function] = max(self._peaks.get(function, 0.0), peak_mb)


def available_mb(proc: Path = Path("/proc"), cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Return how much memory handlers may take together: what is free of the machine's, or of the container's."""
    lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
    free = next(int(fields[1]) * 1024 for fields in lines if fields[0] == "MemAvailable:")
    limit, used = cgroup / "memory.max", cgroup / "memory.current"
    if limit.is_file() and (most := limit.read_text().strip()) != "max":
        free = min(free, int(most) - int(used.read_text()))
    return SHARE * max(0, free) / _MB
