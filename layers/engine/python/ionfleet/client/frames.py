"""Tables as data frames, under METASPACE's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ionfleet.client.source import Source, optional

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "formula": "formula",
    "adduct": "adduct",
    "chemMod": "chem_mod",
    "neutralLoss": "neutral_loss",
    "ionFormula": "ion_formula",
    "ion": "ion",
    "mz": "mz",
    "msm": "score",
    "rhoSpatial": "spatial",
    "rhoSpectral": "spectral",
    "moc": "chaos",
    "fdr": "fdr",
    "moleculeNames": "molecule_names",
    "moleculeIds": "molecule_ids",
}
"""METASPACE's names of columns, and ours."""

Row = dict[str, Any]


def image_name(row: Row, peak: int) -> str:
    """Return the name of the image of one of an annotation's isotope peaks."""
    return f"ion_images/{row['formula']}{row['modifier']}_{peak}.png"


def isotope_images(row: Row, source: Source) -> list[Row]:
    """Return what METASPACE tells of an annotation's images: m/z, address (None without an image), intensities."""
    return [
        {
            "mz": mz,
            "url": source.address(image_name(row, peak)) if row["nnz"][peak] else None,
            "minIntensity": 0.0,
            "maxIntensity": row["max_iso_ints"][peak],
            "totalIntensity": row["total_iso_ints"][peak],
        }
        for peak, mz in enumerate(row["theo_mz"])
        if mz > 0
    ]


def annotation_frame(rows: Sequence[Row], source: Source, index: Sequence[str]) -> pd.DataFrame:
    """Return annotations as a data frame with METASPACE's columns, `index` being those of its index."""
    columns: dict[str, list[Any]] = {name: [row[ours] for row in rows] for name, ours in COLUMNS.items()}
    columns["offSample"] = [None] * len(rows)
    columns["isotopeImages"] = [isotope_images(row, source) for row in rows]
    columns["intensity"] = [row["max_iso_ints"][0] for row in rows]
    left_out = {"chemMod", "neutralLoss"} - {*index}
    frame = optional("pandas").DataFrame({name: values for name, values in columns.items() if name not in left_out})
    return frame.set_index([*index])
