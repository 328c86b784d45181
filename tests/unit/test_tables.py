"""Result tables: pairs joined with metrics and ranked, annotations with their molecules, and the CSV to the byte."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pytest

from ionfleet.chunks import matrix_column
from ionfleet.databases import Database
from ionfleet.errors import OutOfBudgetError
from ionfleet.fdr import fdr_v1, fdr_v3
from ionfleet.formula import ion_mz
from ionfleet.ions import IonSettings, ion_pairs, modifier_table
from ionfleet.tables import (
    CSV_COLUMNS,
    LISTED_BYTES,
    CsvHead,
    annotation_table,
    annotations_csv,
    database_metrics,
    flat_metrics,
)

SETTINGS = IonSettings(("+H", "+Na"))
HEAD = CsvHead("2026-05-04 12:00:00", "Ionfleet 1.0.", "results/ds-1/job-1/", "brain", "ds-1")


def database(*rows: tuple[str, str, str]) -> Database:
    columns = (pa.array(column, pa.string()) for column in zip(*rows, strict=True))
    return Database("db", pa.table(dict(zip(("id", "name", "formula"), columns, strict=True))))


def measured_table(scores: Mapping[str, tuple[float, float, float]], mz: Mapping[str, float] | None = None) -> pa.Table:
    """Return metrics of ions as the annotate stage leaves them, with made-up figures."""
    rows = len(scores)
    factors = np.array(list(scores.values())).reshape(rows, 3)
    first = np.array([mz[ion] if mz else ion_mz(ion, 1) for ion in scores])
    theory = first[:, None] + 1.003 * np.arange(4)
    single = np.arange(rows * 4, dtype=np.float32).reshape(rows, 4)
    columns = {
        "ion": pa.array(list(scores), pa.string()),
        "target": pa.array([True] * rows, pa.bool_()),
        "chaos": factors[:, 0],
        "spatial": factors[:, 1],
        "spectral": factors[:, 2],
        "msm": factors.prod(axis=1),
        "mz_err_abs": np.full(rows, 0.0005),
        "mz_err_rel": np.full(rows, -0.0001),
        "total_iso_ints": matrix_column(single * 10),
        "max_iso_ints": matrix_column(single),
        "mz_mean": matrix_column(theory + 0.0005),
        "mz_stddev": matrix_column(theory * 0 + 0.001),
        "nnz": matrix_column(np.full((rows, 4), 7)),
        "theo_mz": matrix_column(theory),
        "theo_ints": matrix_column(np.tile([100.0, 10, 1, 0.1], (rows, 1))),
        "segment": pa.array([0] * rows, pa.int32()),
    }
    return pa.table(columns)


def scores_of_most(db: Database, settings: IonSettings, decoys: float = 0.3) -> dict[str, tuple]:
    """Return scores of most targets and of a share of the decoys, lower ones and many ties among them."""
    rng = np.random.default_rng(0)
    pairs = ion_pairs(db.formulas, 0, len(db.formulas), settings)
    scores = {}
    for ion, is_target in zip(pairs.ion.to_pylist(), pairs.is_target, strict=True):
        if ion is not None and rng.random() < (0.8 if is_target else decoys):
            scores.setdefault(ion, (float(rng.integers(0, 20 if is_target else 12) / 20), 1.0, 1.0))
    return scores


def naive_fdr(db: Database, settings: IonSettings, scores: Mapping[str, tuple]) -> dict[tuple[str, str], float]:
    """Rank each target modifier with dictionaries: v3 against all decoys at once, v1 against one column at a time."""
    pairs = ion_pairs(db.formulas, 0, len(db.formulas), settings)
    ions = {
        (pairs.formulas[formula], pairs.modifiers[modifier]): ion
        for formula, modifier, ion in zip(pairs.formula, pairs.modifier, pairs.ion.to_pylist(), strict=True)
    }

    def score(formula: str, modifier: str) -> float:
        return float(np.prod(scores.get(ions[formula, modifier], 0.0)))

    table = modifier_table(settings)
    result = {}
    for code, target in enumerate(table.targets):
        shown = [formula for formula in db.formulas if score(formula, target.text) > 0]
        values = np.array([score(formula, target.text) for formula in shown])
        codes = table.decoys(0, len(db.formulas)).of_target(code)
        decoys = np.array([[score(f, table.texts[c]) for c in row] for f, row in zip(db.formulas, codes, strict=True)])
        decoys[decoys == 0] = np.nan
        if settings.fdr_method == "v1":
            rates, _ = fdr_v1(values, decoys)
        else:
            rates = fdr_v3(values, decoys[~np.isnan(decoys)], codes.shape[1])
        result |= {(formula, target.text): rate for formula, rate in zip(shown, rates, strict=True)}
    return result


LIPIDS = database(*((str(n), f"lipid {n}", f"C{20 + n % 40}H{40 + n}NO{4 + n % 3}P") for n in range(60)))


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        IonSettings(("+H", "+Na"), fdr_method="v1"),
        IonSettings(("+H", "[M]+"), ("-H2O",), ("+C2H2O",), decoy_sample_size=7),
        IonSettings(("+H", "+Na"), decoy_sample_size=80),  # two more than there are candidates
    ],
    ids=["v3", "v1", "losses", "all candidates"],
)
def test_targets_are_ranked_against_their_own_decoys(settings: IonSettings) -> None:
    scores = scores_of_most(LIPIDS, settings)
    rows = database_metrics(measured_table(scores), LIPIDS, settings, 1).table.to_pylist()
    found = {(row["formula"], row["modifier"]): row["fdr"] for row in rows if row["fdr"] is not None}
    assert found == naive_fdr(LIPIDS, settings, scores)
    assert len(set(found.values())) > 2


def test_rows_are_targets_with_a_signal_and_decoys_with_a_score() -> None:
    db = database(("1", "glucose", "C6H12O6"), ("2", "alanine", "C3H7NO2"))
    decoy = modifier_table(SETTINGS).texts[int(modifier_table(SETTINGS).decoys(0, 2).of_target(0)[0, 0])]
    pairs = ion_pairs(db.formulas, 0, 2, SETTINGS)
    ions = dict(zip(zip(pairs.formula, pairs.modifier, strict=True), pairs.ion.to_pylist(), strict=True))
    code = modifier_table(SETTINGS).texts.index(decoy)
    scores = {"C6H13O6": (0.5, 0.5, 0.5), "C3H7NO2Na": (0.0, 0.5, 0.5), ions[0, code]: (1.0, 1.0, 0.5)}
    table = database_metrics(measured_table(scores), db, SETTINGS, 1).table
    assert [(row["formula"], row["modifier"], row["is_target"]) for row in table.to_pylist()] == [
        ("C6H12O6", "+H", True),
        ("C6H12O6", decoy, False),
        ("C3H7NO2", "+Na", True),
    ]
    assert table.column("ranked").to_pylist() == [0.125, 0.5, None]
    assert table.column("score").to_pylist() == [0.125, None, None]
    # One decoy of the target's twenty stands above it: (1 + 1) / 20 / (1 + 1).
    assert table.column("fdr").to_pylist() == [0.05, None, None]
    assert table.column("database").unique().to_pylist() == ["db"]
    assert table.column("mz").to_pylist()[0] == ion_mz("C6H13O6", 1)


def test_pairs_of_the_same_ion_share_its_metrics() -> None:
    db = database(("1", "a", "C6H12O6"), ("2", "b", "C6H14O7"))
    settings = IonSettings(("+H",), ("-H2O",))
    table = database_metrics(measured_table({"C6H13O6": (0.5, 0.5, 0.5)}), db, settings, 1).table
    assert [(row["formula"], row["modifier"]) for row in table.to_pylist()] == [
        ("C6H12O6", "+H"),
        ("C6H14O7", "-H2O+H"),
    ]
    assert table.column("msm").to_pylist() == [0.125, 0.125]


def test_invalid_pairs_are_listed_with_their_reason() -> None:
    db = database(("1", "methane", "CH4"), ("2", "salt", "NaCl"))
    metrics = database_metrics(measured_table({}), db, IonSettings(("+H", "-H")), -1)
    assert metrics.invalid == [("NaCl", "-H", "Negative total element count for H")]
    assert metrics.targets == 3
    assert metrics.decoys > 30


def test_no_measured_ion_at_all_gives_tables_without_rows_and_with_all_columns() -> None:
    some = database_metrics(measured_table({"C6H13O6": (1.0, 1.0, 0.5)}), LIPIDS, SETTINGS, 1).table
    none = database_metrics(measured_table({}), LIPIDS, SETTINGS, 1).table
    assert none.num_rows == 0
    assert none.schema == some.schema
    assert flat_metrics(none).schema == flat_metrics(some).schema
    annotations = annotation_table(none, LIPIDS, SETTINGS, 1, 3)
    assert annotations.num_rows == 0
    assert len(annotations_csv(annotations, HEAD).splitlines()) == 3


def test_figures_of_peaks_have_flat_columns_in_metrics() -> None:
    db = database(("1", "glucose", "C6H12O6"))
    table = flat_metrics(database_metrics(measured_table({"C6H13O6": (0.5, 0.5, 0.5)}), db, SETTINGS, 1).table)
    row = table.to_pylist()[0]
    assert [row[f"total_int_{peak}"] for peak in range(4)] == [0, 10, 20, 30]
    assert [row[f"max_int_{peak}"] for peak in range(4)] == [0, 1, 2, 3]
    assert [row[f"nnz_{peak}"] for peak in range(4)] == [7] * 4
    assert row["mz_mean_1"] == row["theo_mz_1"] + 0.0005
    assert {"mz_std_3", "theo_int_3"} <= row.keys()
    assert (table.schema.field("max_int_0").type, table.schema.field("nnz_0").type) == (pa.float32(), pa.int64())


def annotate(
    db: Database, scores: Mapping[str, float], settings: IonSettings = SETTINGS, mz: Mapping[str, float] | None = None
) -> pa.Table:
    measured = measured_table({ion: (score, 1.0, 1.0) for ion, score in scores.items()}, mz)
    return annotation_table(database_metrics(measured, db, settings, 1).table, db, settings, 1, 3)


def test_annotations_are_the_best_first_then_by_name() -> None:
    db = database(("1", "a", "C6H12O6"), ("2", "b", "C3H7NO2"), ("3", "c", "C9H8O4"), ("4", "d", "C2H6O"))
    table = annotate(db, {"C9H9O4": 0.5, "C6H13O6": 0.5, "C6H12O6Na": 0.5, "C3H8NO2": 0.9, "C2H7O": 0.0})
    assert [(row["formula"], row["modifier"], row["ion"]) for row in table.to_pylist()] == [
        ("C3H7NO2", "+H", "C3H7NO2+H+"),
        ("C6H12O6", "+H", "C6H12O6+H+"),
        ("C6H12O6", "+Na", "C6H12O6+Na+"),
        ("C9H8O4", "+H", "C9H8O4+H+"),
    ]


def test_molecules_of_all_annotations_beyond_what_merge_holds_are_refused(monkeypatch) -> None:
    db = database(*((f"id{n}", "name", "C6H12O6") for n in range(10)), ("x", "other", "C3H7NO2"))
    once, twice = {"C6H13O6": 0.5, "C3H8NO2": 0.5}, {"C6H13O6": 0.5, "C6H12O6Na": 0.5}
    monkeypatch.setattr("ionfleet.tables.MAX_LISTED", 10 * (LISTED_BYTES + 7) + LISTED_BYTES + 6)
    assert annotate(db, once).num_rows == 2
    with pytest.raises(OutOfBudgetError, match=r"annotations of 'db' .* C6H12O6 alone has 10 molecules"):
        annotate(db, twice)


def test_annotations_have_a_false_discovery_rate_up_to_one_half() -> None:
    settings = IonSettings(("+H",), fdr_method="v1")
    measured = measured_table(scores_of_most(LIPIDS, settings, decoys=0.9))
    metrics = database_metrics(measured, LIPIDS, settings, 1).table
    table = annotation_table(metrics, LIPIDS, settings, 1, 3)
    rates = [rate for rate in metrics.column("fdr").to_pylist() if rate is not None]
    assert table.num_rows == sum(rate <= 0.5 for rate in rates) < len(rates)


def test_parts_of_the_modifier_and_the_charge_are_told_apart() -> None:
    settings = IonSettings(("+H", "[M]+"), ("-H2O",), ("+C2H2O",))
    db = database(("1", "a", "C6H12O6"))
    pairs = ion_pairs(db.formulas, 0, 1, settings)
    ions = [ion for ion, target in zip(pairs.ion.to_pylist(), pairs.is_target, strict=True) if target]
    rows = annotate(db, dict.fromkeys(ions, 0.9), settings).to_pylist()
    parts = {row["modifier"]: (row["chem_mod"], row["neutral_loss"], row["adduct"], row["ion"]) for row in rows}
    assert parts["+C2H2O-H2O+H"] == ("+C2H2O", "-H2O", "+H", "C6H12O6+C2H2O-H2O+H+")
    assert parts[""] == ("", "", "[M]+", "C6H12O6+")
    assert parts["-H2O"] == ("", "-H2O", "[M]+", "C6H12O6-H2O+")
    assert len(parts) == 8


def test_molecules_are_those_of_the_formula_in_the_order_of_the_file() -> None:
    db = database(("7", "glucose", "C6H12O6"), ("2", "alanine", "C3H7NO2"), ("5", "fructose", "C6H12O6"))
    row = annotate(db, {"C6H13O6": 0.9}).to_pylist()[0]
    assert row["molecule_names"] == ["glucose", "fructose"]
    assert row["molecule_ids"] == ["7", "5"]
    assert row["isomeric_molecules"] == 2


def test_isomeric_ions_name_each_other_and_count_each_molecule_once() -> None:
    db = database(("1", "a", "C6H12O6"), ("2", "b", "C6H14O7"), ("3", "c", "C6H14O7"))
    settings = IonSettings(("+H",), ("-H2O",), ("+H2O",))
    # +H, +H2O-H2O+H of C6H12O6 and -H2O+H of C6H14O7 are the same ion.
    rows = {row["ion"]: row for row in annotate(db, {"C6H13O6": 0.9}, settings).to_pylist()}
    assert set(rows) == {"C6H12O6+H+", "C6H12O6+H2O-H2O+H+", "C6H14O7-H2O+H+"}
    for ion, row in rows.items():
        assert set(row["isomers"]) == set(rows) - {ion}
        assert row["isomeric_molecules"] == 3
        assert row["isobars"] == []


def test_isobaric_ions_name_each_other_with_the_peaks_they_share() -> None:
    db = database(("1", "a", "C6H12O6"), ("2", "b", "C7H16O5"))
    mz = {"C6H13O6": 181.07, "C7H17O5": 181.0701}
    rows = {row["formula"]: row for row in annotate(db, {"C6H13O6": 0.9, "C7H17O5": 0.8}, mz=mz).to_pylist()}
    assert rows["C6H12O6"]["isobars"] == ["C7H16O5+H+"]
    assert rows["C7H16O5"]["isobars"] == ["C6H12O6+H+"]
    assert rows["C6H12O6"]["isobar_peaks"] == ["1:1 2:2 3:3 4:4"]


def lines(table: pa.Table) -> list[str]:
    return annotations_csv(table, HEAD).split("\n")


def test_the_csv_to_the_byte() -> None:
    db = database(("HMDB1", "glucose", "C6H12O6"), ("HMDB2", 'D-"fructose", pure', "C6H12O6"))
    measured = measured_table({"C6H13O6": (0.5, 0.75, 1.0)}, {"C6H13O6": 200.0})
    table = annotation_table(database_metrics(measured, db, SETTINGS, 1).table, db, SETTINGS, 1, 3)
    mz = ion_mz("C6H13O6", 1)
    assert annotations_csv(table, HEAD) == (
        "# Generated at 2026-05-04 12:00:00. Ionfleet 1.0.\n"
        "# URL: results/ds-1/job-1/\n"
        '"group","datasetName","datasetId","formula","adduct","chemMod","neutralLoss","ion","mz","massError","msm",'
        '"fdr","rhoSpatial","rhoSpectral","rhoChaos","moleculeNames","moleculeIds","minIntensity","maxIntensity",'
        '"totalIntensity","isomeric_mols_count","isomeric_ions_count","isobaric_ions_count","offSample",'
        '"rawOffSampleProb","isobarIons"\n'
        f'"","brain","ds-1","C6H12O6","M+H","","","C6H12O6+H+","{mz!r}","2.5","0.375",'
        '"0.025","0.75","1.0","0.5","glucose, D-""fructose"",pure","HMDB1, HMDB2","0.0","0.0",'
        '"0.0","2","0","0","","",""\n'
    )


def test_every_csv_row_has_every_column_whatever_names_hold() -> None:
    names = ["a, b,  c", 'say "x"', "two\nlines", "tab\there", "ünï→", "semi;colon", "back\\slash", "'quoted'"]
    db = database(*((str(n), name, "C6H12O6") for n, name in enumerate(names)))
    text = annotations_csv(annotate(db, {"C6H13O6": 0.9}), HEAD)
    rows = list(csv.reader(io.StringIO(text.split("\n", 2)[2], newline="")))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len(rows) == 2
    cells = dict(zip(CSV_COLUMNS, rows[1], strict=True))
    shown = ["a,b,c", 'say "x"', "two lines", "tab here", *names[4:]]
    assert cells["moleculeNames"].split(", ") == shown
    assert cells["moleculeIds"].split(", ") == [str(n) for n in range(len(names))]


def column(table: pa.Table, name: str, head: CsvHead = HEAD) -> list[str]:
    text = annotations_csv(table, head).split("\n", 2)[2]
    return [row[name] for row in csv.DictReader(io.StringIO(text, newline=""))]


@pytest.mark.parametrize("text", ["=1+1", "+A1", "-2+3", "-carotene", "@SUM(A1)", "=cmd|' /C calc'!A0"])
def test_text_that_a_spreadsheet_would_run_is_quoted(text: str) -> None:
    table = annotate(database((text, text, "C6H12O6")), {"C6H13O6": 0.9})
    assert column(table, "moleculeNames") == column(table, "moleculeIds") == ["'" + text]
    head = CsvHead("", "", "", dataset_name=text, dataset_id="ds-1", group=text)
    assert column(table, "datasetName", head) == column(table, "group", head) == ["'" + text]


@pytest.mark.parametrize("text", ["\t=1+1", "\r=1+1", "\n=1+1"])
def test_blanks_do_not_hide_what_a_spreadsheet_would_run(text: str) -> None:
    table = annotate(database(("1", "a", "C6H12O6")), {"C6H13O6": 0.9})
    head = CsvHead("", "", "", dataset_name=text, dataset_id="ds-1")
    assert column(table, "datasetName", head) == ["' =1+1"]


def test_modifiers_and_names_with_signs_inside_stay_as_they_are() -> None:
    settings = IonSettings(("+H",), ("-H2O",), ("+C2H2O",))
    table = annotate(database(("x-1", "(-)-menthol", "C10H20O")), {"C12H21O": 0.9}, settings)
    assert column(table, "neutralLoss") == ["-H2O"]
    assert column(table, "chemMod") == ["+C2H2O"]
    assert column(table, "moleculeNames") == ["(-)-menthol"]
    assert column(table, "ion") == ["C10H20O+C2H2O-H2O+H+"]


@pytest.mark.parametrize(("adduct", "shown"), [("+H", "M+H"), ("-H", "M-H"), ("[M]+", "[M]+")])
def test_adducts_are_written_with_the_molecule(adduct: str, shown: str) -> None:
    settings = IonSettings((adduct,))
    db = database(("1", "a", "C6H12O6"))
    ion = ion_pairs(db.formulas, 0, 1, settings).ion.to_pylist()[0]
    assert column(annotate(db, {ion: 0.9}, settings), "adduct") == [shown]


def test_isobars_are_joined_in_the_csv() -> None:
    db = database(("1", "a", "C6H12O6"), ("2", "b", "C7H16O5"), ("3", "c", "C8H20O4"))
    mz: dict[str, float] = {"C6H13O6": 181.07, "C7H17O5": 181.0701, "C8H21O4": 181.07005}
    scores: Sequence[float] = (0.9, 0.8, 0.7)
    table = annotate(db, dict(zip(mz, scores, strict=True)), mz=mz)
    assert column(table, "isobarIons")[0] == "C7H16O5+H+, C8H20O4+H+"
    assert column(table, "isobaric_ions_count") == ["2", "2", "2"]
