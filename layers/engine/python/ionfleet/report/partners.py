"""The colocalised ions that the page shows: the best of those in colocalization.parquet."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ionfleet.fdr import LEVELS
from ionfleet.report.packs import compressed, planes

MOST = 20
"""Partners of an ion that the page gets, of those that the table lists."""


def partner_lists(pairs: pa.Table, annotations: pa.Table) -> dict[str, dict[str, str]]:
    """Return the best partners of every annotation, by level (`5`, `10`, …) and by measure.

    Parameters
    ----------
    pairs
        Rows of colocalization.parquet.
    annotations
        The annotations in the order of the page.

    Returns
    -------
    dict
        Base64 of raw deflate of: uint8[annotations], how many partners each has; their rows among the annotations,
        the best first, as planes of uint32; their scores, as planes of float32. Empty where there are no pairs.

    """
    best = pairs.filter(pc.field("rank") < MOST)
    names = _names(annotations, "formula", "modifier")
    lists: dict[str, dict[str, str]] = {}
    for level in LEVELS:
        of_level = best.filter(pc.field("fdr_level") == level)
        for measure in cast(list[str], pc.unique(of_level.column("algorithm").cast(pa.string())).to_pylist()):
            lists.setdefault(f"{100 * level:g}", {})[measure] = _block(
                of_level.filter(pc.field("algorithm") == measure), names
            )
    return lists


def _names(table: pa.Table, formula: str, modifier: str) -> pa.Array[Any]:
    """Return what names an annotation within a job, as text: no name has a line break in it."""
    texts: list[Any] = [table.column(name).cast(pa.string()) for name in ("database", formula, modifier)]
    return cast("pa.Array[Any]", pc.binary_join_element_wise(*texts, "\n").combine_chunks())


def _block(pairs: pa.Table, names: pa.Array[Any]) -> str:
    """Encode the pairs of a level and a measure."""
    rows, partners = (
        pc.index_in(_names(pairs, f"formula_{side}", f"modifier_{side}"), names).to_numpy() for side in ("a", "b")
    )
    order = np.lexsort((pairs.column("rank").to_numpy(), rows))
    counts = np.bincount(rows, minlength=len(names)).astype(np.uint8)
    scores = pairs.column("score").to_numpy()
    return compressed(counts.tobytes() + planes(partners[order], "<u4") + planes(scores[order], "<f4"))
