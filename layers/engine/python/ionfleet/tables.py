"""The result tables: metrics, annotations, and METASPACE's CSV export (docs/annotation.md, Result tables)."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ionfleet.chunks import matrix_of
from ionfleet.databases import Database
from ionfleet.errors import OutOfBudgetError
from ionfleet.fdr import fdr_v1, fdr_v3
from ionfleet.formula import ion_mzs
from ionfleet.ions import IonSettings, ModifierTable, ion_pairs, modifier_table
from ionfleet.relations import isobars, isomers
from ionfleet.scoring import ScoringModel
from ionfleet.text import spreadsheet_cell

Column: TypeAlias = "pa.Array[Any] | pa.ChunkedArray[Any]"

SHOWN_FDR = 0.5
"""Annotations are targets with msm above 0 and an FDR up to this."""

MAX_LISTED = 256 << 20
"""Bytes of the molecules of all annotations: merge holds them as text, as a table and as a file."""
LISTED_BYTES = 16
"""Of a molecule, beside its id and name."""

CSV_COLUMNS = (
    "group", "datasetName", "datasetId", "formula", "adduct", "chemMod", "neutralLoss", "ion", "mz", "massError",
    "msm", "fdr", "rhoSpatial", "rhoSpectral", "rhoChaos", "moleculeNames", "moleculeIds", "minIntensity",
    "maxIntensity", "totalIntensity", "isomeric_mols_count", "isomeric_ions_count", "isobaric_ions_count", "offSample",
    "rawOffSampleProb", "isobarIons",
)  # fmt: skip


@dataclass(frozen=True)
class DatabaseMetrics:
    """The scored pairs of one database: rows for metrics.parquet, and what the summary says of the ions."""

    table: pa.Table
    targets: int
    decoys: int
    invalid: list[tuple[str, str, str]]


def database_metrics(
    measured: pa.Table, database: Database, settings: IonSettings, charge: int, model: ScoringModel | None = None
) -> DatabaseMetrics:
    """Join the measured ions with the pairs of a database, and rank targets against decoys.

    Parameters
    ----------
    measured
        The metrics of all segments, one row an ion.
    database
        The database, reduced to the classes the job asks for.
    settings
        Modifiers, decoys and FDR method.
    charge
        Of the ions.
    model
        What gives the score that is ranked; None for the MSM.

    Returns
    -------
    DatabaseMetrics
        A row for every target with a signal and every decoy with msm above 0, by formula and modifier in the order of
        the database and the configuration.

    """
    pairs = ion_pairs(database.formulas, 0, len(database.formulas), settings)
    valid = pc.is_valid(pairs.ion).to_numpy(zero_copy_only=False)
    table = modifier_table(settings)
    ions = measured.column("ion").combine_chunks()
    place = np.asarray(pc.index_in(pairs.ion, ions).fill_null(-1).to_numpy(zero_copy_only=False), np.int64)
    # Place -1, of pairs without a row, is the one put at the end.
    msm = np.append(measured.column("msm").to_numpy(), 0.0)[place]
    rows = np.flatnonzero((place >= 0) & (pairs.is_target | (msm > 0)))
    codes = pairs.formula.astype(np.int64) * len(table.texts) + pairs.modifier
    metrics = measured.drop_columns(["ion", "target"]).take(place[rows])
    score = _scores(metrics, model)
    fdr = _rank(codes[rows], score, pairs.is_target[rows], table, len(database.formulas))
    ion = pairs.ion.take(rows)
    prefix: dict[str, Column] = {
        "database": pa.array([database.name] * len(rows), pa.string()),
        "formula": pa.array(pairs.formulas, pa.string()).take(pairs.formula[rows]),
        "modifier": pa.array(table.texts, pa.string()).take(pairs.modifier[rows]),
        "ion_formula": ion,
        "is_target": pa.array(pairs.is_target[rows]),
        "mz": pa.array(ion_mzs(cast(list[str], ion.to_pylist()), charge)),
    }
    columns = prefix | dict(zip(metrics.column_names, metrics.columns, strict=True))
    of_target = np.where(pairs.is_target[rows], score, np.nan)
    last = {"ranked": score, "score": of_target, "fdr": fdr}
    columns |= {name: pa.array(column, mask=np.isnan(column)) for name, column in last.items()}
    return DatabaseMetrics(
        table=pa.table(columns),
        targets=int((pairs.is_target & valid).sum()),
        decoys=int((~pairs.is_target & valid).sum()),
        invalid=[(ion.formula, ion.modifier, ion.reason) for ion in pairs.invalid()],
    )


def _scores(metrics: pa.Table, model: ScoringModel | None) -> npt.NDArray[np.float64]:
    """Return what is ranked, the model's score or the MSM; NaN where the MSM is 0."""
    msm = metrics.column("msm").to_numpy()
    names = ("chaos", "spatial", "spectral", "mz_err_abs", "mz_err_rel")
    score = msm if model is None else model.score(*(metrics.column(name).to_numpy() for name in names))
    return np.where(msm > 0, score, np.nan)


