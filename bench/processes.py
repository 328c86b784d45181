"""What a command and all its descendants use: CPU time, memory, and when its functions compute. Linux only.

Memory is told as proportional set size (PSS): pages that several processes share count once in all, so that those of
forked processes add up to what the machine has to hold.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL = 0.1
"""Seconds between two samples."""
LOCAL_RUNTIME = "local runtime"
"""The role of every process that runs no function."""
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")
_MB = 1024.0  # the kernel tells kB


@dataclass
class Usage:
    """What a command used.

    Attributes
    ----------
    wall, cpu
        Seconds; CPU of the command and all descendants.
    pss_mb
        The most that all processes held together.
    peak_pss_mb, peak_rss_mb
        The most that one process of each role held: a function's name, or `LOCAL_RUNTIME`.
    role_cpu
        CPU seconds by role, as far as the samples saw them.
    waiting
        Seconds, of those after a function first ran, in which no function computed: what is the local runtime's.
    output
        What the command printed.

    """

    wall: float = 0.0
    cpu: float = 0.0
    pss_mb: float = 0.0
    peak_pss_mb: dict[str, float] = field(default_factory=dict)
    peak_rss_mb: dict[str, float] = field(default_factory=dict)
    role_cpu: dict[str, float] = field(default_factory=dict)
    waiting: float = 0.0
    output: str = ""


class CommandError(Exception):
    """The command did not succeed; with what it printed."""


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end with nothing beside it: `wall`, `cpu` and `output` alone.

    Raises
    ------
    CommandError
        It ended with an error.

    """
    return _used(command, environment, sampled=False)


def measure(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Usage:
    """Run a command to its end and sample it, which takes a quarter of a core and so adds to its wall time.

    Raises
    ------
    CommandError
        It ended with an error.

    """
    return _used(command, environment, sampled=True)


def _used(command: Sequence[str], environment: Mapping[str, str] | None, *, sampled: bool) -> Usage:
    before, began = _children_cpu(), time.perf_counter()
    usage = Usage()
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        ) as process:
            if sampled:
                _sample(process, usage)
            process.wait()
        usage.wall = time.perf_counter() - began
        usage.cpu = _children_cpu() - before
        output.seek(0)
        usage.output = output.read().decode()
    if process.returncode:
        raise CommandError(f"{' '.join(command)} ended with {process.returncode}:\n{usage.output}")
    return usage


def _sample(process: subprocess.Popen[bytes], usage: Usage) -> None:
    watch = _Watch(usage, process.pid)
    while process.poll() is None:
        watch.sample()
        time.sleep(INTERVAL)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch:
    """Samples a process tree."""

    def __init__(self, usage: Usage, root: int) -> None:
        self._usage = usage
        self._root = root
        self._at = time.perf_counter()
        self._ticks: dict[int, int] = {}
        self._begun = False

    def sample(self) -> None:
        """Look at every process once."""
        together, computing = 0.0, False
        now = time.perf_counter()
        for pid, ticks in _tree(self._root):
            role = _role(pid)
            pss, rss = _memory(pid)
            together += pss
            _raise(self._usage.peak_pss_mb, role, pss)
            _raise(self._usage.peak_rss_mb, role, rss)
            used = ticks - self._ticks.get(pid, 0)
            self._ticks[pid] = ticks
            self._usage.role_cpu[role] = self._usage.role_cpu.get(role, 0.0) + used * _TICK
            computing |= role != LOCAL_RUNTIME and used > 0
        self._usage.pss_mb = max(self._usage.pss_mb, together)
        if self._begun and not computing:
            self._usage.waiting += now - self._at
        self._begun |= computing
        self._at = now


def _raise(peaks: dict[str, float], role: str, value: float) -> None:
    peaks[role] = max(peaks.get(role, 0.0), value)


def _tree(root: int) -> Iterator[tuple[int, int]]:
    """Yield a process and its descendants, each with the clock ticks of CPU that it has used."""
    children: dict[int, list[tuple[int, int]]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (found := _stat(int(entry.name))):
            parent, ticks = found
            children.setdefault(parent, []).append((int(entry.name), ticks))
    pending = [each for found in children.values() for each in found if each[0] == root]
    while pending:
        pid, ticks = pending.pop()
        yield pid, ticks
        pending += children.get(pid, ())


def _stat(pid: int) -> tuple[int, int] | None:
    """Return a process's parent and clock ticks, None where it has ended."""
    text = _read(pid, "stat")
    if text is None:
        return None
    fields = text.rpartition(")")[2].split()
    return int(fields[1]), int(fields[11]) + int(fields[12])


def _role(pid: int) -> str:
    """Return which function a process runs, by the log that it writes to."""
    try:
        log = Path(f"/proc/{pid}/fd/1").readlink()
    except OSError:
        return LOCAL_RUNTIME
    return log.parent.name if log.suffix == ".log" and log.parents[1].name == "logs" else LOCAL_RUNTIME


def _memory(pid: int) -> tuple[float, float]:
    """Return a process's PSS and its highest RSS so far, in MB; 0 where it has ended."""
    rollup, status = _read(pid, "smaps_rollup"), _read(pid, "status")
    if not rollup or not status:
        return 0.0, 0.0
    return _field(rollup, "Pss:"), _field(status, "VmHWM:")


def _field(text: str, name: str) -> float:
    return next((int(line.split()[1]) / _MB for line in text.splitlines() if line.startswith(name)), 0.0)


def _read(pid: int, name: str) -> str | None:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        # It ended while it was looked at.
        return None
