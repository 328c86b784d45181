"""A scoring model: bytes in, a model whose every prediction is made, or the reason why it is none."""

from __future__ import annotations

import json

import numpy as np

from ionfleet.scoring import FEATURES, InvalidModelError, ScoringModel

from ...unit.scoring_models import random_model
from ..invariants import assert_named

WORDS = (
    *(f'"{name}"'.encode() for name in FEATURES), b'"features_info": ', b'"float_features": ', b'"feature_index": ',
    b'"oblivious_trees": ', b'"splits": ', b'"border": ', b'"split_type": ', b'"FloatFeature"', b'"leaf_values": ',
    b'"scale_and_bias": ', b'"nan_value_treatment": ', b'"AsTrue"', b"1e400", b"1e39", b"1e308", b"NaN", b"-1",
    b"[]", b"{}", b"null",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return models of several shapes."""
    shapes = {"small": (2, 2), "deep": (1, 6), "flat": (3, 0)}
    return {name: json.dumps(random_model(1, *shape)).encode() for name, shape in shapes.items()}


def check(data: bytes) -> None:
    """Read a model and have it predict."""
    try:
        model = ScoringModel.from_json(data)
    except InvalidModelError as error:
        assert_named(error)
        return
    odd = np.array([0.0, 0.5, -1e300, 1e-320, np.inf, -np.inf, np.nan])
    assert np.isfinite(model.predict(np.tile(odd[:, None], len(model.features)))).all()
    half = np.full(2, 0.5)
    score = model.score(half, half, np.array([0.5, 0.0]), half, half)
    assert 0 <= score[0] <= 1
    assert score[1] == 0
