"""Scoring models: evaluated as a plain walk through their trees would, and refused by name where they cannot be."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ionfleet.errors import DamagedObjectError
from ionfleet.models import read_model
from ionfleet.plan import ModelReference
from ionfleet.scoring import FEATURES, InvalidModelError, ScoringModel
from ionfleet.store import MemoryStore

from .scoring_models import random_model


def walk(model: dict[str, Any], row: list[float]) -> float:
    """Predict one row by following the answers of every tree, one by one."""
    total = 0.0
    for tree in model["oblivious_trees"]:
        leaf = 0
        for level, split in enumerate(tree["splits"]):
            feature = model["features_info"]["float_features"][split["float_feature_index"]]
            value = np.float32(row[split["float_feature_index"]])
            if math.isnan(value):
                above = feature["nan_value_treatment"] == "AsTrue"
            else:
                above = bool(value > np.float32(split["border"]))
            leaf += above * 2**level
        total += tree["leaf_values"][leaf]
    scale, (bias,) = model["scale_and_bias"]
    return scale * total + bias


@pytest.mark.parametrize("seed", range(5))
def test_predictions_are_those_of_a_walk_through_the_trees(seed: int) -> None:
    model = random_model(seed)
    rng = np.random.default_rng(seed)
    borders = [split["border"] for tree in model["oblivious_trees"] for split in tree["splits"]]
    values = np.concatenate(
        [rng.normal(size=(50, 5)), rng.choice(borders, (50, 5)), rng.choice([np.nan, np.inf, -np.inf, 0], (50, 5))]
    )
    predicted = ScoringModel.from_json(json.dumps(model).encode()).predict(values)
    assert predicted.tolist() == pytest.approx([walk(model, row) for row in values.tolist()], rel=1e-12)


def test_scores_are_clipped_and_zero_where_the_msm_is() -> None:
    model = random_model(1)
    model["scale_and_bias"] = [0.0, [1.7]]
    scoring = ScoringModel.from_json(json.dumps(model).encode())
    zeros = np.zeros(3)
    score = scoring.score(np.array([0.5, 0.0, 0.5]), np.full(3, 0.5), np.array([0.5, 0.5, np.nan]), zeros, zeros)
    assert score.tolist() == [1.0, 0.0, 0.0]


def test_errors_of_mz_count_by_their_size_and_features_by_their_names() -> None:
    split = {"float_feature_index": 0, "border": -0.5, "split_type": "FloatFeature"}
    model = {
        "features_info": {"float_features": [{"feature_index": 0, "feature_id": "mz_err_rel_abserr"}]},
        "oblivious_trees": [{"splits": [split], "leaf_values": [0.25, 0.75]}],
        "scale_and_bias": [1, [0]],
    }
    scoring = ScoringModel.from_json(json.dumps(model).encode())
    half = np.full(4, 0.5)
    score = scoring.score(half, half, half, np.zeros(4), np.array([-0.4, 0.4, -0.6, 0.6]))
    assert score.tolist() == [0.75, 0.75, 0.25, 0.25]


def spoilt(change: Callable[[dict[str, Any]], object]) -> bytes:
    model = random_model(2)
    change(model)
    return json.dumps(model).encode()


def with_feature(**values: str) -> bytes:
    return spoilt(lambda model: model["features_info"]["float_features"][0].update(values))


def with_split(**values: object) -> bytes:
    return spoilt(lambda model: model["oblivious_trees"][0]["splits"][0].update(values))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"CBM1\0\0", "the file: Invalid JSON"),
        (b"[]", "no scoring model in CatBoost's JSON"),
        (with_feature(feature_id="chaos_fdr"), "chaos_fdr"),
        (spoilt(lambda model: model["features_info"].update(categorical_features=[{}])), "categories"),
        (spoilt(lambda model: model.update(scale_and_bias=[1, [0, 0]])), "scale_and_bias"),
        (spoilt(lambda model: model["oblivious_trees"][0]["leaf_values"].pop()), "Tree 0 .* 3 levels and 7 leaves"),
        (spoilt(lambda model: model.update(scale_and_bias=[1e308, [1e308]])), "beyond all numbers"),
        (with_split(float_feature_index=9), "does not list"),
        (with_split(split_type="OneHotFeature"), "split_type"),
        (spoilt(lambda model: model.pop("oblivious_trees")), "oblivious_trees: Field required"),
    ],
)
def test_what_is_no_model_or_one_of_another_kind_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(InvalidModelError, match=said):
        ScoringModel.from_json(data)


def test_a_kept_model_that_was_spoilt_is_damage() -> None:
    store = MemoryStore()
    store.create("models/0a.json", b"{}")
    with pytest.raises(DamagedObjectError, match=r"models/0a\.json"):
        read_model(store, ModelReference(name="animal", digest="0a", key="models/0a.json"))


def test_the_features_are_metaspaces() -> None:
    assert FEATURES == ("chaos", "spatial", "spectral", "mz_err_abs_abserr", "mz_err_rel_abserr")
