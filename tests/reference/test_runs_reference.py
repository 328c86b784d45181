"""Whole jobs against the tables of METASPACE's engine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .pipeline import Job

pytestmark = pytest.mark.reference


def compare(shared: Path, metrics: Path, table: str) -> None:
    """Run the comparison that everybody uses."""
    command = [shared / "tools" / "compare_reference.py", metrics, shared / "data" / "reference" / table]
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_simulated_dataset_agrees(shared: Path, simulated: Job, tmp_path: Path) -> None:
    compare(shared, simulated.save("metrics.parquet", tmp_path), "simulated_hmdb_v3msm.parquet")


def test_the_real_dataset_agrees(shared: Path, untreated_tiny: Job, tmp_path: Path) -> None:
    compare(shared, untreated_tiny.save("metrics.parquet", tmp_path), "untreated_tiny_hmdb_v3msm.parquet")


def test_the_numbers_of_annotations_at_each_level_are_the_published_ones(simulated: Job, untreated_tiny: Job) -> None:
    for job, expected in ((simulated, (122, 169, 247, 375)), (untreated_tiny, (27, 80, 188, 228))):
        fdr = job.table("annotations.parquet").column("fdr").to_numpy()
        assert tuple(int((fdr <= level).sum()) for level in (0.05, 0.1, 0.2, 0.5)) == expected
