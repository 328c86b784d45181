"""How far a job is."""

from __future__ import annotations

from ionfleet.progress import StageProgress, progress_on_entering, progress_within, rank
from ionfleet.telemetry import Invocation

TASKS = {"sort": 2, "isotopes": 3, "partition": 1, "annotate": 4}


def invocation(stage: str, task: int, *, failed: bool = False) -> Invocation:
    return Invocation(stage, task, 1, 2, 3, 4, 5, 6, 7, cold=False, request_id="r", failed=failed)


def done(progress: dict[str, StageProgress]) -> dict[str, int]:
    assert {stage: each.tasks for stage, each in progress.items()} == TASKS
    return {stage: each.done for stage, each in progress.items()}


def test_stages_that_run_side_by_side_are_entered_together() -> None:
    assert rank("sort") == rank("isotopes") < rank("partition") < rank("annotate") < rank("a stage of a later version")
    assert done(progress_on_entering(TASKS, "isotopes")) == dict.fromkeys(TASKS, 0)
    assert done(progress_on_entering(TASKS, "partition")) == {"sort": 2, "isotopes": 3, "partition": 0, "annotate": 0}


def test_a_task_counts_once_and_only_if_it_succeeded() -> None:
    noted = [
        invocation("sort", 0),
        invocation("sort", 0),
        invocation("sort", 1, failed=True),
        invocation("isotopes", 2),
    ]
    assert done(progress_within(TASKS, "sort", noted)) == {"sort": 1, "isotopes": 1, "partition": 0, "annotate": 0}


def test_before_the_stage_of_the_end_everything_is_done_though_an_account_was_lost() -> None:
    progress = progress_within(TASKS, "annotate", [invocation("annotate", 3)])
    assert done(progress) == {"sort": 2, "isotopes": 3, "partition": 1, "annotate": 1}


def test_where_nobody_knows_the_stage_what_was_noted_counts() -> None:
    noted = [invocation("sort", 1), invocation("annotate", 0), *(invocation("annotate", task) for task in range(9))]
    assert done(progress_within(TASKS, None, noted)) == {"sort": 1, "isotopes": 0, "partition": 0, "annotate": 4}
