"""What goes wrong says so, where users look, and leaves nothing that looks like a result."""

from __future__ import annotations

import json
import time

from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import Laboratory


def no_results(laboratory: Laboratory) -> bool:
    return not [key for key in laboratory.results("") if "annotations" in key or "metrics" in key]


def test_an_imzml_without_its_ibd_waits_for_it_however_long_and_often_it_is_uploaded(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    laboratory.upload("databases/lipids.tsv", database)
    laboratory.upload("datasets/a/section.job.json", json.dumps({"databases": ["lipids"]}).encode())
    for _ in range(2):
        laboratory.upload("datasets/a/section.imzML", dataset.imzml.read_bytes())
        laboratory.wait()
        waiting = laboratory.input_status("datasets/a/section")
        assert waiting["state"] == "waiting"
        assert "ibd" in waiting["waiting_for"]
    laboratory.upload("datasets/a/section.IBD", dataset.ibd.read_bytes())
    laboratory.wait()
    assert laboratory.input_status("datasets/a/section")["state"] == "planned"
    assert laboratory.job_status()["state"] == "SUCCEEDED"


def test_a_truncated_ibd_is_refused_before_any_work(laboratory: Laboratory, dataset: SimulatedDataset) -> None:
    laboratory.upload("datasets/a/section.imzML", dataset.imzml.read_bytes())
    laboratory.upload("datasets/a/section.ibd", dataset.ibd.read_bytes()[:-1000])
    laboratory.wait()
    refused = laboratory.input_status("datasets/a/section")
    assert refused["state"] == "rejected"
    assert refused["error"] == "InvalidDatasetError"
    assert "spectrum" in refused["message"]
    assert no_results(laboratory)


def test_what_is_no_imzml_is_refused(laboratory: Laboratory) -> None:
    laboratory.upload("datasets/a/notes.imzML", b"<html>not found</html>")
    laboratory.upload("datasets/a/notes.ibd", b"\0" * 100)
    laboratory.wait()
    refused = laboratory.input_status("datasets/a/notes")
    assert (refused["state"], refused["error"]) == ("rejected", "InvalidDatasetError")


def test_a_configuration_with_an_unknown_field_is_refused_by_its_name(
    laboratory: Laboratory, dataset: SimulatedDataset
) -> None:
    laboratory.upload_dataset(dataset, polarty="positive")
    laboratory.wait()
    refused = laboratory.input_status("datasets/small/section")
    assert (refused["state"], refused["error"]) == ("rejected", "InvalidConfigurationError")
    assert "polarty" in refused["message"]


def test_a_task_that_cannot_succeed_fails_its_job_with_the_reason(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    """An object that the annotate stage needs is spoilt while the job is planned."""
    laboratory.annotate(dataset, database)
    assert laboratory.job_status()["state"] == "SUCCEEDED"
    s3, work = laboratory.cloud.client("s3"), laboratory.cloud.outputs["WorkBucket"]
    (run,) = laboratory.objects("WorkBucket", ".run")
    s3.put_object(Bucket=work, Key=run, Body=b"spoilt")
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"], ppm=7)
    laboratory.wait()

    documents = laboratory.results("/status.json").items()
    jobs = [json.loads(body) for key, body in documents if key.startswith("results/")]
    (failed,) = [body for body in jobs if body["state"] == "FAILED"]
    assert failed["stage"] == "annotate"
    assert failed["error"]
    assert not [key for key in laboratory.results("") if failed["job"] in key and not key.endswith("status.json")]


def test_an_execution_stopped_by_hand_is_reported_and_publishes_nothing(
    open_laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    laboratory: Laboratory = open_laboratory()
    laboratory.upload("databases/lipids.tsv", database)
    laboratory.wait()
    states, machine = laboratory.cloud.client("stepfunctions"), laboratory.cloud.outputs["StateMachineArn"]
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"])
    deadline = time.monotonic() + 60
    while not (running := states.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    states.stop_execution(executionArn=running[0]["executionArn"])
    laboratory.wait()

    assert laboratory.job_status()["state"] == "ABORTED"
    assert no_results(laboratory)
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"])
    laboratory.wait()
    assert (laboratory.job_status()["state"], laboratory.job_status()["attempt"]) == ("SUCCEEDED", 2)
