"""Checks that the ordinary AWS CLI works against `ionfleet local up`: a dataset goes in, results come out.

The CLI pins its own botocore, so it lives in an environment of its own, made from `requirements/awscli.txt`.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ionfleet.databases import bundled_database
from ionfleet_replay import synthesize
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import Simulation

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / "build" / "awscli"
LOCK = ROOT / "requirements" / "awscli.txt"
PATIENCE = 120.0
"""Seconds that a job of a few pixels may take."""

ENDS = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


class Aws:
    """The `aws` command, with the variables that `ionfleet local up` prints."""

    def __init__(self, printed: Mapping[str, str], folder: Path) -> None:
        self._variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **printed}

    def __call__(self, *arguments: str | Path) -> str:
        """Return what a command prints; what it complains of goes to the terminal."""
        command = [ENVIRONMENT / "bin" / "aws", *arguments]
        done = subprocess.run(command, env=self._variables, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Return the JSON that a command prints."""
        return json.loads(self(*arguments, "--output", "json"))


def install() -> None:
    """Make the CLI's environment, unless it is there and newer than its lock file."""
    stamp = ENVIRONMENT / "stamp"
    if stamp.exists() and stamp.stat().st_mtime > LOCK.stat().st_mtime:
        return
    venv.create(ENVIRONMENT, with_pip=True, clear=True)
    pip = [ENVIRONMENT / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "-r", LOCK], check=True)
    stamp.touch()


def write_inputs(folder: Path) -> None:
    """Write a dataset of a few pixels, a database of a few molecules, and a configuration."""
    header, *rows = bundled_database().decode().splitlines(keepends=True)
    chosen = rows[0:3000:100]
    formulas = tuple(row.split("\t")[2] for row in chosen)
    simulation = Simulation(width=8, height=7, seed=5, peaks_per_spectrum=100, ions=10, formulas=formulas)
    write_dataset(simulation, folder, "tissue")
    (folder / "few.tsv").write_text("".join([header, *chosen]))
    (folder / "job.json").write_text(json.dumps({"polarity": "positive", "databases": ["few"]}))


def wait_for(look: Any, what: str) -> Any:
    """Look until there is something to see."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            sys.exit(f"The AWS CLI saw no {what} within {PATIENCE:g} s.")
    return found


@contextmanager
def local_cloud(folder: Path) -> Iterator[dict[str, str]]:
    """Have a cloud in the background while the block runs; give the variables that lead a client to it."""
    ionfleet = Path(sys.executable).with_name("ionfleet")
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
    assembly = synthesize(ROOT / "app.py", ROOT / "build" / "assembly")
    subprocess.run([ionfleet, "local", "up", "--assembly", assembly], env=environment, check=True)
    try:
        told = subprocess.run(
            [ionfleet, "local", "status", "--env"], env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        assignments = (word for word in shlex.split(told.stdout) if word != "export")
        yield dict(assignment.split("=", 1) for assignment in assignments)
    finally:
        subprocess.run([ionfleet, "local", "down"], env=environment, check=True)


def check(aws: Aws, printed: Mapping[str, str], folder: Path) -> None:
    """Annotate a dataset with nothing but the AWS CLI."""
    bucket, results = f"s3://{printed['INPUT_BUCKET']}", f"s3://{printed['RESULTS_BUCKET']}"
    (stack,) = aws.json("cloudformation", "describe-stacks", "--stack-name", "Ionfleet")["Stacks"]
    assert {"OutputKey": "InputBucket", "OutputValue": printed["INPUT_BUCKET"]} in stack["Outputs"], stack
    aws("s3", "cp", folder / "few.tsv", f"{bucket}/databases/few.tsv", "--only-show-errors")
    status = "inputs/databases/few/status.json"
    wait_for(lambda: status in aws("s3", "ls", "--recursive", f"{results}/inputs/"), "imported database")
    for name in ("job.json", "tissue.ibd", "tissue.imzML"):
        aws("s3", "cp", folder / name, f"{bucket}/datasets/tissue/{name}", "--only-show-errors")
    # Version 1 of the CLI has a host name of its own for SQS that goes before AWS_ENDPOINT_URL.
    queues = aws.json("sqs", "list-queues", "--endpoint-url", printed["AWS_ENDPOINT_URL"])["QueueUrls"]
    assert any("Uploads" in queue for queue in queues), queues
    machine = ("--state-machine-arn", printed["STATE_MACHINE_ARN"])
    listing = ("stepfunctions", "list-executions", *machine)
    ended = wait_for(lambda: [e for e in aws.json(*listing)["executions"] if e["status"] in ENDS], "ended execution")
    described = aws.json("stepfunctions", "describe-execution", "--execution-arn", ended[0]["executionArn"])
    assert described["status"] == "SUCCEEDED", described
    runs = aws.json("stepfunctions", "list-map-runs", "--execution-arn", ended[0]["executionArn"])["mapRuns"]
    run = aws.json("stepfunctions", "describe-map-run", "--map-run-arn", runs[0]["mapRunArn"])
    assert (run["status"], run["itemCounts"]["failed"]) == ("SUCCEEDED", 0), run
    aws("s3", "cp", "--recursive", "--only-show-errors", f"{results}/results/", folder / "results")
    names = {path.name for path in (folder / "results").rglob("*")}
    assert {"annotations.csv", "annotations.parquet", "status.json"} <= names, names


def main() -> None:
    """Bring a cloud up and check it."""
    install()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        with local_cloud(folder) as printed:
            check(Aws(printed, folder), printed, folder)
    print("The AWS CLI annotated a dataset on the local cloud.")


if __name__ == "__main__":
    main()
