"""Claims, attempts and ends: decided once, whoever asks and however often."""

from __future__ import annotations

import itertools

import pytest

from ionfleet.errors import InvalidDatasetError, InvalidInputError, OutOfBudgetError
from ionfleet.formula import InvalidFormulaError
from ionfleet.identity import dataset_id, execution_name, job_id, job_of, timestamp, trigger_id
from ionfleet.jobs import (
    Attempt,
    End,
    State,
    claim_upload,
    end_attempt,
    end_message,
    error_name,
    read_end,
    refuse_attempt,
    take_attempt,
)
from ionfleet.store import MemoryStore, ObjectInfo

from .memory_cloud import NOON, after

JOB = "job-" + "1" * 20


def info(key: str, version: str = "1", etag: str = "e", size: int = 1) -> ObjectInfo:
    return ObjectInfo(key, size, etag, version)


def finish_plan(work: MemoryStore, attempt: Attempt) -> None:
    work.create(f"manifests/{attempt.execution}/plan.json", b"{}")


def ended(state: State, by: str = "somebody") -> End:
    return End(state=state, at=timestamp(NOON), by=by)


def test_a_dataset_is_its_bytes_wherever_and_whenever_they_were_uploaded() -> None:
    first = dataset_id(info("a.imzML", "1", "x", 5), info("a.ibd", "1", "y", 6))
    assert first == dataset_id(info("b.imzML", "9", "x", 5), info("b.ibd", "9", "y", 6))
    assert first != dataset_id(info("a.imzML", "1", "x", 5), info("a.ibd", "1", "y", 7))
    assert first != dataset_id(info("a.imzML", "1", "y", 5), info("a.ibd", "1", "x", 6))
    assert first.startswith("ds-")
    assert len(first) == 23


def test_every_upload_has_a_trigger_of_its_own() -> None:
    imzml, ibd = info("a.imzML"), info("a.ibd")
    triggers = {
        trigger_id(imzml, ibd, None),
        trigger_id(info("a.imzML", "2"), ibd, None),
        trigger_id(imzml, ibd, info("job.json")),
        trigger_id(imzml, ibd, info("job.json", "2")),
        trigger_id(info("b.imzML"), ibd, None),
    }
    assert len(triggers) == 5


def test_a_job_is_dataset_configuration_databases_in_order_and_format() -> None:
    names = {
        job_id(dataset, configuration, databases, version)
        for dataset, configuration, databases, version in itertools.product(
            ["ds-a", "ds-b"], [b"{}", b"{1}"], [["x", "y"], ["y", "x"]], ["1", "2"]
        )
    }
    assert len(names) == 16


def test_executions_are_named_after_job_and_attempt() -> None:
    assert [execution_name(JOB, attempt) for attempt in (1, 2, 12)] == [JOB, f"{JOB}-2", f"{JOB}-12"]
    assert {job_of(execution_name(JOB, attempt)) for attempt in (1, 2, 12)} == {JOB}


@pytest.mark.parametrize("name", ["", "job-1", f"{JOB}-0", f"{JOB}-", f"x{JOB}", f"{JOB}-2-3"])
def test_other_names_are_no_executions(name: str) -> None:
    with pytest.raises(InvalidInputError, match="not the name of an execution"):
        job_of(name)


def test_times_sort_as_text() -> None:
    moments = [NOON, after(0.0001), after(0.5), after(60), after(24 * 60)]
    assert [timestamp(moment) for moment in moments] == sorted(timestamp(moment) for moment in moments)
    assert timestamp(NOON) == "2026-05-04T12:00:00.000Z"


def test_one_message_claims_an_upload_and_keeps_it() -> None:
    work = MemoryStore()
    claim = claim_upload(work, "ds-a", "t", "first", NOON)
    assert claim is not None
    assert claim_upload(work, "ds-a", "t", "second", after(1)) is None
    assert claim_upload(work, "ds-a", "t", "first", after(2)) == claim
    assert claim.claimed_at == timestamp(NOON)
    assert claim_upload(work, "ds-a", "other", "second", after(3)) is not None


def test_the_claim_of_a_dead_message_binds_nobody() -> None:
    work = MemoryStore()
    claim = claim_upload(work, "ds-a", "t", "first", NOON)
    end_message(work, "first", ended("FAILED"))
    assert claim_upload(work, "ds-a", "t", "second", after(1)) == claim


