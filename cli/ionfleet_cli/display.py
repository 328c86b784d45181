"""Shows how far a job is: as a table that lives on a terminal, as plain lines everywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Column, Table

from ionfleet_cli import terminal
from ionfleet_cli.progress import Stage

REFRESHES = 4
"""Times a second that the table is drawn."""

LINE_INTERVAL = 5.0
"""Seconds at least between two lines that count the tasks of one stage."""

SHORTEST_TIME = 0.001
"""Seconds that a stage takes at least which anybody saw run."""

BAR_WIDTH = 20
MARKS = {
    "waiting": ("·", "dim"),
    "running": ("▸", "cyan"),
    "done": ("✓", "green"),
    "passed by": ("-", "dim"),
    "failed": ("✗", "red"),
}


class Display(Protocol):
    """Where a run tells what it does."""

    def note(self, text: str) -> None:
        """Tell something in one line."""

    def changed(self, stage: Stage) -> None:
        """Show a stage that changed."""

    def showing(
        self, stages: Mapping[str, Stage], below: Callable[[], str] | None = None
    ) -> AbstractContextManager[None]:
        """Show the stages while a `with` block runs, and a line below them."""


def display_on(console: Console) -> Display:
    """Return the display that fits a console."""
    return LiveDisplay(console) if console.is_terminal and not console.is_dumb_terminal else LineDisplay(console)


class LiveDisplay:
    """A line for each stage, drawn again and again in one place."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def note(self, text: str) -> None:
        """Print a line; while stages are shown, above them."""
        self._console.print(terminal.styled(text))

    def changed(self, stage: Stage) -> None:
        """Do nothing: the table is drawn from the stages as they are."""

    @contextmanager
    def showing(self, stages: Mapping[str, Stage], below: Callable[[], str] | None = None) -> Iterator[None]:
        """Show the stages while the block runs; what they came to stays."""

        def drawn() -> RenderableType:
            return stage_table(stages) if below is None else Group(stage_table(stages), terminal.styled(below(), "dim"))

        with Live(get_renderable=drawn, console=self._console, refresh_per_second=REFRESHES):
            yield


class LineDisplay:
    """A line when a stage begins and ends, and now and then how far it is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._told: dict[str, tuple[str, float]] = {}

    def note(self, text: str) -> None:
        """Print a line."""
        self._console.print(terminal.styled(text))

    def changed(self, stage: Stage) -> None:
        """Print a line where the stage came into another state, or has not been heard of for a while."""
        state, told = self._told.get(stage.name, ("waiting", 0.0))
        now = time.monotonic()
        if stage.state != state or (stage.state == "running" and now - told >= LINE_INTERVAL):
            self._told[stage.name] = stage.state, now
            self.note(described(stage, begins=stage.state != state))

    @contextmanager
    def showing(
        self,
        stages: Mapping[str, Stage],  # noqa: ARG002 - what a display must take
        below: Callable[[], str] | None = None,  # noqa: ARG002
    ) -> Iterator[None]:
        """Do nothing: what changes is told by `changed`."""
        yield


def described(stage: Stage, *, begins: bool) -> str:
    """Return one line about a stage as it stands."""
    if stage.state == "passed by":
        return f"{stage.name}: nothing to do"
    if stage.state == "running" and begins:
        parts = ["begins", terminal.counted(stage.total, "task") if stage.total else "", stage.amount]
    else:
        tasks = f"{tasks_of(stage)} tasks" if stage.total else ""
        # What was over before anybody looked took a time that is not known.
        seconds = terminal.elapsed(stage.seconds) if stage.seconds >= SHORTEST_TIME else ""
        parts = [stage.state, tasks, stage.amount, seconds]
    return f"{stage.name}: {', '.join(filter(None, parts))}"


def tasks_of(stage: Stage) -> str:
    """Return how many of a stage's tasks are done, "" where it has but one."""
    if stage.total is None:
        return ""
    failed = f" ({stage.failed:,} failed)" if stage.failed else ""
    return f"{stage.done:,}/{stage.total:,}{failed}"


def stage_table(stages: Mapping[str, Stage]) -> Table:
    """Return a table of the stages as they stand."""
    amount = Column(no_wrap=True, ratio=1)
    table = Table.grid(*(Column() for _ in range(4)), amount, padding=(0, 2), expand=True)
    for stage in stages.values():
        mark, style = MARKS[stage.state]
        table.add_row(
            terminal.styled(f"{mark} {stage.name}", style),
            _bar(stage),
            terminal.styled(tasks_of(stage)),
            terminal.styled(terminal.elapsed(stage.seconds) if stage.began else ""),
            terminal.styled("nothing to do" if stage.state == "passed by" else stage.amount, "dim"),
        )
    return table


def _bar(stage: Stage) -> ProgressBar:
    ended = stage.state == "done"
    if stage.total:
        return ProgressBar(total=stage.total, completed=stage.done, width=BAR_WIDTH)
    return ProgressBar(total=1, completed=int(ended), width=BAR_WIDTH, pulse=stage.state == "running")
