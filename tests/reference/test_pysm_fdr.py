"""Rankings against those of an independent implementation, on its toy example."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from ionfleet.fdr import ranking

pytestmark = pytest.mark.reference

TARGET = "H"
DECOYS = ("He", "Cd", "Ha", "Hb")


@pytest.fixture(scope="module")
def toy(shared: Path) -> Path:
    """The folder of the toy example."""
    return shared / "data" / "reference" / "pysm_fdr"


@pytest.mark.parametrize("decoy", DECOYS)
def test_rates_at_each_target_score_are_those_of_the_curve(toy: Path, decoy: str) -> None:
    lines = (toy / "DecoyAdducts_score_df_after_msm.csv").read_text().splitlines()
    scores: dict[str, list[float]] = {}
    for row in csv.DictReader(lines):
        scores.setdefault(row["adduct"], []).append(float(row["msm"]))
    curve = json.loads((toy / "DecoyAdducts_expected_curves.json").read_text())[DECOYS.index(decoy)]
    # Of equal scores, the curve has one entry each; the last one has counted them all.
    expected = dict(zip(curve["score_vect"], curve["fdr_curve"], strict=True))
    found = ranking(np.array(scores[TARGET]), np.array(scores[decoy]), 1)
    assert found == pytest.approx([expected[score] for score in scores[TARGET]], abs=1e-6)
