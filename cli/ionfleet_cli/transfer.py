"""Shows how far an upload is: as a bar on a terminal, as one line when it is done everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from ionfleet.text import printable
from ionfleet_cli import terminal

MB = 10**6


@contextmanager
def shown(console: Console, name: str, size: int) -> Iterator[Callable[[int], None]]:
    """Show the upload of a file of a size in bytes while the block runs, which is to tell of bytes that arrived."""
    began = time.monotonic()
    if console.is_terminal and not console.is_dumb_terminal:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), TimeRemainingColumn(), console=console) as bar:
            task = bar.add_task(printable(name), total=size)
            yield lambda sent: bar.advance(task, sent)
        return
    yield lambda _: None
    console.print(terminal.styled(f"{name}: {size / MB:,.1f} MB in {terminal.elapsed(time.monotonic() - began)}"))
