"""Databases, modifiers, ions and decoys as METASPACE has them."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ionfleet.configuration import JobConfiguration, resolve
from ionfleet.databases import inspect_database, read_database
from ionfleet.errors import InvalidDatabaseError
from ionfleet.formula import (
    InvalidIonError,
    format_formula,
    ion_counts,
    ion_mz,
    parse_formula,
    parse_modifier,
    split_labels,
)
from ionfleet.ions import IonSettings, ion_pairs, modifier_table

pytestmark = pytest.mark.reference

THREE_ADDUCTS = ("+H", "+Na", "+K")


@pytest.fixture(scope="module")
def details(shared) -> Path:
    """Return the folder of the detailed tables on the simulated dataset."""
    return shared / "data" / "reference" / "simulated_details"


@pytest.fixture(scope="module")
def hmdb(shared):
    """Return the formulas of HMDB."""
    data = (shared / "data" / "databases" / "hmdb_formulas.tsv").read_bytes()
    return read_database(data, "hmdb_formulas").formulas


def database(shared, name):
    return read_database((shared / "data" / "databases" / name).read_bytes(), name)


def columns(path):
    return pq.read_table(path).to_pydict()


@pytest.mark.parametrize(
    ("name", "molecules", "formulas"),
    [
        ("hmdb_formulas.tsv", 11_592, 11_592),
        ("CoreMetabolome-v3.csv.gz", 11_363, 2_386),
        ("lipidmaps_2017-12-12-v2.tsv.gz", 42_021, 7_354),
        ("malformed/moldb.csv", 3, 3),
        ("malformed/db-wrong-sep.csv", 3, 3),
    ],
)
def test_databases_are_read_whole(shared, name, molecules, formulas):
    read = database(shared, name)
    assert (read.table.num_rows, len(read.formulas)) == (molecules, formulas)


def test_database_without_formulas_is_refused_naming_the_columns(shared):
    with pytest.raises(InvalidDatabaseError, match="'id', 'name', 'inchi' but not formula"):
        database(shared, "malformed/db-missing-columns.csv")


def test_order_of_formulas_is_that_of_the_decoys(details, hmdb):
    order = columns(details / "fdr_formula_order.parquet")
    assert order["position"] == list(range(len(hmdb)))
    assert order["formula"] == hmdb


def test_decoys_drawn_once_for_a_formula(details, hmdb):
    expected = columns(details / "fdr_decoys_v3.parquet")
    table = modifier_table(IonSettings(THREE_ADDUCTS))
    decoys = table.decoys(0, len(hmdb))
    for target in range(3):
        codes = decoys.of_target(target)
        assert [table.texts[code] for code in codes.ravel()] == expected["decoy_modifier"]
    assert expected["position"] == np.repeat(np.arange(len(hmdb)), 20).tolist()
    assert expected["ranking"] == np.tile(np.arange(20), len(hmdb)).tolist()


def test_decoys_drawn_for_each_target_modifier(details, hmdb):
    expected = columns(details / "fdr_decoys_v1.parquet")
    table = modifier_table(IonSettings(THREE_ADDUCTS, fdr_method="v1"))
    decoys = table.decoys(0, len(hmdb))
    ours = np.stack([decoys.of_target(target) for target in range(3)], axis=1)
    assert expected["target_modifier"] == np.tile(np.repeat(THREE_ADDUCTS, 20), len(hmdb)).tolist()
    assert expected["ranking"] == np.tile(np.arange(20), 3 * len(hmdb)).tolist()
    assert [table.texts[code] for code in ours.ravel()] == expected["decoy_modifier"]


@pytest.mark.parametrize(("method", "pairs", "ions"), [("v1", 570_705, 567_689), ("v3", 266_616, 265_680)])
def test_numbers_of_pairs_and_ions_of_hmdb(hmdb, method, pairs, ions):
    made = ion_pairs(hmdb, 0, len(hmdb), IonSettings(THREE_ADDUCTS, fdr_method=method, compatibility="metaspace"))
    assert len(made.formula) == pairs
    assert len(made.distinct_ions) == ions
    assert not made.reason.any()


MODIFIED = {
    "adducts": ("+H", "+Na"),
    "neutral_losses": ("-H2O", "-NH3"),
    "chemical_modifications": ("-H2O+C2H4O2", "+O"),
    "compatibility": "metaspace",
}


def test_ions_of_modifications_losses_and_adducts(details, hmdb):
    expected = columns(details / "modifier_ions.parquet")
    made = ion_pairs(hmdb, 0, 300, IonSettings(**MODIFIED))
    ions = made.ion.to_pylist()
    ours = {
        (hmdb[made.formula[row]], made.modifiers[made.modifier[row]]): (
            bool(made.is_target[row]),
            ions[row],
            made.reasons[made.reason[row]],
        )
        for row in range(len(ions))
    }
    theirs = dict(
        zip(
            zip(expected["formula"], expected["modifier"], strict=True),
            zip(expected["is_target"], expected["ion_formula"], expected["invalid_reason"], strict=True),
            strict=True,
        )
    )
    assert len(theirs) == 59_400
    assert ours == theirs


def test_decoys_of_modifiers_drawn_for_each_target_modifier(details, hmdb):
    expected = columns(details / "modifier_v1_decoys_10.parquet")
    table = modifier_table(IonSettings(**MODIFIED, fdr_method="v1"))
    decoys = table.decoys(0, 10)
    ours = [
        (hmdb[place], target.text, table.texts[code], ranking)
        for place in range(10)
        for number, target in enumerate(table.targets)
        for ranking, code in enumerate(decoys.of_target(number)[place])
    ]
    assert ours == list(zip(*(expected[name] for name in ("formula", "tm", "dm", "ranking")), strict=True))


def test_labelled_formulas(details):
    with (details / "isotope_labels.csv").open(newline="") as file:
        expected = list(csv.DictReader(file))
    assert len(expected) == 72
    for row in expected:
        counts = parse_formula(row["formula"], "metaspace")
        try:
            ion = ion_counts(counts, parse_modifier(row["adduct"]))
        except InvalidIonError:
            assert row["ion_formula"] == ""
            continue
        assert format_formula(ion) == row["ion_formula"]
        plain, shift = split_labels(ion)
        assert format_formula(plain) == row["unlabeled"]
        assert shift == pytest.approx(float(row["mass_shift"]), rel=1e-9)
        assert ion_mz(row["ion_formula"], int(row["charge"])) == pytest.approx(float(row["mono_mz"]), rel=1e-9)


def test_labelled_formulas_are_taken_from_a_database_as_metaspace_does(details):
    with (details / "isotope_labels.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            data = f"id\tname\tformula\n1\tx\t{row['formula']}\n".encode()
            imported = inspect_database(data, "labels", compatibility="metaspace")[0]
            assert (imported is not None) == (row["accepted_by_db_import"] == "True")


def test_mz_of_the_annotations(details):
    documents = columns(details / "es_documents.parquet")
    ours = [ion_mz(ion, 1) for ion in documents["ion_formula"]]
    assert ours == pytest.approx(documents["mz"], rel=1e-6)


@pytest.mark.parametrize("dataset", ["simulated", "untreated_tiny"])
def test_configurations_beside_the_datasets(shared, dataset):
    data = (shared / "data" / "datasets" / dataset / "job.json").read_bytes()
    job = resolve(JobConfiguration.from_json(data, dataset))
    assert (job.charge, job.adducts, job.isotope_sigma, job.resolving_power) == (1, THREE_ADDUCTS, 0.000619, 280_000)
    assert (job.compatibility, job.fdr_method, job.findings) == ("metaspace", "v3", ())
