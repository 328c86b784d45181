"""Small scoring models, as CatBoost would write them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ionfleet.scoring import FEATURES


def random_model(seed: int, trees: int = 20, depth: int = 3) -> dict[str, Any]:
    """Return the JSON of a model with random trees over all features, each with a way of its own for missing values."""
    rng = np.random.default_rng(seed)
    treatments = rng.permutation(["AsIs", "AsFalse", "AsTrue", "AsFalse", "AsTrue"])
    features = [
        {"feature_index": number, "feature_id": name, "nan_value_treatment": str(treatment)}
        for number, (name, treatment) in enumerate(zip(FEATURES, treatments, strict=True))
    ]
    return {
        "features_info": {"float_features": features},
        "oblivious_trees": [_tree(rng, depth) for _ in range(trees)],
        "scale_and_bias": [float(rng.uniform(0.01, 0.1)), [0.5]],
    }


def _tree(rng: np.random.Generator, depth: int) -> dict[str, Any]:
    splits = [
        {
            "float_feature_index": int(rng.integers(len(FEATURES))),
            "border": float(np.float32(rng.normal())),
            "split_type": "FloatFeature",
        }
        for _ in range(depth)
    ]
    return {"splits": splits, "leaf_values": rng.normal(size=2**depth).tolist()}
