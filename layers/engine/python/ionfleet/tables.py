"""The result tables: metrics, annotations, and METASPACE's CSV export (docs/annotation.md, Result tables)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ionfleet.chunks import matrix_of
from ionfleet.databases import Database
from ionfleet.fdr import fdr_v1, fdr_v3
from ionfleet.formula import ion_mzs
from ionfleet.ions import IonSettings, ModifierTable, ion_pairs, modifier_table
from ionfleet.relations import isobars, isomers

SHOWN_FDR = 0.5
"""Annotations are targets with msm above 0 and an FDR up to this."""

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


def database_metrics(measured: pa.Table, database: Database, settings: IonSettings, charge: int) -> DatabaseMetrics:
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

    Returns
    -------
    DatabaseMetrics
        A row for every target with a signal and every decoy with msm above 0, by formula and modifier in the order of
        the database and the configuration.

    """
    pairs = ion_pairs(database.formulas, 0, len(database.formulas), settings)
    table = modifier_table(settings)
    place = np.asarray(pc.fill_null(pc.index_in(pairs.ion, measured.column("ion").combine_chunks()), -1))
    msm = np.where(place >= 0, measured.column("msm").to_numpy()[place], 0.0) if len(measured) else np.zeros(len(place))
    rows = np.flatnonzero((place >= 0) & (pairs.is_target | (msm > 0)))
    codes = pairs.formula.astype(np.int64) * len(table.texts) + pairs.modifier
    fdr = _rank(codes[rows], msm[rows], pairs.is_target[rows], table, len(database.formulas))
    modifiers = pairs.modifier[rows]
    prefix: dict[str, pa.Array] = {
        "database": pa.array([database.name] * len(rows), pa.string()),
        "formula": pa.array(pairs.formulas, pa.string()).take(pa.array(pairs.formula[rows])),
        "modifier": pa.array(table.texts, pa.string()).take(pa.array(modifiers)),
        "ion_formula": pairs.ion.take(pa.array(rows)),
        "is_target": pa.array(pairs.is_target[rows]),
        "mz": pa.array(ion_mzs(pairs.ion.take(pa.array(rows)).to_pylist(), charge)),
    }
    metrics = measured.drop_columns(["ion", "target"]).take(pa.array(place[rows]))
    columns = prefix | dict(zip(metrics.column_names, metrics.columns, strict=True))
    score = pc.if_else(pa.array(msm[rows] > 0), pa.array(msm[rows]), pa.scalar(None, pa.float64()))
    columns |= {"score": score, "fdr": pa.array(fdr, mask=np.isnan(fdr))}
    return DatabaseMetrics(
        table=pa.table(columns),
        targets=int((pairs.is_target & (pairs.ion_id >= 0)).sum()),
        decoys=int((~pairs.is_target & (pairs.ion_id >= 0)).sum()),
        invalid=[(ion.formula, ion.modifier, ion.reason) for ion in pairs.invalid()],
    )


def _rank(
    codes: npt.NDArray[np.int64],
    score: npt.NDArray[np.float64],
    is_target: npt.NDArray[np.bool_],
    table: ModifierTable,
    formulas: int,
) -> npt.NDArray[np.float64]:
    """Return the FDR of every target row with a score, separately for each target modifier; NaN for all others."""
    fdr = np.full(len(codes), np.nan)
    decoys = table.decoys(0, formulas)
    base = np.arange(formulas, dtype=np.int64)[:, None] * len(table.texts)
    for target in range(len(table.targets)):
        rows = np.flatnonzero(is_target & (codes % len(table.texts) == target) & (score > 0))
        decoy_scores = _scores_of(base + decoys.of_target(target), codes, score)
        if table.settings.fdr_method == "v1":
            fdr[rows], _ = fdr_v1(score[rows], decoy_scores)
        else:
            fdr[rows] = fdr_v3(score[rows], decoy_scores[~np.isnan(decoy_scores)], table.settings.decoy_sample_size)
    return fdr


