"""False-discovery rates, given the scores and decoys of METASPACE's engine: the same numbers, not nearly the same."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ionfleet.fdr import fdr_v1, fdr_v3

pytestmark = pytest.mark.reference

Scores = dict[tuple[str, str], float]


def scored(path: Path) -> tuple[dict[str, list[dict]], Scores]:
    """Return the target rows by modifier, and the msm of every scored pair."""
    rows = pq.read_table(path).to_pylist()
    targets: defaultdict[str, list[dict]] = defaultdict(list)
    for row in rows:
        if row["is_target"]:
            targets[row["modifier"]].append(row)
    return targets, {(row["formula"], row["modifier"]): row["msm"] for row in rows}


def formulas(details: Path) -> list[str]:
    """Return the database's formulas by position."""
    rows = pq.read_table(details / "fdr_formula_order.parquet").sort_by("position")
    return rows.column("formula").to_pylist()


@pytest.mark.parametrize("dataset", ["", "_tiny"])
def test_one_ranking_with_all_decoys(details: Path, dataset: str) -> None:
    targets, msm = scored(details / f"fdr_msm_v3{dataset}.parquet")
    order = formulas(details)
    drawn = pq.read_table(details / "fdr_decoys_v3.parquet").to_pylist()
    pairs = [(order[row["position"]], row["decoy_modifier"]) for row in drawn]
    decoys = np.array([msm[pair] for pair in pairs if pair in msm])
    assert len(targets) == 3
    for rows in targets.values():
        fdr = fdr_v3(np.array([row["msm"] for row in rows]), decoys, 20)
        assert fdr.tolist() == [row["fdr"] for row in rows]


@pytest.mark.parametrize("dataset", ["", "_tiny"])
def test_the_median_of_twenty_rankings_digitised(details: Path, dataset: str) -> None:
    targets, msm = scored(details / f"fdr_msm_v1{dataset}.parquet")
    order = formulas(details)
    drawn: defaultdict[str, list[list[float]]] = defaultdict(lambda: [[] for _ in range(20)])
    for row in pq.read_table(details / "fdr_decoys_v1.parquet").to_pylist():
        score = msm.get((order[row["position"]], row["decoy_modifier"]), np.nan)
        drawn[row["target_modifier"]][row["ranking"]].append(score)
    assert len(targets) == 3
    for modifier, rows in targets.items():
        fdr, median = fdr_v1(np.array([row["msm"] for row in rows]), np.array(drawn[modifier]).T)
        assert median.tolist() == [row["fdr_median"] for row in rows]
        assert fdr.tolist() == [row["fdr"] for row in rows]
