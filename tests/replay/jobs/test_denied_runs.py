"""`ionfleet run` on a template that lacks a grant: whatever it keeps from being written, the run names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ionfleet_simulate.dataset import SimulatedDataset

from .test_grants import assembly_without

IONFLEET = (sys.executable, "-c", "from ionfleet_cli.main import main; main()")


@pytest.mark.parametrize(
    "policy",
    [
        "PlannerRoleDefaultPolicy",
        # Nothing is said in the end, and the run waits until it is sure of that.
        pytest.param("StatusRoleDefaultPolicy", marks=pytest.mark.campaign),
    ],
)
def test_a_run_that_cannot_even_say_how_it_failed_names_what_was_denied(
    assembly: Path, tmp_path: Path, dataset: SimulatedDataset, database: bytes, policy: str
) -> None:
    crippled = assembly_without(assembly, tmp_path / "assembly", policy, "s3:PutObject")
    (tmp_path / "lipids.tsv").write_bytes(database)
    options = [
        "--database",
        str(tmp_path / "lipids.tsv"),
        "--assembly",
        str(crippled),
        "--out",
        str(tmp_path / "out"),
        "--no-cache",
    ]
    command = [*IONFLEET, "run", str(dataset.imzml), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 1, done.stdout + done.stderr
    said = " ".join(done.stderr.split())
    role = policy.removesuffix("DefaultPolicy")
    assert f"-{role}-" in said
    assert "is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::ionfleet-storageworkbucket-" in said
    assert not (tmp_path / "out").exists()
