"""What the page knows of a job: its annotations by columns, and the facts of its dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ionfleet.index import DatasetHeader, Grid
from ionfleet.report.packs import encode_mask, encode_values

_TEXTS = ("formula", "modifier", "ion_formula", "chem_mod", "neutral_loss", "adduct", "ion")
_LISTS = ("molecule_names", "molecule_ids", "isobars", "isobar_peaks")
_DIGITS = {
    "mz": 10, "theo_mz": 10, "mz_mean": 10,
    "msm": 6, "score": 6, "fdr": 6, "chaos": 6, "spatial": 6, "spectral": 6, "mz_err_abs": 5, "mz_err_rel": 5,
    "theo_ints": 6, "mz_stddev": 5, "total_iso_ints": 6, "max_iso_ints": 6,
}  # fmt: skip
"""Significant digits that the page gets of each figure."""
_BINS = 50


def best_first(annotations: pa.Table) -> pa.Table:
    """Return rows of annotations.parquet in the order of the page."""
    return annotations.sort_by([("fdr", "ascending"), ("score", "descending")])


def annotation_columns(annotations: pa.Table, packs: Mapping[str, int]) -> dict[str, Any]:
    """Return the annotations by columns, as JSON values.

    Parameters
    ----------
    annotations
        Rows of annotations.parquet, the best first.
    packs
        The pack that holds each ion's images.

    Returns
    -------
    dict
        `columns` by their names; `databases` and `classes`, which numbers in the columns `database` and
        `molecule_classes` stand for.

    """
    columns: dict[str, Any] = {name: annotations.column(name).to_pylist() for name in (*_TEXTS, *_LISTS)}
    columns |= {name: _rounded(annotations.column(name).to_pylist(), digits) for name, digits in _DIGITS.items()}
    columns["nnz"] = annotations.column("nnz").to_pylist()
    columns["pack"] = [packs[ion] for ion in columns["ion_formula"]]
    databases, classes = _Numbers(), _Numbers()
    columns["database"] = [databases[name] for name in cast(list[str], annotations.column("database").to_pylist())]
    lists = cast(list[list[str]], annotations.column("molecule_classes").to_pylist())
    columns["molecule_classes"] = [[classes[name] for name in names] for names in lists]
    return {"databases": [*databases], "classes": [*classes], "columns": columns}


class _Numbers(dict[str, int]):
    """Numbers texts in the order in which they are asked for."""

    def __missing__(self, text: str) -> int:
        return self.setdefault(text, len(self))


def dataset_facts(
    header: DatasetHeader, grid: Grid, tic: npt.NDArray[np.float32], metrics: Sequence[pa.Table], decoys: int
) -> dict[str, Any]:
    """Return what the page shows of a dataset beside its annotations, as JSON values.

    Parameters
    ----------
    header
        What the imzML says of itself.
    grid
        Where its spectra lie.
    tic
        Summed intensity of every spectrum after cleaning, float32[n_spectra].
    metrics
        The scored pairs of each database.
    decoys
        Decoys that were drawn for each target.

    """
    pixels = len(grid.pixel_index)
    total = np.bincount(grid.pixel, tic, pixels).astype(np.float32)
    present = np.flatnonzero(total)
    return {
        "width": grid.width,
        "height": grid.height,
        "pixels": pixels,
        "x_origin": grid.x_origin,
        "y_origin": grid.y_origin,
        "pixel_size_um": header.pixel_size_um,
        "instrument": header.instrument,
        "uuid": header.uuid,
        "mask": encode_mask(grid.mask),
        "tic": encode_values(present, total[present], pixels),
        "scores": _score_counts(metrics) | {"decoys_per_target": decoys},
    }


def _score_counts(metrics: Sequence[pa.Table]) -> dict[str, list[int]]:
    """Count targets and decoys with an msm above 0 by the score that ranks them, in equal bins from 0 to 1."""
    score = np.concatenate([table.column("ranked").to_numpy() for table in metrics])
    target = np.concatenate([table.column("is_target").to_numpy() for table in metrics])
    scored = ~np.isnan(score)
    counts = {}
    for name, chosen in (("targets", target & scored), ("decoys", ~target & scored)):
        counts[name] = np.histogram(score[chosen], _BINS, (0, 1))[0].tolist()
    return counts


def _rounded(values: list[Any], digits: int) -> list[Any]:
    """Round numbers, or lists of them, to significant digits; None where a number is none."""
    return [_rounded(each, digits) if isinstance(each, list) else _number(each, digits) for each in values]


def _number(value: float | None, digits: int) -> float | None:
    return None if value is None or not np.isfinite(value) else float(f"{value:.{digits}g}")
