"""The stack as a long-running endpoint, and the commands about a deployment, against it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import Result
from typer.testing import CliRunner

from ionfleet.databases import bundled_database
from ionfleet.uploads import DatasetName
from ionfleet_cli import multipart
from ionfleet_cli.deployment import Address, find_deployment
from ionfleet_cli.failures import CommandError
from ionfleet_cli.local_state import Place
from ionfleet_cli.main import application
from ionfleet_cli.submit import await_plan
from ionfleet_replay.contents import PART
from ionfleet_simulate.dataset import SimulatedDataset, write_dataset
from ionfleet_simulate.simulation import Simulation

JOB = re.compile(r"job-[0-9a-f]{20}(?:-\d+)?")
JOBS = 100


@dataclass(frozen=True)
class User:
    """Somebody at a terminal, whose state folder holds one local cloud, of the name `local`."""

    folder: Path
    dataset: SimulatedDataset
    database: Path

    def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        """Return what a command prints, which has to end with an exit code."""
        done: Result = CliRunner().invoke(application, list(map(str, arguments)))
        assert done.exit_code == code, done.output
        return done.output

    def submit(self, *arguments: str | Path) -> str:
        """Submit the dataset and return its job."""
        return JOB.findall(self("submit", self.dataset.imzml, "--database", self.database, *arguments))[-1]


@pytest.fixture(scope="module")
def user(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    folder = tmp_path_factory.mktemp("user")
    header, *rows = bundled_database().decode().splitlines(keepends=True)
    chosen = rows[0:3000:60]
    formulas = tuple(dict.fromkeys(row.split("\t")[2] for row in chosen))
    simulation = Simulation(width=8, height=7, peaks_per_spectrum=100, ions=8, formulas=formulas, wrong_patterns=0.0)
    dataset = write_dataset(simulation, folder, "tissue")
    database = folder / "few.tsv"
    database.write_text("".join([header, *chosen]))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("XDG_STATE_HOME", str(folder / "state"))
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        user = User(folder, dataset, database)
        user("local", "up", "--assembly", assembly, "--folder", folder / "cloud", "--workers", "2")
        try:
            yield user
        finally:
            with suppress(AssertionError):
                user("local", "down")


def until(look: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def test_a_second_cloud_of_a_name_is_refused_by_that_name(user: User, assembly: Path) -> None:
    said = user("local", "up", "--assembly", assembly, code=2)
    assert "'local' is up already" in said
    assert "127.0.0.1" in user("local", "status")


def test_the_printed_variables_lead_any_client_to_the_stack(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = user("local", "status", "--env").splitlines()
    for line in lines:
        name, _, value = line.removeprefix("export ").partition("=")
        monkeypatch.setenv(name, value.strip("'"))
    (stack,) = boto3.client("cloudformation").describe_stacks(StackName="Ionfleet")["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert outputs["InputBucket"] == os.environ["INPUT_BUCKET"]
    machine = os.environ["STATE_MACHINE_ARN"]
    boto3.client("s3").head_bucket(Bucket=os.environ["RESULTS_BUCKET"])
    assert "executions" in boto3.client("stepfunctions").list_executions(stateMachineArn=machine)
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    said = user("jobs", "--stack", "Another", code=1)
    assert "no stack 'Another'" in said


def test_a_submitted_dataset_becomes_results_in_a_folder(user: User) -> None:
    job = user.submit("--name", "brain")
    told = user("watch", job)
    assert "plan: done" in told
    assert "annotate: done, 1/1 tasks" in told
    assert re.search(r"It cost \$0\.00\d+ \(\$0\.00\d+ was expected\)", told)
    out = user.folder / "results"
    user("fetch", job[:12], "--out", out)
    assert (out / "annotations.csv").is_file()
    assert json.loads((out / "summary.json").read_text())["job"] == job
    assert re.search(rf"{job} +brain +SUCCEEDED", user("jobs"))
    assert job in user("report", "brain", "--out", user.folder / "page.html") + (user.folder / "page.html").read_text()
    assert "pixels" in user("image", job, "--mz", 500, "--out", user.folder / "image.npy")
    assert "1 SUCCEEDED" in user("local", "status")
    again = user("submit", user.dataset.imzml, "--database", user.database, "--name", "brain")
    assert "tissue.ibd: is there already" in again
    assert job in again


def test_a_job_is_stopped_and_tried_again(user: User) -> None:
    # Thousands of formulas take long enough to be stopped.
    job = drop(user.dataset, "datasets/dropped/", databases=["ionfleet-core"], polarity="positive")

    def cancelled() -> bool:
        done = CliRunner().invoke(application, ["cancel", job, "--reason", "mistaken"])
        assert done.exit_code == 0 or "has not begun" in done.output, done.output
        return f"{job} is ABORTED" in done.output

    until(cancelled)
    listed = user("jobs")
    assert re.search(rf"{job} +tissue +ABORTED", listed)
    assert "mistaken" in listed
    assert "mistaken" in user("watch", job, code=1)
    assert "ABORTED" in user("fetch", job, code=1)
    assert "has ended already" in user("cancel", job, code=1)
    assert f"{job}-2" in user("redrive", job)
    own = find_deployment(Address()).buckets.input.get("datasets/dropped/tissue.job.json")
    assert own is None, "the folder's configuration would not count any more"
    assert "only a job that ended in failure" in user("redrive", job, code=1)
    user("watch", job)
    assert re.search(rf"{job}-2 +tissue +SUCCEEDED", user("jobs"))


def test_a_job_that_may_not_cost_so_much_is_refused_with_its_estimate(user: User) -> None:
    arguments = ("submit", user.dataset.imzml, "--database", user.database, "--max-cost-usd", "0.000001", "--name", "x")
    assert "OutOfBudgetError" in user(*arguments, code=1)
    listed = user("jobs")
    assert re.search(r"– +tissue +rejected", listed)
    assert "tissue: OutOfBudgetError: To annotate 'x' is estimated at" in listed


def test_databases_are_added_listed_and_removed(user: User, tmp_path: Path) -> None:
    lipids, broken = tmp_path / "lipids.csv", tmp_path / "broken.csv"
    lipids.write_text("id,name,formula\n1,glucose,C6H12O6\n")
    broken.write_text("id,name,formula\n1,glucose,C6H12O6\n2,nothing,Xx2\n")
    assert "1 row, 1 formula" in user("databases", "add", lipids)
    lipids.write_text("id,name,formula\n1,glucose,C6H12O6\n2,alanine,C3H7NO2\n")
    assert "2 rows, 2 formulas" in user("databases", "add", lipids)
    assert "InvalidDatabaseError" in user("databases", "add", broken, code=3)
    listed = user("databases", "list")
    assert re.search(r"lipids +imported +2 +2", listed)
    assert re.search(r"broken +rejected", listed)
    user("databases", "remove", "lipids")
    assert "lipids" not in user("databases", "list")
    assert "no database 'lipids'" in user("databases", "remove", "lipids", code=2)
    assert "comes with Ionfleet" in user("databases", "remove", "ionfleet-core", code=2)


@pytest.mark.usefixtures("user")
def test_an_interrupted_upload_goes_on_with_the_parts_that_arrived(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "AT_ONCE", 1)
    deployment, path = find_deployment(Address()), tmp_path / "large.bin"
    bucket, client = deployment.buckets.input, deployment.client("s3")
    path.write_bytes(os.urandom(5 * PART + 1000))
    sent: list[int] = []

    class Interruption(Exception):
        pass

    def interrupted(size: int) -> None:
        sent.append(size)
        raise Interruption

    with pytest.raises(Interruption):
        bucket.upload("large.bin", path, interrupted)
    assert bucket.etag("large.bin") is None
    (begun,) = client.list_multipart_uploads(Bucket=bucket.name)["Uploads"]
    named = {"Bucket": bucket.name, "Key": "large.bin", "UploadId": begun["UploadId"]}
    arrived = {part["PartNumber"] for part in client.list_parts(**named)["Parts"]}
    assert 1 <= len(arrived) < len(multipart.cut(path.stat().st_size)), "nobody may go on after an interruption"
    sent.clear()
    calls: list[int] = []
    client.meta.events.register(
        "provide-client-params.s3.UploadPart", lambda params, **_: calls.append(params["PartNumber"])
    )
    bucket.upload("large.bin", path, sent.append)
    assert not arrived & {*calls}
    assert sum(sent) == path.stat().st_size
    assert bucket.etag("large.bin") == multipart.etag_of(path)
    client.upload_file(str(path), bucket.name, "other.bin")
    assert bucket.etag("other.bin") == bucket.etag("large.bin"), "the id of a dataset would depend on the client"
    assert not client.list_multipart_uploads(Bucket=bucket.name).get("Uploads")
    bucket.download("large.bin", tmp_path / "again.bin")
    assert (tmp_path / "again.bin").read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("user")
def test_a_file_that_changes_during_its_upload_is_refused_and_taken_once_it_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "AT_ONCE", 1)
    deployment, path = find_deployment(Address()), tmp_path / "growing.bin"
    bucket, client = deployment.buckets.input, deployment.client("s3")
    path.write_bytes(os.urandom(2 * PART))

    def grow(_sent: int) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(CommandError, match="changed while it was uploaded; submit it again"):
        bucket.upload("growing.bin", path, grow)
    assert bucket.etag("growing.bin") is None
    assert not client.list_multipart_uploads(Bucket=bucket.name).get("Uploads"), "its parts are of no use"
    bucket.upload("growing.bin", path)
    assert bucket.etag("growing.bin") == multipart.etag_of(path)


@pytest.mark.usefixtures("user")
def test_of_a_file_that_changed_after_an_interruption_only_what_is_new_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "AT_ONCE", 1)
    deployment, path = find_deployment(Address()), tmp_path / "edited.bin"
    bucket, client = deployment.buckets.input, deployment.client("s3")
    path.write_bytes(os.urandom(3 * PART))
    place = {"Bucket": bucket.name, "Key": "edited.bin"}
    begun = client.create_multipart_upload(**place, ChecksumAlgorithm=multipart.CHECKSUM)["UploadId"]
    for number in (1, 2):
        body = path.read_bytes()[(number - 1) * PART : number * PART]
        client.upload_part(**place, UploadId=begun, PartNumber=number, Body=body, ChecksumAlgorithm=multipart.CHECKSUM)
    with path.open("r+b") as file:
        file.seek(PART)
        file.write(b"edited")
    calls: list[int] = []
    client.meta.events.register(
        "provide-client-params.s3.UploadPart", lambda params, **_: calls.append(params["PartNumber"])
    )
    bucket.upload("edited.bin", path)
    assert calls == [2, 3]
    assert bucket.etag("edited.bin") == multipart.etag_of(path)


def test_a_deployment_is_proved_and_nothing_is_left_where_users_look(user: User) -> None:
    told = user("smoke")
    assert re.search(r"works: \d+ of 12 planted ions", told)
    buckets = find_deployment(Address()).buckets
    for bucket in (buckets.input, buckets.results):
        assert not [key for key in bucket.keys("") if "smoke" in key]
    assert "smoke" not in user("jobs")


def test_a_job_that_is_not_there_is_said_to_be_missing(user: User) -> None:
    assert "no job 'job-00000000'" in user("watch", "job-00000000", code=2)
    assert "no job '../etc'" in user("watch", "../etc", code=2)


def test_of_two_clouds_one_has_to_be_named(user: User, assembly: Path) -> None:
    user("local", "up", "--name", "second", "--assembly", assembly, "--workers", "1")
    assert "--local" in user("jobs", code=2)
    assert "no jobs yet" in user("jobs", "--local", "second")
    document = json.loads((Place("second").folder / "endpoint.json").read_text())
    os.kill(document["pid"], signal.SIGKILL)
    until(lambda: not Place("second").alive)
    assert "stale" in user("local", "status", "--name", "second", code=1)
    assert "cleaned up" in user("local", "down", "--name", "second")
    assert not Path(document["folder"]).exists()
    assert "No local cloud 'second'" in user("local", "down", "--name", "second", code=1)


def test_the_results_of_a_cloud_with_a_folder_outlive_it(user: User) -> None:
    assert str(user.folder / "cloud") in user("local", "down")
    kept = user.folder / "cloud" / "results-bucket"
    assert list(kept.glob("results/ds-*/job-*/annotations.csv"))
    assert "No local cloud" in user("local", "status", code=1)
    said = user("local", "up", "--folder", user.folder / "cloud", code=2)
    assert "not an empty folder" in said


def drop(dataset: SimulatedDataset, folder: str, **configuration: Any) -> str:
    """Put a dataset into a folder as any client would, with a configuration of the folder; return its job."""
    deployment = find_deployment(Address())
    bucket = deployment.buckets.input
    bucket.put(f"{folder}job.json", json.dumps(configuration).encode())
    for path in (dataset.ibd, dataset.imzml):
        bucket.upload(f"{folder}{path.name}", path)
    return await_plan(deployment, DatasetName(folder, dataset.imzml.stem), None).job


@pytest.mark.campaign
def test_a_local_cloud_survives_a_hundred_jobs(user: User, assembly: Path) -> None:
    user("local", "up", "--name", "hundred", "--assembly", assembly)
    try:
        memory = []
        for number in range(JOBS):
            job = user.submit("--name", f"tissue {number}", "--local", "hundred")
            user("watch", job, "--local", "hundred")
            pid = json.loads((Place("hundred").folder / "endpoint.json").read_text())["pid"]
            memory.append(resident(pid))
        assert f"{JOBS} SUCCEEDED" in user("local", "status", "--name", "hundred")
        assert memory[-1] < 1.5 * memory[9], memory
    finally:
        user("local", "down", "--name", "hundred")


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024
