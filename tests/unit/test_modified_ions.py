"""From database and configuration to the tables: labels, losses, modifications, classes, and words about a sample."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from ionfleet.client import Results
from ionfleet.databases import Database, read_database

from .published_results import fill, published
from .small_jobs import SmallJob, dataset, planted
from .test_stages import ADDUCTS

CARBON_13 = 1.0033548378
"""What a 13C weighs more than a 12C, in Da."""

NITROGEN_15 = 0.9970348945
SODIUM_GLUCOSE = 203.0526089


def rows_of(files: dict[str, bytes], tmp_path: Path) -> list[dict]:
    return Results(fill(tmp_path, files)).rows()


def test_isotope_labels_shift_the_ion_and_leave_its_pattern(tmp_path: Path) -> None:
    lines = ("id,name,formula", "1,glucose,C6H12O6", "2,13C6-glucose,Cx6H12O6", "3,15N,C3H7NxO2", "4,alanine,C3H7NO2")
    databases = [read_database("\n".join(lines).encode(), "labelled")]
    wanted = ["C6H12O6Na", "H12O6Cx6Na", "C3H8NO2", "C3H8O2Nx"]
    ions = planted(databases, replace(ADDUCTS, adducts=("+H", "+Na")), 0, share=1.0)
    assert {*wanted} <= {*ions}
    rows = rows_of(published(SmallJob(dataset(3, ions=wanted), databases, {"adducts": ["+H", "+Na"]})), tmp_path)
    found = {row["ion"]: row for row in rows}
    light, heavy = found["C6H12O6+Na+"], found["Cx6H12O6+Na+"]
    assert light["mz"] == pytest.approx(SODIUM_GLUCOSE, abs=1e-6)
    assert heavy["mz"] == pytest.approx(SODIUM_GLUCOSE + 6 * CARBON_13, abs=1e-6)
    # Labelled atoms have one isotope: a second peak from carbon is missing.
    assert heavy["theo_ints"][1] < light["theo_ints"][1] / 5
    assert heavy["molecule_names"] == ["13C6-glucose"]
    assert found["C3H7NxO2+H+"]["mz"] - found["C3H7NO2+H+"]["mz"] == pytest.approx(NITROGEN_15, abs=1e-6)


def test_losses_and_modifications_come_through_to_every_table_and_to_the_images(tmp_path: Path) -> None:
    databases = [Database("db", pa.table({"id": ["1"], "name": ["glucose"], "formula": ["C6H12O6"]}))]
    configuration = {"chemical_modifications": ["+CH2"], "neutral_losses": ["-H2O"], "adducts": ["+K"]}
    ion = "C7H12O5K"  # C6H12O6 + CH2 - H2O + K
    files = published(SmallJob(dataset(3, ions=[ion]), databases, configuration))
    results = Results(fill(tmp_path, files))
    (row,) = results.rows()
    parts = {"chem_mod": "+CH2", "neutral_loss": "-H2O", "adduct": "+K", "modifier": "+CH2-H2O+K", "ion_formula": ion}
    assert {name: row[name] for name in parts} == parts
    assert row["ion"] == "C6H12O6+CH2-H2O+K+"
    head, line = csv.reader(io.StringIO(files["annotations.csv"].decode().split("\n", 2)[2]))
    cells = dict(zip(head, line, strict=True))
    assert (cells["chemMod"], cells["neutralLoss"], cells["adduct"]) == ("+CH2", "-H2O", "M+K")
    assert "ion_images/C6H12O6+CH2-H2O+K_0.png" in files
    images = results.isotope_images("C6H12O6", "+K", chem_mod="+CH2", neutral_loss="-H2O")
    assert images[0] is not None
    assert images[0].max() == pytest.approx(row["max_iso_ints"][0])


def test_decoys_of_a_modified_target_keep_its_modification(tmp_path: Path) -> None:
    databases = [Database("db", pa.table({"id": ["1"], "name": ["glucose"], "formula": ["C6H12O6"]}))]
    configuration = {"chemical_modifications": ["+CH2"], "adducts": ["+K"], "decoy_sample_size": 80}
    settings = replace(ADDUCTS, adducts=("+K",), chemical_modifications=("+CH2",), decoy_sample_size=80)
    ions = planted(databases, settings, 2, share=1.0)
    metrics = Results(fill(tmp_path, published(SmallJob(dataset(4, ions=ions), databases, configuration)))).metrics
    decoys = [row["modifier"] for row in metrics.to_pylist() if not row["is_target"]]
    assert len(decoys) > 5
    assert {modifier.startswith("+CH2+") for modifier in decoys} == {True, False}
    assert not {modifier for modifier in decoys if modifier.endswith("+K")}


def test_classes_choose_molecules_and_come_with_them(tmp_path: Path) -> None:
    columns = {
        "id": ["1", "2", "3", "4"],
        "name": ["glucose", "fructose", "alanine", "sarcosine"],
        "formula": ["C6H12O6", "C6H12O6", "C3H7NO2", "C3H7NO2"],
        "class": ["sugar", "Sugar", "amino acid", "other"],
    }
    databases = [Database("db", pa.table(columns))]
    configuration = {"adducts": ["+Na"], "molecule_classes": ["SUGAR", "amino acid"]}
    files = published(SmallJob(dataset(3, ions=["C6H12O6Na", "C3H7NO2Na"]), databases, configuration))
    found = {row["formula"]: (row["molecule_names"], row["molecule_classes"]) for row in rows_of(files, tmp_path)}
    assert found["C6H12O6"] == (["glucose", "fructose"], ["sugar", "Sugar"])
    assert found["C3H7NO2"] == (["alanine"], ["amino acid"])


def test_a_database_without_classes_gives_none(tmp_path: Path) -> None:
    databases = [Database("db", pa.table({"id": ["1"], "name": ["glucose"], "formula": ["C6H12O6"]}))]
    (row,) = rows_of(published(SmallJob(dataset(3, ions=["C6H12O6Na"]), databases, {"adducts": ["+Na"]})), tmp_path)
    assert row["molecule_classes"] == []


def test_what_was_said_of_the_sample_is_kept() -> None:
    databases = [Database("db", pa.table({"id": ["1"], "name": ["glucose"], "formula": ["C6H12O6"]}))]
    said = {"organism": "mouse", "preparation": {"matrix": "DHB", "thickness_um": 10}}
    files = published(SmallJob(dataset(3, ions=["C6H12O6Na"]), databases, {"metadata": said}))
    summary = json.loads(files["summary.json"])
    assert summary["metadata"] == said