def test_the_first_attempt_belongs_to_who_asks_first() -> None:
    work = MemoryStore()
    assert take_attempt(work, JOB, "t", "m") == Attempt(JOB, 1, mine=True, planned=False)
    assert take_attempt(work, JOB, "other", "n") == Attempt(JOB, 1, mine=False, planned=False)
    assert take_attempt(work, JOB, "t", "m") == Attempt(JOB, 1, mine=True, planned=False)


def test_a_planned_attempt_is_not_planned_again() -> None:
    work = MemoryStore()
    finish_plan(work, take_attempt(work, JOB, "t", "m"))
    assert take_attempt(work, JOB, "t", "m") == Attempt(JOB, 1, mine=True, planned=True)
    assert take_attempt(work, JOB, "other", "n") == Attempt(JOB, 1, mine=False, planned=True)


@pytest.mark.parametrize("state", ["FAILED", "ABORTED", "TIMED_OUT"])
def test_a_new_upload_after_a_failure_is_a_new_attempt(state: State) -> None:
    work = MemoryStore()
    finish_plan(work, take_attempt(work, JOB, "t", "m"))
    end_attempt(work, JOB, ended(state))
    second = take_attempt(work, JOB, "other", "n")
    assert second == Attempt(JOB, 2, mine=True, planned=False)
    assert second.execution == f"{JOB}-2"
    finish_plan(work, second)
    assert take_attempt(work, JOB, "third", "o") == Attempt(JOB, 2, mine=False, planned=True)


def test_a_late_duplicate_of_the_upload_that_failed_changes_nothing() -> None:
    work = MemoryStore()
    finish_plan(work, take_attempt(work, JOB, "t", "m"))
    end_attempt(work, JOB, ended("FAILED"))
    assert take_attempt(work, JOB, "t", "m").number == 1
    assert take_attempt(work, JOB, "t", "another message").number == 1
    assert f"claims/{JOB}/2.json" not in work.objects


def test_a_job_that_succeeded_is_not_attempted_again() -> None:
    work = MemoryStore()
    finish_plan(work, take_attempt(work, JOB, "t", "m"))
    end_attempt(work, JOB, ended("SUCCEEDED"))
    assert take_attempt(work, JOB, "other", "n") == Attempt(JOB, 1, mine=False, planned=True)


def test_an_attempt_that_could_not_be_planned_makes_way() -> None:
    work = MemoryStore()
    attempt = take_attempt(work, JOB, "t", "m")
    refuse_attempt(work, attempt, OutOfBudgetError("too large"))
    refuse_attempt(work, attempt, OutOfBudgetError("too large"))
    assert take_attempt(work, JOB, "t", "m") == attempt
    assert take_attempt(work, JOB, "other", "n") == Attempt(JOB, 2, mine=True, planned=False)


def test_an_attempt_whose_message_died_before_planning_makes_way() -> None:
    work = MemoryStore()
    take_attempt(work, JOB, "t", "m")
    end_message(work, "m", ended("FAILED"))
    assert take_attempt(work, JOB, "other", "n") == Attempt(JOB, 2, mine=True, planned=False)


def test_an_attempt_whose_message_died_after_planning_goes_on() -> None:
    work = MemoryStore()
    finish_plan(work, take_attempt(work, JOB, "t", "m"))
    end_message(work, "m", ended("FAILED"))
    assert take_attempt(work, JOB, "other", "n") == Attempt(JOB, 1, mine=False, planned=True)


@pytest.mark.parametrize(
    "states", list(itertools.permutations(["SUCCEEDED", "ABORTED", "FAILED"])), ids=lambda states: states[0]
)
def test_the_first_end_stands(states: tuple[State, ...]) -> None:
    work = MemoryStore()
    assert read_end(work, JOB) is None
    assert {end_attempt(work, JOB, ended(state)).state for state in states} == {states[0]}
    end = read_end(work, JOB)
    assert end is not None
    assert end.state == states[0]


def test_errors_are_called_by_the_names_users_know() -> None:
    class BrokenFileError(InvalidDatasetError):
        pass

    assert error_name(BrokenFileError("x")) == "InvalidDatasetError"
    assert error_name(InvalidFormulaError("x")) == "InvalidInputError"
    assert error_name(OutOfBudgetError("x")) == "OutOfBudgetError"
