"""How the progress of a job is kept and shown."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from ionfleet_cli import display
from ionfleet_cli.display import LineDisplay, LiveDisplay, display_on
from ionfleet_cli.progress import STAGES, Progress, Stage
from ionfleet_replay import MapProgress, Observation, StateEntered, StateExited


def progress_after(*observations: Observation) -> tuple[Progress, list[tuple[str, str]]]:
    changes: list[tuple[str, str]] = []
    progress = Progress(lambda stage: changes.append((stage.name, stage.state)))
    for observation in observations:
        progress.observe(observation)
    return progress, changes


def entered(state: str) -> StateEntered:
    return StateEntered("job-1", state)


def exited(state: str) -> StateExited:
    return StateExited("job-1", state)


def lines_of(*stages: Stage) -> list[str]:
    console = Console(file=io.StringIO(), width=200)
    shown = LineDisplay(console)
    for stage in stages:
        shown.changed(stage)
    return console.file.getvalue().splitlines()


def test_a_stage_runs_between_entry_and_exit_of_its_state() -> None:
    progress, changes = progress_after(entered("Partition"), exited("Partition"))
    assert changes[-2:] == [("partition", "running"), ("partition", "done")]
    assert progress.stages["partition"].seconds >= 0


def test_states_that_are_no_stages_are_passed_over() -> None:
    _, changes = progress_after(entered("Enter sort and isotopes"), entered("Any sort tasks?"), exited("Done"))
    assert changes == []


def test_tasks_of_a_map_are_counted() -> None:
    progress, _ = progress_after(entered("Sort"), MapProgress("job-1", "Sort", total=4, done=3, failed=0))
    assert (progress.stages["sort"].done, progress.stages["sort"].total) == (3, 4)


def test_a_stage_whose_tasks_failed_has_failed() -> None:
    progress, _ = progress_after(
        entered("Annotate"), MapProgress("job-1", "Annotate", total=4, done=3, failed=1), exited("Annotate")
    )
    assert progress.stages["annotate"].state == "failed"


def test_stages_that_never_ran_before_a_later_one_had_nothing_to_do() -> None:
    progress, _ = progress_after(entered("Isotopes"), exited("Isotopes"), entered("Partition"))
    assert progress.stages["sort"].state == "passed by"
    assert progress.stages["isotopes"].state == "done"


@pytest.mark.parametrize("first", ["Sort", "Isotopes"])
def test_sort_and_isotopes_run_side_by_side_in_either_order(first: str) -> None:
    progress, _ = progress_after(entered(first), entered("Isotopes" if first == "Sort" else "Sort"))
    assert progress.stages["sort"].state == progress.stages["isotopes"].state == "running"


def test_a_stage_that_seemed_to_be_done_can_turn_out_to_have_failed() -> None:
    progress, _ = progress_after(entered("Partition"), exited("Partition"))
    progress.fail("partition")
    assert progress.stages["partition"].state == "failed"


def test_a_failure_of_no_known_place_is_one_of_what_runs() -> None:
    progress, _ = progress_after(entered("Merge"))
    progress.fail()
    states = {name: stage.state for name, stage in progress.stages.items()}
    assert states["merge"] == "failed"
    assert states["render"] == "waiting"


def test_lines_tell_of_each_begin_and_end_with_amounts() -> None:
    stage = Stage("sort", "running", total=3, amount="8,199 peaks")
    done = Stage("sort", "done", done=3, total=3, amount="8,199 peaks", began=1.0, ended=2.5)
    assert lines_of(stage, done) == ["sort: begins, 3 tasks, 8,199 peaks", "sort: done, 3/3 tasks, 8,199 peaks, 1.5 s"]


def test_lines_do_not_tell_of_every_task(monkeypatch: pytest.MonkeyPatch) -> None:
    stages = [Stage("sort", "running", done=done, total=100, began=1.0) for done in range(100)]
    assert len(lines_of(*stages)) == 1
    monkeypatch.setattr(display, "LINE_INTERVAL", 0.0)
    assert lines_of(*stages)[5].startswith("sort: running, 5/100 tasks, ")


def test_a_stage_with_nothing_to_do_takes_one_line() -> None:
    assert lines_of(Stage("sort", "passed by")) == ["sort: nothing to do"]


def test_a_pipe_gets_lines_and_a_terminal_a_table() -> None:
    assert isinstance(display_on(Console(file=io.StringIO())), LineDisplay)
    assert isinstance(display_on(Console(file=io.StringIO(), force_terminal=True, _environ={})), LiveDisplay)
    dumb = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "dumb"})
    assert isinstance(display_on(dumb), LineDisplay)


def test_the_table_has_a_line_for_each_stage_with_tasks_and_amounts() -> None:
    progress, _ = progress_after(entered("Annotate"), MapProgress("job-1", "Annotate", total=7, done=2, failed=1))
    progress.describe("annotate", "261,634 ions")
    console = Console(file=io.StringIO(), width=120)
    console.print(display.stage_table(progress.stages))
    lines = console.file.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == list(STAGES)
    annotate = lines[STAGES.index("annotate")]
    assert "2/7 (1 failed)" in annotate
    assert "261,634 ions" in annotate
    assert "nothing to do" in lines[STAGES.index("sort")]


def test_the_table_is_drawn_in_place_and_notes_stand_above_it() -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, _environ={})
    live = LiveDisplay(console)
    progress, _ = progress_after(entered("Merge"))
    with live.showing(progress.stages):
        live.note("a [bold]note[/bold]")
    text = console.file.getvalue()
    assert "a [bold]note[/bold]" in text
    assert text.rindex("publish") > text.rindex("note")
