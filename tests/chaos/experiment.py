"""One run of a tiny dataset through the real template, with the faults of a seed."""

from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ionfleet.databases import bundled_database
from ionfleet_replay import Cloud, Faults, Nursery, Observation, ReplayError, synthesize
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import Simulation

from .invariants import Evidence, collect, findings

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0
"""Seconds of real time after which a cloud should have come to rest."""

CONFIGURATION = {
    "polarity": "positive",
    "databases": ["lipids"],
    "adducts": ["+H", "+Na"],
    "decoy_sample_size": 3,
    "planning": {"sort_task_peaks": 1000, "segment_peaks": 900, "isotope_task_formulas": 4},
}
"""Cuts the tiny dataset into several tasks of every stage."""


@dataclass(frozen=True)
class Material:
    """The synthesized template, and what is put into its cloud, by key."""

    assembly: Path
    database: Mapping[str, bytes]
    dataset: Mapping[str, bytes]


@dataclass(frozen=True)
class Trial:
    """What a seed came to: how the dataset ended, what was injected, what does not hold; `seconds` of real time."""

    seed: int
    outcome: str
    seconds: float
    injected: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)


def make_material() -> Material:
    """Simulate a dataset of thirty pixels, and take twelve molecules, some of which are in it."""
    header, *rows = bundled_database().decode().splitlines(keepends=True)
    chosen = rows[:3000:250]
    formulas = tuple(row.split("\t")[2] for row in chosen)
    simulation = Simulation(
        width=6, height=5, seed=5, peaks_per_spectrum=60, matrix_peaks=10, ions=8, formulas=formulas
    )
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_dataset(simulation, Path(folder), "section")
        files = {
            "datasets/small/section.job.json": json.dumps(CONFIGURATION).encode(),
            "datasets/small/section.ibd": dataset.ibd.read_bytes(),
            "datasets/small/section.imzML": dataset.imzml.read_bytes(),
        }
    assembly = synthesize(ROOT / "app.py", ROOT / "build" / "assembly")
    return Material(assembly, {"databases/lipids.tsv": "".join([header, *chosen]).encode()}, files)


def run(material: Material, folder: Path, faults: Faults, nursery: Nursery) -> Evidence:
    """Run the material through a cloud until that has come to rest, and return what it was left with.

    Raises
    ------
    TimeoutError
        It has not come to rest.
    ReplayError
        The local runtime itself broke.
    """
    seen: list[Observation] = []
    with Cloud(material.assembly, folder, workers=2, faults=faults, observer=seen.append, nursery=nursery) as cloud:
        for objects in (material.database, material.dataset):
            for key, data in objects.items():
                cloud.client("s3").put_object(Bucket=cloud.outputs["InputBucket"], Key=key, Body=data)
            cloud.wait_idle(PATIENCE)
        return collect(cloud, material.assembly, seen)


def undisturbed(material: Material, nursery: Nursery) -> dict[str, bytes]:
    """Return the tables of a run in which nothing goes wrong."""
    with tempfile.TemporaryDirectory(prefix="ionfleet-chaos-") as folder:
        evidence = run(material, Path(folder), Faults.none(), nursery)
    if evidence.outcome() != "SUCCEEDED" or findings(evidence, evidence.tables()):
        raise AssertionError(f"Without faults, the dataset is {evidence.outcome()}.")
    return evidence.tables()


def attempt(material: Material, expected: Mapping[str, bytes], seed: int, nursery: Nursery, **options: Any) -> Trial:
    """Run the material with the faults of a seed, and check what is left; `options` are those of `Faults`."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ionfleet-chaos-") as folder:
        try:
            evidence = run(material, Path(folder), Faults(seed, **options), nursery)
        except (TimeoutError, ReplayError) as problem:
            return Trial(seed, "no end", time.monotonic() - began, findings=[f"{type(problem).__name__}: {problem}"])
    held = findings(evidence, expected)
    return Trial(seed, evidence.outcome(), time.monotonic() - began, evidence.injected(), held)