def _scores_of(
    wanted: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], score: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Look pairs up by their code (`codes` are ascending); NaN where a pair has no score."""
    if not len(codes):
        return np.full(wanted.shape, np.nan)
    place = np.minimum(np.searchsorted(codes, wanted), len(codes) - 1)
    return np.where((codes[place] == wanted) & (score[place] > 0), score[place], np.nan)


FLAT_NAMES = {"total_iso_ints": "total_int", "max_iso_ints": "max_int", "mz_stddev": "mz_std", "theo_ints": "theo_int"}
"""What the figures of a peak are called in metrics.parquet, before its number, where not as in annotations.parquet."""


def flat_metrics(table: pa.Table) -> pa.Table:
    """Give the figures of every isotope peak columns of their own, numbered from 0."""
    columns: dict[str, pa.ChunkedArray | pa.Array] = {}
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
    """
    fdr = metrics.column("fdr").to_numpy()  # NaN, which no comparison passes, where there is none
    shown = metrics.column("is_target").to_numpy() & (metrics.column("msm").to_numpy() > 0) & (fdr <= SHOWN_FDR)
    table = metrics.filter(pa.array(shown)).sort_by(
        [("msm", "descending"), ("formula", "ascending"), ("modifier", "ascending")]
    )
    parts = {modifier.text: modifier for modifier in modifier_table(settings).targets}
    modifiers = [parts[text] for text in table.column("modifier").to_pylist()]
    formulas = table.column("formula").to_pylist()
    sign = "+" if charge > 0 else "-"
    names = [formula + modifier.text + sign for formula, modifier in zip(formulas, modifiers, strict=True)]
    molecules = [database.molecules_of(formula) for formula in formulas]
    same_ion = isomers(table.column("ion_formula").to_pylist())
    overlaps = isobars(
        table.column("ion_formula").to_pylist(),
        matrix_of(table.column("theo_mz")),
        matrix_of(table.column("nnz")) > 0,
        ppm,
    )
    candidates = [len(part) for part in molecules]
    extra = {
        "ion": pa.array(names, pa.string()),
        "chem_mod": pa.array([modifier.chem_mod for modifier in modifiers], pa.string()),
        "neutral_loss": pa.array([modifier.neutral_loss for modifier in modifiers], pa.string()),
        "adduct": pa.array([modifier.adduct for modifier in modifiers], pa.string()),
        "molecule_names": _lists([part.column("name").to_pylist() for part in molecules]),
        "molecule_ids": _lists([part.column("id").to_pylist() for part in molecules]),
        "isomers": _lists([[names[other] for other in same_ion.get(row, [])] for row in range(len(names))]),
        "isomeric_molecules": pa.array(
            [candidates[row] + sum(candidates[other] for other in same_ion.get(row, [])) for row in range(len(names))],
            pa.int64(),
        ),
        "isobars": _lists([[names[other] for other in overlaps.get(row, {})] for row in range(len(names))]),
        "isobar_peaks": _lists(
            [
                [" ".join(f"{a}:{b}" for a, b in pairs) for pairs in overlaps.get(row, {}).values()]
                for row in range(len(names))
            ]
        ),
    }
    for name, column in extra.items():
        table = table.append_column(name, column)
    return table


def _lists(values: Sequence[Sequence[str]]) -> pa.Array:
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
        writer.writerow([_harmless(cell) for cell in _csv_row(row, head)])
    return out.getvalue()


def _csv_row(row: dict[str, object], head: CsvHead) -> list[object]:
    adduct = str(row["adduct"])
    theo_mz = row["theo_mz"][0]  # type: ignore[index]
    return [
        head.group,
        head.dataset_name,
        head.dataset_id,
        row["formula"],
        adduct if adduct.startswith("[M]") else f"M{adduct}",
        row["chem_mod"],
        row["neutral_loss"],
        row["ion"],
        row["mz"],
        row["mz_err_abs"] / theo_mz * 1e6,  # type: ignore[operator]
        row["msm"],
        row["fdr"],
        row["spatial"],
        row["spectral"],
        row["chaos"],
        _joined(row["molecule_names"]),
        _joined(row["molecule_ids"]),
        0.0,
        row["max_iso_ints"][0],  # type: ignore[index]
        row["total_iso_ints"][0],  # type: ignore[index]
        row["isomeric_molecules"],
        len(row["isomers"]),  # type: ignore[arg-type]
        len(row["isobars"]),  # type: ignore[arg-type]
        "",
        "",
        _joined(row["isobars"]),
    ]


def _joined(names: object) -> str:
    """Join names by comma and space; inside a name the space after a comma goes, so that the list can be split."""
    assert isinstance(names, list)
    return ", ".join(_tight(str(name)) for name in names)


def _tight(name: str) -> str:
    head, *rest = name.split(",")
    return ",".join([head, *(part.lstrip() for part in rest)])


def _harmless(cell: object) -> object:
    """Keep spreadsheets from running text as a formula; numbers and signs of modifiers are no text to run."""
    if isinstance(cell, str) and cell[:1] in {"=", "+", "-", "@", "\t", "\r"} and not _is_modifier(cell):
        return "'" + cell
    return cell


def _is_modifier(text: str) -> bool:
    return text[0] in "+-" and text[1:].replace("+", "").replace("-", "").isalnum()
