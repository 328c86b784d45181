"""Part of merge: the colocalised ions of a job (docs/annotation.md, Colocalization)."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ionfleet.colocalization import (
    FEWEST_ANNOTATIONS,
    FEWEST_PIXELS,
    Partners,
    most_compared,
    partners,
    picture,
    similarities,
)
from ionfleet.concurrently import in_order
from ionfleet.images import dense_image, grey_alpha
from ionfleet.index import Grid
from ionfleet.plan import Plan, Stores
from ionfleet.stages.render import read_images

_PIXEL_BYTES = 8
"""Of a stored image for each of its pixels at most."""

_TEXT = pa.dictionary(pa.int32(), pa.string())
SCHEMA = pa.schema(
    {
        "database": _TEXT,
        "fdr_level": pa.float64(),
        "algorithm": _TEXT,
        "formula_a": _TEXT,
        "modifier_a": _TEXT,
        "formula_b": _TEXT,
        "modifier_b": _TEXT,
        "rank": pa.int32(),
        "score": pa.float32(),
    }
)
"""Columns of colocalization.parquet."""


def colocalize(
    stores: Stores, plan: Plan, grid: Grid, annotations: pa.Table, images: pa.Table
) -> tuple[pa.Table, dict[str, int]]:
    """Compare the annotations of each database by their first images.

    Parameters
    ----------
    stores, plan
        The job.
    grid
        Where its pixels are.
    annotations
        The job's annotations, by database, the best first.
    images
        The segment that keeps the images of each ion.

    Returns
    -------
    (pyarrow.Table, dict)
        Rows of `SCHEMA`; and how many annotations of each database were compared: the best ones, as many as fit into
        memory.

    """
    parts, compared = [SCHEMA.empty_table()], {}
    most = most_compared(grid.width * grid.height)
    for reference in plan.databases:
        chosen = annotations.filter(pc.field("database") == reference.name).slice(0, most)
        compared[reference.name] = len(chosen)
        if len(chosen) < FEWEST_ANNOTATIONS or grid.width * grid.height < FEWEST_PIXELS:
            compared[reference.name] = 0
            continue
        pictures = _pictures(stores, plan, grid, chosen, images)
        ions = cast(list[str], chosen.column("ion_formula").to_pylist())
        similarity = similarities([pictures[ion] for ion in ions], (grid.height, grid.width))
        parts += [_rows(found, chosen) for found in partners(similarity, chosen.column("fdr").to_numpy())]
    return pa.concat_tables(parts).unify_dictionaries(), compared


def _pictures(
    stores: Stores, plan: Plan, grid: Grid, annotations: pa.Table, images: pa.Table
) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the picture of each annotated ion's first image."""
    kept = images.filter(pc.is_in(images.column("ion_formula"), annotations.column("ion_formula").combine_chunks()))
    sampled, metaspace = grid.mask, plan.configuration.compatibility == "metaspace"
    ions_of: defaultdict[int, set[str]] = defaultdict(set)
    for row in kept.select(["segment", "ion_formula"]).to_pylist():
        ions_of[row["segment"]].add(row["ion_formula"])

    def drawn(segment: int) -> dict[str, npt.NDArray[np.uint8]]:
        pictures = {}
        for image in read_images(stores, plan.execution, segment, ions_of[segment]):
            if image.isotope == 0:
                dense = dense_image(grid, image.pixel, image.intensity)
                pictures[image.ion] = picture(grey_alpha(dense, sampled, metaspace=metaspace)[..., 0])
        return pictures

    found: dict[str, npt.NDArray[np.uint8]] = {}
    image_bytes = _PIXEL_BYTES * plan.configuration.isotope_peaks * sampled.size
    for pictures in in_order(drawn, ions_of, lambda segment: len(ions_of[segment]) * image_bytes):
        found |= pictures
    return found


def _rows(found: Partners, annotations: pa.Table) -> pa.Table:
    def texts(name: str, rows: npt.NDArray[np.int64]) -> pa.ChunkedArray[Any]:
        return annotations.column(name).take(rows).cast(_TEXT)

    count = len(found.ion)
    columns = [
        texts("database", found.ion),
        pa.array(np.full(count, found.level)),
        pa.array([found.algorithm] * count, pa.string()).cast(_TEXT),
        texts("formula", found.ion),
        texts("modifier", found.ion),
        texts("formula", found.partner),
        texts("modifier", found.partner),
        pa.array(found.rank.astype(np.int32)),
        pa.array(found.score),
    ]
    return pa.table(columns, schema=SCHEMA)
