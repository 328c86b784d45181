"""Every column of the annotations, isomers and isobars, TIC and mask against METASPACE's."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ionfleet.index import SpectraIndex
from ionfleet.runs import RunIndex, index_key

from .pipeline import Job

pytestmark = pytest.mark.reference


def by_pair(rows: list[dict]) -> dict[tuple[str, str], dict]:
    return {(row["formula"], row["modifier"]): row for row in rows}


def test_every_column_of_an_annotation_agrees(details: Path, simulated: Job) -> None:
    ours = by_pair(simulated.table("annotations.parquet").to_pylist())
    theirs = by_pair(pq.read_table(details / "es_documents.parquet").to_pylist())
    assert ours.keys() == theirs.keys()
    for pair, expected in theirs.items():
        row = ours[pair]
        assert (row["ion"], row["ion_formula"]) == (expected["ion"], expected["ion_formula"])
        assert row["mz"] == pytest.approx(expected["mz"], rel=0, abs=1e-6)
        assert row["isomeric_molecules"] == expected["comps_count_with_isomers"]
        for name in ("msm", "fdr", "chaos", "spatial", "spectral"):
            assert row[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-7), (pair, name)
        for name in ("mz_err_abs", "mz_err_rel"):
            assert row[name] == pytest.approx(expected[name], rel=1e-5, abs=1e-9), (pair, name)
        for peak in range(4):
            assert (row["nnz"][peak] > 0) == expected[f"has_image_{peak}"]
            for name in ("total_iso_ints", "max_iso_ints", "mz_mean", "mz_stddev", "theo_mz", "theo_ints"):
                found, wanted = row[name][peak], expected[f"{name}_{peak}"]
                assert found == pytest.approx(wanted, rel=1e-5, abs=1e-9), (pair, name, peak)


def test_isomers_and_isobars_are_the_same(details: Path, simulated: Job) -> None:
    with (details / "isomers_isobars.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))
    ion = {(row["formula"], row["modifier"]): f"{row['formula']}{row['modifier']}+" for row in expected}
    ion |= {
        (row["other_formula"], row["other_modifier"]): f"{row['other_formula']}{row['other_modifier']}+"
        for row in expected
    }
    wanted = {
        (
            row["kind"],
            ion[row["formula"], row["modifier"]],
            ion[row["other_formula"], row["other_modifier"]],
            row["peaks"] or "",
        )
        for row in expected
    }
    found = set()
    for row in simulated.table("annotations.parquet").to_pylist():
        found |= {("isomer", row["ion"], other, "") for other in row["isomers"]}
        pairs = zip(row["isobars"], row["isobar_peaks"], strict=True)
        found |= {("isobar", row["ion"], other, peaks) for other, peaks in pairs}
    assert found == wanted


def test_mask_and_tic_from_metadata_and_from_spectra_agree(details: Path, simulated: Job) -> None:
    expected = np.load(details / "tic_mask.npz")
    dataset = simulated.plan.dataset.id
    index = SpectraIndex.read(simulated.stores.work.get(f"datasets/{dataset}/index.parquet"))
    grid = index.geometry()
    assert np.array_equal(grid.mask, expected["MASK"])
    runs = [
        RunIndex.from_bytes(simulated.stores.work.get(index_key(dataset, run.first, run.stop)))
        for run in simulated.plan.runs
    ]
    for name, tic in (("TIC", index.tic), ("TIC_FROM_SPECTRA", np.concatenate([run.tic for run in runs]))):
        assert tic is not None
        image = np.full(grid.mask.size, np.nan)
        image[grid.pixel_index] = np.bincount(grid.pixel, tic)
        np.testing.assert_allclose(image.reshape(grid.mask.shape), expected[name], rtol=1e-5)


def test_the_facts_of_the_dataset_agree(details: Path, simulated: Job) -> None:
    facts = json.loads((details / "diagnostics.json").read_text())["metadata_of_file"]["IMZML_METADATA"]
    plan = simulated.plan.dataset
    assert plan.spectra == facts["n_spectra"]
    extent = [high - low + 1 for low, high in zip(facts["min_coords"], facts["max_coords"], strict=True)]
    assert [plan.width, plan.height] == extent[:2]
    partition = json.loads(simulated.stores.work.get(f"manifests/{simulated.plan.execution}/partition.json"))
    assert partition["lowest_mz"] == pytest.approx(facts["min_mz"], rel=1e-12)
    assert partition["highest_mz"] == pytest.approx(facts["max_mz"], rel=1e-12)
