"""Whatever goes wrong in the cloud, a job ends once, whole or with its true reason; and the checker would notice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from ionfleet_cli.local_cloud import HANDLERS_NEED
from ionfleet_replay import DeadLetter, ExecutionEnded, Faults, Nursery
from ionfleet_replay.faults import Kind

from .campaign import run_seeds, table
from .experiment import Material, Trial, attempt, make_material, run
from .invariants import Evidence, findings


@pytest.fixture(scope="module")
def material() -> Material:
    return make_material()


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery"), HANDLERS_NEED) as nursery:
        yield nursery


@pytest.fixture(scope="module")
def good(material: Material, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """What an undisturbed run leaves."""
    return run(material, tmp_path_factory.mktemp("good") / "cloud", Faults.none(), nursery)


@pytest.fixture(scope="module")
def expected(good: Evidence) -> Mapping[str, bytes]:
    return good.tables()


def test_an_undisturbed_run_succeeds_with_several_tasks_of_each_stage(good: Evidence) -> None:
    assert good.outcome() == "SUCCEEDED"
    assert findings(good, good.tables()) == []
    for suffix in (".run", "metrics.parquet"):
        assert len([key for key in good.work if key.endswith(suffix)]) >= 3
    assert len([key for key in good.work if key.startswith("isotopes/")]) >= 3


@pytest.mark.parametrize("seed", [3, 5])
def test_a_job_survives_a_seed_or_fails_with_its_true_reason(
    material: Material, expected: Mapping[str, bytes], nursery: Nursery, seed: int
) -> None:
    trial = attempt(material, expected, seed, nursery)
    assert trial.findings == []
    assert sum(trial.injected.values()) > 5


def test_a_planner_that_always_dies_is_told_as_the_reason(
    material: Material, expected: Mapping[str, bytes], nursery: Nursery
) -> None:
    trial = attempt(material, expected, 1, nursery, rates={Kind.WORKER_KILLED: 0.25})
    assert trial.findings == []
    assert trial.outcome == "failed PlannerFailed"


@pytest.mark.campaign
def test_two_hundred_seeds_leave_every_job_ended_once_whole_or_with_its_reason() -> None:
    trials = list(run_seeds(range(1, 201)))
    assert len(trials) == 200
    assert not [trial for trial in trials if trial.findings], table(trials)
    assert {kind for trial in trials for kind in trial.injected} == {*Kind}


class TestTheChecker:
    """What the invariants do not allow is found: each test spoils the evidence of a good run in one way."""

    def test_another_table(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        key = min(expected)
        spoilt = replace(good, results={**good.results, key: b"other"})
        assert any("differs" in finding for finding in findings(spoilt, expected))

    def test_a_table_too_few(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        spoilt = replace(good, results={key: data for key, data in good.results.items() if key != max(expected)})
        assert any("instead of" in finding for finding in findings(spoilt, expected))

    def test_results_of_a_job_that_failed_for_no_reason(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        said = {key: data.replace(b"SUCCEEDED", b"FAILED") for key, data in good.results.items()}
        found = findings(replace(good, results=said), expected)
        assert any("did not succeed, but published" in finding for finding in found)
        assert any("names no fault" in finding for finding in found)

    def test_a_reason_that_was_not_injected(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        said = {
            key: data.replace(b'"state": "SUCCEEDED"', b'"state": "FAILED", "error": "Runtime.ExitError"')
            for key, data in good.results.items()
        }
        found = findings(replace(good, results=said), expected)
        assert any("no injected fault explains" in finding for finding in found)

    def test_an_execution_that_ran_twice(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        ended = [seen for seen in good.seen if isinstance(seen, ExecutionEnded)]
        assert findings(replace(good, seen=[*good.seen, *ended]), expected) != []

    def test_a_second_attempt(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        second = f"manifests/{good.executions[0]}-2/plan.json"
        assert any("2 attempts" in finding for finding in findings(replace(good, work=[*good.work, second]), expected))

    def test_an_object_that_never_expires(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        spoilt = replace(good, work=[*good.work, "scratch/x"])
        assert findings(spoilt, expected) == ["scratch/x in the work bucket never expires"]

    def test_an_upload_in_parts_that_nothing_ends(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        begun = replace(good, uploads_in_parts=[("WorkBucket", "datasets/x.run")])
        assert findings(begun, expected) == []
        rules = {bucket: [] for bucket in good.lifecycles} | {"WorkBucket": [{"Prefix": "d", "ExpirationInDays": 1}]}
        found = findings(replace(begun, lifecycles=rules), expected)
        assert "an upload of datasets/x.run in WorkBucket is never aborted" in found

    def test_a_message_that_is_left(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        assert findings(replace(good, depths={"Queue": 1}), expected) == ["1 messages are left in Queue"]

    def test_a_dead_letter_that_nobody_kept_or_told_of(self, good: Evidence, expected: Mapping[str, bytes]) -> None:
        letter = DeadLetter("dlq", '{"detail": {"object": {"key": "datasets/small/other.ibd"}}}')
        found = findings(replace(good, seen=[*good.seen, letter]), expected)
        assert found == [
            "1 of 1 dead letters were not kept",
            "no document tells of the dead letter about inputs/datasets/small/other/",
        ]


def test_a_campaigns_table_counts_faults_ends_and_findings() -> None:
    good = Trial(4, "SUCCEEDED", 1.0, Counter({"latency": 2, "worker killed": 1}))
    bad = Trial(5, "no end", 1.0, Counter({"latency": 3}), ["it hangs"])
    lines = table([bad, good]).splitlines()
    assert lines[0] == "2 runs (seeds 4 to 5), 6 faults."
    assert "| latency | 5 | 2 |" in lines
    assert "| no end | 1 |" in lines
    assert lines[-1] == "* seed 5 (`make chaos SEEDS=1 FIRST=5`): it hangs"
