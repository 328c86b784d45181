"""Files for other programs: AnnData, a table of pixels."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ionfleet.client.frames import Row
from ionfleet.client.images import Image, IsotopeImages
from ionfleet.client.source import ResultsError, optional
from ionfleet.fdr import LEVELS
from ionfleet.tables import SHOWN_FDR, joined
from ionfleet.text import spreadsheet_cell

if TYPE_CHECKING:
    from anndata import AnnData

    from ionfleet.client.results import Results

MOST_VALUES = 50_000_000
"""Pixels times annotations up to which a file has all annotations; beyond, those with an FDR of up to 10 %."""

LARGE_FDR = LEVELS[1]


def fdr_that_fits(results: Results, fdr: float, database: str | None) -> float:
    """Return the FDR up to which annotations go into a file of pixels: `fdr`, or 10 % where that were too many."""
    height, width = results.shape
    count = len(results.annotations(fdr, database))
    return fdr if count * height * width <= MOST_VALUES else min(fdr, LARGE_FDR)


def to_anndata(
    results: Results, fdr: float = SHOWN_FDR, database: str | None = None, *, use_tic: bool = False
) -> AnnData:
    """Return the first images of all annotations up to an FDR as AnnData, laid out as metaspace-converter does.

    Parameters
    ----------
    results
        A job's results.
    fdr, database
        Which annotations; where they are too many (`MOST_VALUES`), those up to 10 %, and `uns` says so.
    use_tic
        Divide by each pixel's total ion count.

    Returns
    -------
    AnnData
        `X`, sparse float32 [pixels of the box, annotations], pixels row by row. `obs` has each pixel's place and the
        image's shape, `var` the annotations, lists as JSON. `obsm["spatial"]` is x, y. `uns["metaspace"]` tells of the
        dataset.

    """
    anndata, pandas, sparse = optional("anndata"), optional("pandas"), optional("scipy.sparse")
    fits = fdr_that_fits(results, fdr, database)
    frame = results.results(database, fits, include_chem_mods=True, include_neutral_losses=True).reset_index()
    images = results.all_annotation_images(fits, database, True, "TIC" if use_tic else True)
    columns = [sparse.csc_matrix(np.zeros((np.prod(results.shape), 0), np.float32))]
    columns += [sparse.csc_matrix(first_image(each).reshape(-1, 1)) for each in images]
    y, x = np.indices(results.shape).reshape(2, -1)
    obs = pandas.DataFrame(
        {
            "ion_image_pixel_x": x,
            "ion_image_pixel_y": y,
            "ion_image_shape_y": results.shape[0],
            "ion_image_shape_x": results.shape[1],
        },
        index=pandas.Index([str(number) for number in range(len(x))], name="ion_image_pixel"),
    )
    return anndata.AnnData(
        X=sparse.hstack(columns, format="csr"),
        obs=obs,
        var=_var(frame),
        obsm={"spatial": np.column_stack([x, y])},
        uns={"metaspace": _dataset(results, database, fdr=fits)},
    )


def _var(frame: Any) -> Any:
    """Return the annotations as AnnData can store them: lists as JSON, under names made of the ions."""
    for name in ("isotopeImages", "moleculeNames", "moleculeIds"):
        frame[name] = [json.dumps(value) for value in frame[name]]
    frame["offSample"] = np.nan
    names = frame["formula"] + frame["adduct"] + frame["chemMod"] + frame["neutralLoss"]
    frame.index = names.rename("formula_adduct")
    return frame


def _dataset(results: Results, database: str | None, **parameters: object) -> dict[str, Any]:
    return {
        "id": results.id,
        "name": results.name,
        "adducts": results.adducts,
        "databases": results.databases,
        "polarity": results.polarity,
        "image_size": results.image_size,
        "status": "FINISHED",
        "job": results.summary["job"],
        "metadata": json.dumps(results.metadata),
        "config": json.dumps(results.config),
        "parameters": {"database": database or results.databases[0], **parameters},
    }


def write_pixel_intensities(results: Results, path: Path, fdr: float = SHOWN_FDR, database: str | None = None) -> int:
    """Write METASPACE's table of pixels: a row an annotation, a column a pixel of the box; return the number of rows.

    Columns of pixels are `x0_y0`, `x0_y1`, …, x being the outer loop. Too many annotations are limited as in
    `to_anndata`.
    """
    fits = fdr_that_fits(results, fdr, database)
    height, width = results.shape
    head = ["mol_formula", "adduct", "mz", "moleculeNames", "moleculeIds"]
    rows = results.rows(fits, database)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*head, *(f"x{x}_y{y}" for x in range(width) for y in range(height))])
        for row, images in zip(rows, results.all_annotation_images(fits, database, True), strict=True):
            writer.writerow([*_named(row), *(f"{value:.7g}" for value in first_image(images).T.ravel().tolist())])
    return len(rows)


def _named(row: Row) -> list[object]:
    adduct = row["modifier"] or row["adduct"]
    molecules = [spreadsheet_cell(joined(row[name])) for name in ("molecule_names", "molecule_ids")]
    return [row["formula"], adduct if adduct.startswith("[M]") else f"M{adduct}", row["mz"], *molecules]


def first_image(images: IsotopeImages) -> Image:
    """Return the image of the first isotope peak, which every annotation has."""
    image = images[0]
    if image is None:
        raise ResultsError(f"{images!r} has no first image.")
    return image
