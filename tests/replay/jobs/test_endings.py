"""Every way in which an upload, a message or a job can end: told in the results bucket, with reason and remedy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ionfleet_replay import InvocationError
from ionfleet_simulate.dataset import SimulatedDataset, write_dataset
from ionfleet_simulate.simulation import Simulation

from .conftest import Laboratory, core_rows

SMALL_MB = 60
"""Less memory than a function takes that has imported what it needs."""

CONFIGURATION = {"polarity": "positive", "databases": ["lipids"]}
ONE, NONE = {"done": 1, "tasks": 1}, {"done": 0, "tasks": 1}
IN_ANNOTATE = {"sort": ONE, "isotopes": ONE, "partition": ONE, "annotate": NONE, "merge": NONE}


@pytest.fixture(scope="module")
def tiny_database() -> bytes:
    """Eight molecules."""
    return core_rows(*range(0, 400, 50))


@pytest.fixture(scope="module")
def tiny_datasets(tmp_path_factory: pytest.TempPathFactory, tiny_database: bytes) -> list[SimulatedDataset]:
    """Datasets of a few pixels, each of another size, with molecules of the database in them."""
    formulas = tuple(line.split("\t")[2] for line in tiny_database.decode().splitlines()[1:])
    folder = tmp_path_factory.mktemp("tiny")
    return [
        write_dataset(
            Simulation(width=4, height=3 + number, seed=number, peaks_per_spectrum=40, ions=5, formulas=formulas),
            folder,
            f"tiny-{number}",
        )
        for number in range(8)
    ]


def set_property(function: str, name: str, value: Any):
    """Return the change of a template that gives a function another memory, time or concurrency."""

    def change(resources: dict[str, Any]) -> None:
        resources[f"{function}Function"]["Properties"][name] = value

    return change


def start_job(laboratory: Laboratory, dataset: SimulatedDataset, database: bytes) -> None:
    laboratory.upload("databases/lipids.tsv", database)
    laboratory.wait()
    laboratory.upload_dataset(dataset, **CONFIGURATION)


def published(laboratory: Laboratory) -> list[str]:
    return [key for key in laboratory.results("") if key.startswith("results/") and not key.endswith("/status.json")]


class TestMessages:
    def test_what_is_no_event_is_kept_and_told_under_its_id_and_holds_nothing_up(
        self, laboratory: Laboratory, tiny_database: bytes
    ) -> None:
        sent = {laboratory.send(f"{name}Queue", f"garbage for {name}"): name for name in ("Uploads", "Manifests")}
        laboratory.upload("databases/lipids.tsv", tiny_database)
        laboratory.wait()

        assert laboratory.input_status("databases/lipids")["state"] == "imported"
        letters = laboratory.objects("WorkBucket", ".json")
        for message, name in sent.items():
            status = laboratory.input_status(f"messages/{message}")
            assert (status["state"], status["error"]) == ("failed", "UnreadableMessage")
            (kept,) = [key for key in letters if key in status["message"]]
            assert letters[kept] == f"garbage for {name}".encode()
        failed = [each for each in laboratory.cloud.invocations() if each.function == "PlannerFunction"]
        assert len(failed) == 6 + 1, "so often a message is delivered, and the good one once"

    @pytest.mark.parametrize(
        ("plan", "error", "words"),
        [(b"spoilt", "DamagedObjectError", "is not what was written there"), (None, "NotLaunched", "no plan")],
        ids=["damaged", "gone"],
    )
    def test_a_plan_that_cannot_be_read_is_told_under_the_messages_id(
        self, laboratory: Laboratory, plan: bytes | None, error: str, words: str
    ) -> None:
        s3, work = laboratory.cloud.client("s3"), laboratory.cloud.outputs["WorkBucket"]
        key = "manifests/job-00000000000000000000/plan.json"
        s3.put_object(Bucket=work, Key=key, Body=plan or b"")
        if plan is None:
            s3.delete_object(Bucket=work, Key=key)
        laboratory.wait()
        ((_, body),) = laboratory.results("status.json").items()
        status = json.loads(body)
        assert (status["state"], status["error"]) == ("failed", error)
        assert words in status["message"]

    def test_an_upload_that_the_planner_dies_of_every_time_is_failed(
        self, open_laboratory, tiny_datasets: list[SimulatedDataset]
    ) -> None:
        laboratory: Laboratory = open_laboratory(set_property("Planner", "MemorySize", SMALL_MB))
        laboratory.upload("datasets/a/tiny.imzML", tiny_datasets[0].imzml.read_bytes())
        laboratory.wait()
        status = laboratory.input_status("datasets/a/tiny")
        assert (status["state"], status["error"]) == ("failed", "PlannerFailed")
        assert "It was killed each time" in status["message"]
        assert {each.outcome for each in laboratory.cloud.invocations() if each.function == "PlannerFunction"} == {
            "Runtime.ExitError"
        }


class TestKilledTasks:
    def failed_in_annotate(self, laboratory: Laboratory) -> dict[str, Any]:
        status = laboratory.job_status()
        assert (status["state"], status["stage"], status["task"]) == ("FAILED", "annotate", 0)
        assert status["object"] == f"failures/{status['execution']}/annotate-0.json"
        assert status["progress"] == IN_ANNOTATE
        assert "Set planning.segment_peaks" in status["message"]
        assert published(laboratory) == []
        return status

    def test_a_task_beyond_its_memory_fails_its_job_saying_what_to_do(
        self, open_laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        laboratory: Laboratory = open_laboratory(set_property("Annotate", "MemorySize", SMALL_MB))
        start_job(laboratory, tiny_datasets[0], tiny_database)
        laboratory.wait()
        status = self.failed_in_annotate(laboratory)
        assert status["error"] == "Runtime.ExitError"
        assert "signal: killed" in status["message"]
        assert "more memory" in status["message"]
        killed = [each for each in laboratory.cloud.invocations() if each.function == "AnnotateFunction"]
        assert len(killed) == 3, "it is tried on another machine twice"

    def test_a_task_beyond_its_time_fails_its_job_saying_what_to_do(
        self, open_laboratory, tmp_path: Path, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        sleeper = tmp_path / "sleeper"
        sleeper.mkdir()
        (sleeper / "handler.py").write_text("import time\n\n\ndef handler(event, context):\n    time.sleep(3600)\n")

        def change(resources: dict[str, Any]) -> None:
            properties = resources["AnnotateFunction"]["Properties"]
            properties["Timeout"] = 1
            code = tmp_path / "assembly-0" / f"asset.{properties['Code']['S3Key'].removesuffix('.zip')}"
            code.unlink()
            code.symlink_to(sleeper)

        laboratory: Laboratory = open_laboratory(change)
        start_job(laboratory, tiny_datasets[0], tiny_database)
        laboratory.wait()
        status = self.failed_in_annotate(laboratory)
        assert status["error"] == "Sandbox.Timedout"
        assert "timed out after 1.00 seconds" in status["message"]


class TestExecutions:
    def held_in_annotate(self, open_laboratory, seconds: int | None = None) -> Laboratory:
        """Return a laboratory whose annotate function has no concurrency, and whose jobs may take so many seconds."""

        def change(resources: dict[str, Any]) -> None:
            resources["AnnotateFunction"]["Properties"]["ReservedConcurrentExecutions"] = 0
            machine = resources["WorkflowStateMachine"]["Properties"]
            if seconds is not None:
                text = json.dumps(machine["DefinitionString"])
                assert text.count('\\"TimeoutSeconds\\":21600') == 1
                changed = text.replace('\\"TimeoutSeconds\\":21600', f'\\"TimeoutSeconds\\":{seconds}')
                machine["DefinitionString"] = json.loads(changed)

        laboratory: Laboratory = open_laboratory(change)
        return laboratory

    def test_a_running_job_tells_how_far_it_is_and_one_that_is_stopped_by_whom(
        self, open_laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        laboratory = self.held_in_annotate(open_laboratory)
        start_job(laboratory, tiny_datasets[0], tiny_database)
        laboratory.until(lambda: bool(laboratory.job_statuses()) and laboratory.job_status()["stage"] == "annotate")
        status = laboratory.job_status()
        assert status["state"] == "RUNNING"
        assert status["progress"] == IN_ANNOTATE
        assert status["stage_entered_at"] > status["claimed_at"]
        assert status["configuration"]["databases"] == ["lipids"]
        assert {"ionfleet", "cpyMSpec"} <= status["versions"].keys()
        assert "links" not in status, "AWS's console knows nothing of this cloud"

        states, machine = laboratory.cloud.client("stepfunctions"), laboratory.cloud.outputs["StateMachineArn"]
        (execution,) = states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
        states.stop_execution(executionArn=execution["executionArn"], error="Enough", cause="asked for by the lab")
        laboratory.wait()
        status = laboratory.job_status()
        assert (status["state"], status["error"], status["stage"]) == ("ABORTED", "ABORTED", "annotate")
        assert status["message"].startswith("Enough: asked for by the lab Somebody stopped the execution.")
        assert status["progress"]["isotopes"] == {"done": 1, "tasks": 1}
        assert published(laboratory) == []

    def test_a_job_that_waits_for_concurrency_until_its_time_is_over_is_timed_out(
        self, open_laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        laboratory = self.held_in_annotate(open_laboratory, seconds=300)
        start_job(laboratory, tiny_datasets[0], tiny_database)
        laboratory.wait()
        status = laboratory.job_status()
        assert (status["state"], status["error"], status["stage"]) == ("TIMED_OUT", "TIMED_OUT", "annotate")
        assert "Upload one of the dataset's files again" in status["message"]
        assert published(laboratory) == []

    def test_what_is_started_again_after_its_end_publishes_nothing_and_says_so(
        self, open_laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        laboratory = self.held_in_annotate(open_laboratory, seconds=1)
        start_job(laboratory, tiny_datasets[0], tiny_database)
        laboratory.wait()
        before = laboratory.results("")
        ((key, plan),) = laboratory.objects("WorkBucket", "plan.json").items()
        states, machine = laboratory.cloud.client("stepfunctions"), laboratory.cloud.outputs["StateMachineArn"]
        execution = key.split("/")[1]
        (arn,) = [each["executionArn"] for each in states.list_executions(stateMachineArn=machine)["executions"]]
        given = states.describe_execution(executionArn=arn)["input"]

        by_hand = states.start_execution(stateMachineArn=machine, name="by-hand", input=given)["executionArn"]
        laboratory.cloud.client("s3").put_object(Bucket=laboratory.cloud.outputs["WorkBucket"], Key=key, Body=plan)
        redriven = {"execution": execution, "outcome": "SUCCEEDED", "stages": {}, "plan": key}
        laboratory.wait()
        with pytest.raises(InvocationError, match=r"AttemptEndedError: .* ended as TIMED_OUT at .* not published"):
            laboratory.cloud.invoke("StatusFunction", redriven)
        described = states.describe_execution(executionArn=by_hand)
        assert (described["status"], described["error"]) == ("FAILED", "NotLaunchedFromPlan")
        assert "Upload one of the dataset's files again" in described["cause"]
        assert len(states.list_executions(stateMachineArn=machine)["executions"]) == 2, "the plan started none"
        assert laboratory.results("") == before


def test_a_database_that_is_refused_is_told_by_itself_and_by_the_job_that_names_it(
    laboratory: Laboratory, tiny_datasets: list[SimulatedDataset]
) -> None:
    laboratory.upload("databases/broken.tsv", b"id\tname\tformula\n1\tGlucose\tC6H12O6\n2\tSalt\tNaCl.H2O\n")
    laboratory.wait()
    laboratory.upload_dataset(tiny_datasets[0], polarity="positive", databases=["broken"])
    laboratory.wait()
    for name in ("databases/broken", "datasets/small/tiny-0"):
        status = laboratory.input_status(name)
        assert (status["state"], status["error"]) == ("rejected", "InvalidDatabaseError"), name
        assert "row 3" in status["message"].lower(), name
    assert laboratory.job_statuses() == []


class TestSeveralDatasets:
    def test_one_dropped_while_another_runs_and_one_that_replaces_it_have_each_their_results(
        self, laboratory: Laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        """The second dataset comes under a name of its own, the third under that of the first."""
        first, second, third = tiny_datasets[:3]
        start_job(laboratory, first, tiny_database)
        laboratory.until(lambda: bool(laboratory.job_statuses()))
        laboratory.upload_dataset(second, **CONFIGURATION)
        for part in ("ibd", "imzml"):
            name = getattr(first, part).name
            laboratory.upload(f"datasets/small/{name}", getattr(third, part).read_bytes())
        laboratory.wait()

        statuses = laboratory.job_statuses()
        assert [status["state"] for status in statuses] == ["SUCCEEDED"] * 3
        summaries = [json.loads(body) for body in laboratory.results("summary.json").values()]
        pixels = sorted(summary["dataset"]["pixels"] for summary in summaries)
        assert pixels == sorted(each.spectra for each in (first, second, third))
        replaced = laboratory.input_status("datasets/small/tiny-0")
        (current,) = [summary for summary in summaries if summary["job"] == replaced["job"]]
        assert current["dataset"]["pixels"] == third.spectra

    def test_the_same_bytes_dropped_four_times_at_once_are_one_job_which_all_of_them_are_told(
        self, laboratory: Laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        laboratory.upload("databases/lipids.tsv", tiny_database)
        laboratory.wait()
        for number in range(4):
            laboratory.upload_dataset(tiny_datasets[0], f"datasets/lab-{number}", **CONFIGURATION)
        laboratory.wait()
        status = laboratory.job_status()
        assert (status["state"], status["attempt"]) == ("SUCCEEDED", 1)
        for number in range(4):
            upload = laboratory.input_status(f"datasets/lab-{number}/tiny-0")
            assert (upload["state"], upload["job"]) == ("planned", status["job"])

    def test_all_of_many_dropped_at_once_end(
        self, laboratory: Laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        drop_at_once(laboratory, tiny_datasets, tiny_database, len(tiny_datasets))

    @pytest.mark.campaign
    def test_all_of_a_hundred_dropped_at_once_end(
        self, laboratory: Laboratory, tiny_datasets: list[SimulatedDataset], tiny_database: bytes
    ) -> None:
        drop_at_once(laboratory, tiny_datasets, tiny_database, 100)


def drop_at_once(laboratory: Laboratory, datasets: list[SimulatedDataset], database: bytes, count: int) -> None:
    """Drop so many datasets: the same bytes under a configuration of its own are another job."""
    laboratory.upload("databases/lipids.tsv", database)
    laboratory.wait()
    for number in range(count):
        dataset = datasets[number % len(datasets)]
        laboratory.upload_dataset(dataset, f"datasets/lab-{number}", **CONFIGURATION, ppm=3 + number / 100)
    laboratory.wait(timeout=1200)

    statuses = laboratory.job_statuses()
    assert [status["state"] for status in statuses] == ["SUCCEEDED"] * count
    assert {status["attempt"] for status in statuses} == {1}
    assert len(laboratory.results("annotations.csv")) == count
    uploads = [json.loads(body) for key, body in laboratory.results("/status.json").items() if "/datasets/" in key]
    assert [upload["state"] for upload in uploads] == ["planned"] * count
