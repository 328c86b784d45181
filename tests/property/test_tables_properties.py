"""Laws of the CSV export, for any names."""

from __future__ import annotations

import csv
import io
import re

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from ionfleet.chunks import matrix_column
from ionfleet.tables import CSV_COLUMNS, CsvHead, annotations_csv
from ionfleet.text import printable

names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
MATRIX = matrix_column(np.array([[200.0, 201.0]]))


def annotation(molecules: list[str], ids: list[str]) -> pa.Table:
    """Return one annotation with what the export needs."""
    numbers = ("mz", "mz_err_abs", "score", "fdr", "spatial", "spectral", "chaos")
    columns: dict[str, object] = {name: [0.25] for name in numbers}
    columns |= {name: [""] for name in ("chem_mod", "neutral_loss")}
    columns |= {"formula": ["CH4"], "adduct": ["+H"], "ion": ["CH4+H+"], "isomeric_molecules": [len(ids)]}
    columns |= {"molecule_names": [molecules], "molecule_ids": [ids], "isomers": [[]], "isobars": [[]]}
    columns |= dict.fromkeys(("theo_mz", "max_iso_ints", "total_iso_ints"), MATRIX)
    return pa.table(columns)


@settings(deadline=None)
@given(st.lists(names, min_size=1, max_size=3), st.lists(names, min_size=1, max_size=3), names)
def test_every_cell_is_read_back_as_it_may_be_shown_and_none_is_run(
    molecules: list[str], ids: list[str], dataset: str
) -> None:
    head = CsvHead("2026-05-04 12:00:00", "", "", dataset, "ds-1")
    text = annotations_csv(annotation(molecules, ids), head)
    first, second, table = text.split("\n", 2)
    assert first.startswith("# Generated at ")
    assert second.startswith("# URL: ")
    header, row = csv.reader(io.StringIO(table, newline=""))
    assert tuple(header) == CSV_COLUMNS
    cells = dict(zip(header, row, strict=True))
    texts = {"datasetName": [dataset], "moleculeNames": molecules, "moleculeIds": ids}
    for name, parts in texts.items():
        text = parts[0] if name == "datasetName" else ", ".join(re.sub(r",\s+", ",", part) for part in parts)
        assert cells[name] in {printable(text), f"'{printable(text)}"}
        assert cells[name].strip()[:1] not in set("=+-@＝＋－＠")
