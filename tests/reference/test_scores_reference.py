"""A METASPACE-ML model's scores, and the FDR by them, against METASPACE's engine with the same model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ionfleet_cli.scoring_models import read_model

from .conftest import Runs
from .pipeline import run_job

pytestmark = [pytest.mark.reference, pytest.mark.extras]


@pytest.mark.parametrize("dataset", ["simulated", "untreated_tiny"])
def test_a_run_with_the_animal_model_agrees(shared: Path, hmdb: bytes, run: Runs, tmp_path: Path, dataset: str) -> None:
    model = read_model(shared / "data" / "models" / "metaspace_ml_animal_v2.2023-12-14.cbm")
    job = run_job(shared / "data" / "datasets" / dataset, hmdb, model.data, before=run(dataset))
    metrics = job.save("metrics.parquet", tmp_path)
    reference = shared / "data" / "reference" / f"{dataset}_hmdb_v3catAnimal.parquet"
    command = [sys.executable, shared / "tools" / "compare_reference.py", metrics, reference, "--score"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 differences" in result.stdout.splitlines()[-1]
