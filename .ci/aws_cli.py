"""Checks that the ordinary AWS CLI works against the local cloud: a dataset goes in, results come out.

The CLI pins its own botocore, so it lives in an environment of its own, made from `requirements/awscli.txt`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

from ionfleet.databases import bundled_database
from ionfleet_replay import Cloud, synthesize
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import Simulation

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / "build" / "awscli"
LOCK = ROOT / "requirements" / "awscli.txt"
PATIENCE = 120.0
"""Seconds that a job of a few pixels may take."""

ENDS = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}


class Aws:
    """The `aws` command, as a user of a running cloud would set it up."""

    def __init__(self, endpoint_url: str, folder: Path) -> None:
        # Not AWS_ENDPOINT_URL: version 1 of the CLI has a host name of its own for SQS that goes before it.
        self._endpoint = ("--endpoint-url", endpoint_url)
        self._variables = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(folder),
            "AWS_ACCESS_KEY_ID": "anyone",
            "AWS_SECRET_ACCESS_KEY": "anything",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def __call__(self, *arguments: str | Path) -> str:
        """Return what a command prints; what it complains of goes to the terminal."""
        command = [ENVIRONMENT / "bin" / "aws", *self._endpoint, *arguments]
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


def check(aws: Aws, outputs: dict[str, str], folder: Path) -> None:
    """Annotate a dataset with nothing but the AWS CLI."""
    bucket, results = f"s3://{outputs['InputBucket']}", f"s3://{outputs['ResultsBucket']}"
    aws("s3", "cp", folder / "few.tsv", f"{bucket}/databases/few.tsv", "--only-show-errors")
    status = "inputs/databases/few/status.json"
    wait_for(lambda: status in aws("s3", "ls", "--recursive", f"{results}/inputs/"), "imported database")
    for name in ("job.json", "tissue.ibd", "tissue.imzML"):
        aws("s3", "cp", folder / name, f"{bucket}/datasets/tissue/{name}", "--only-show-errors")
    queues = aws.json("sqs", "list-queues")["QueueUrls"]
    assert any("Uploads" in queue for queue in queues), queues
    machine = ("--state-machine-arn", outputs["StateMachineArn"])
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
    assembly = synthesize(ROOT / "app.py", ROOT / "build" / "assembly")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        with Cloud(assembly, folder / "cloud") as cloud:
            check(Aws(cloud.endpoint_url, folder), cloud.outputs, folder)
    print("The AWS CLI annotated a dataset on the local cloud.")


if __name__ == "__main__":
    main()