def _rank(
    codes: npt.NDArray[np.int64],
    score: npt.NDArray[np.float64],
    is_target: npt.NDArray[np.bool_],
    table: ModifierTable,
    formulas: int,
) -> npt.NDArray[np.float64]:
    """Return the FDR of every target row whose score is not NaN, for each target modifier by itself; else NaN."""
    fdr = np.full(len(codes), np.nan)
    decoys = table.decoys(0, formulas)
    base = np.arange(formulas, dtype=np.int64)[:, None] * len(table.texts)
    for target in range(len(table.targets)):
        rows = np.flatnonzero(is_target & (codes % len(table.texts) == target) & ~np.isnan(score))
        decoy_scores = _scores_of(base + decoys.of_target(target), codes, score)
        if table.settings.fdr_method == "v1":
            fdr[rows], _ = fdr_v1(score[rows], decoy_scores)
        else:
            fdr[rows] = fdr_v3(score[rows], decoy_scores[~np.isnan(decoy_scores)], table.sample_size)
    return fdr


def _scores_of(
    wanted: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], score: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Look pairs up by their code (`codes` are ascending); NaN where a pair has no score."""
    if not len(codes):
        return np.full(wanted.shape, np.nan)
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where(codes[place] == wanted, score[place], np.nan)


FLAT_NAMES = {"total_iso_ints": "total_int", "max_iso_ints": "max_int", "mz_stddev": "mz_std", "theo_ints": "theo_int"}
"""What the figures of a peak are called in metrics.parquet, before its number, where not as in annotations.parquet."""


def flat_metrics(table: pa.Table) -> pa.Table:
    """Give the figures of every isotope peak columns of their own, numbered from 0."""
    columns: dict[str, Column] = {}
    for name in table.column_names:
        column = table.column(name)
        if not pa.types.is_fixed_size_list(column.type):
            columns[name] = column
            continue
        for peak, values in enumerate(matrix_of(column).T):
            flat = FLAT_NAMES.get(name, name)
            columns[f"{flat}_{peak}"] = pa.array(np.ascontiguousarray(values))
    return pa.table(columns)


def annotation_table(metrics: pa.Table, database: Database, settings: IonSettings, charge: int, ppm: float) -> pa.Table:
    """Return the annotations of one database, best first, with molecules, isomers and isobars.

    A row has the scores; per isotope peak the theoretical m/z and intensity, the observed mean m/z and its standard
    deviation, total and maximum intensity and number of points; the molecules of its formula, and what it may be
    confused with.

    Raises
    ------
    OutOfBudgetError
        The molecules of all annotations are more text than the function that lists them can hold.

    """
    fdr = metrics.column("fdr").to_numpy()  # NaN, which no comparison passes, where there is none
    shown = metrics.column("is_target").to_numpy() & (metrics.column("msm").to_numpy() > 0) & (fdr <= SHOWN_FDR)
    table = (
        metrics.filter(pa.array(shown))
        .drop_columns(["ranked"])
        .sort_by([("score", "descending"), ("formula", "ascending"), ("modifier", "ascending")])
    )
    targets = {modifier.text: modifier for modifier in modifier_table(settings).targets}
    modifiers = [targets[text] for text in _texts(table, "modifier")]
    formulas = _texts(table, "formula")
    sign = "+" if charge > 0 else "-"
    names = [formula + modifier.text + sign for formula, modifier in zip(formulas, modifiers, strict=True)]
    molecules = _molecules(database, formulas)
    ids = [molecules[formula].ids for formula in formulas]
    extra: dict[str, Column] = {
        "ion": pa.array(names, pa.string()),
        "chem_mod": pa.array([modifier.chem_mod for modifier in modifiers], pa.string()),
        "neutral_loss": pa.array([modifier.neutral_loss for modifier in modifiers], pa.string()),
        "adduct": pa.array([modifier.adduct for modifier in modifiers], pa.string()),
        "molecule_names": _lists([molecules[formula].names for formula in formulas]),
        "molecule_ids": _lists(ids),
        "molecule_classes": _lists([molecules[formula].classes for formula in formulas]),
    }
    for name, column in (extra | _isomers(table, names, ids) | _isobars(table, names, ppm)).items():
        table = table.append_column(name, column)
    return table


class _Molecules(NamedTuple):
    """Those of one formula: the ids and names of each, and the classes of any."""

    ids: list[str]
    names: list[str]
    classes: list[str]


def _molecules(database: Database, formulas: Sequence[str]) -> dict[str, _Molecules]:
    """Return the molecules of each formula, unless all that annotations would list is too much."""
    listed: dict[str, _Molecules] = {}
    size = 0
    for formula, times in Counter(formulas).items():
        part = database.molecules_of(formula)
        ids, names, _ = listed[formula] = _Molecules(_texts(part, "id"), _texts(part, "name"), _classes(part))
        size += times * sum(LISTED_BYTES + len(id_) + len(name) for id_, name in zip(ids, names, strict=True))
        if size > MAX_LISTED:
            raise OutOfBudgetError(
                f"The annotations of {database.name!r} with their molecules have more than {MAX_LISTED:,} bytes; "
                f"{formula} alone has {len(ids):,} molecules. Give fewer adducts, neutral_losses or "
                "chemical_modifications, choose molecule_classes, or split the database."
            )
    return listed


def _isomers(table: pa.Table, names: Sequence[str], ids: Sequence[Sequence[str]]) -> dict[str, Column]:
    """Name the other annotations of the same ion, and count the molecules of all of them, each once."""
    others = isomers(_texts(table, "ion_formula"))
    molecules = [len({*own, *chain.from_iterable(ids[i] for i in others.get(row, []))}) for row, own in enumerate(ids)]
    return {
        "isomers": _lists([[names[other] for other in others.get(row, [])] for row in range(len(names))]),
        "isomeric_molecules": pa.array(molecules, pa.int64()),
    }


def _isobars(table: pa.Table, names: Sequence[str], ppm: float) -> dict[str, Column]:
    """Name the annotations of other ions in the same windows, and say which peaks (own:other's) share one."""
    present = matrix_of(table.column("nnz")) > 0
    overlaps = isobars(_texts(table, "ion_formula"), matrix_of(table.column("theo_mz")), present, ppm)
    found = [overlaps.get(row, {}) for row in range(len(names))]
    return {
        "isobars": _lists([[names[other] for other in others] for others in found]),
        "isobar_peaks": _lists(
            [[" ".join(f"{own}:{other}" for own, other in pairs) for pairs in others.values()] for others in found]
        ),
    }


def _texts(table: pa.Table, name: str) -> list[str]:
    return cast(list[str], table.column(name).to_pylist())


def _classes(molecules: pa.Table) -> list[str]:
    return _texts(molecules, "class") if "class" in molecules.column_names else []


def _lists(values: Sequence[Sequence[str]]) -> pa.Array[Any]:
    return pa.array(values, pa.list_(pa.string()))


@dataclass(frozen=True)
class CsvHead:
    """What METASPACE's export says of the dataset and of itself."""

    generated_at: str
    note: str
    url: str
    dataset_name: str
    dataset_id: str
    group: str = ""


def annotations_csv(table: pa.Table, head: CsvHead) -> str:
    """Write annotations as METASPACE exports them: two lines of comment, then cells that are all in double quotes."""
    out = io.StringIO()
    out.write(f"# Generated at {head.generated_at}. {head.note}\n# URL: {head.url}\n")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in table.to_pylist():
        writer.writerow(_csv_row(row, head))
    return out.getvalue()


def _csv_row(row: dict[str, Any], head: CsvHead) -> list[object]:
    adduct = row["adduct"]
    return [
        spreadsheet_cell(head.group),
        spreadsheet_cell(head.dataset_name),
        head.dataset_id,
        row["formula"],
        adduct if adduct.startswith("[M]") else f"M{adduct}",
        row["chem_mod"],
        row["neutral_loss"],
        row["ion"],
        row["mz"],
        row["mz_err_abs"] / row["theo_mz"][0] * 1e6,
        row["score"],
        row["fdr"],
        row["spatial"],
        row["spectral"],
        row["chaos"],
        spreadsheet_cell(joined(row["molecule_names"])),
        spreadsheet_cell(joined(row["molecule_ids"])),
        0.0,
        row["max_iso_ints"][0],
        row["total_iso_ints"][0],
        row["isomeric_molecules"],
        len(row["isomers"]),
        len(row["isobars"]),
        "",
        "",
        joined(row["isobars"]),
    ]


def joined(names: Sequence[str]) -> str:
    """Join names by comma and space; inside a name the space after a comma goes, so that the list can be split."""
    return ", ".join(re.sub(r",\s+", ",", name) for name in names)
