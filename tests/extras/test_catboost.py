"""The evaluation of scoring models, compared with CatBoost's own on models that it trains here."""

from __future__ import annotations

from pathlib import Path

import catboost
import numpy as np
import pytest

from ionfleet.scoring import FEATURES, ScoringModel
from ionfleet_cli.scoring_models import read_model

pytestmark = pytest.mark.extras


def samples(seed: int, rows: int, missing: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, len(FEATURES))) * 10.0 ** rng.integers(-4, 4, len(FEATURES))
    values[rng.random(values.shape) < missing] = np.nan
    return values


def trained(folder: Path, seed: int, missing: float = 0.0, **options: object) -> tuple[catboost.CatBoost, ScoringModel]:
    """Train a model on noise, and return it beside what a job would make of its file."""
    values = samples(seed, 600, missing)
    label = np.nan_to_num(values[:, 0] * values[:, 1] + np.random.default_rng(seed).normal(size=len(values)))
    settings = {"iterations": 40, "depth": 5, "random_seed": seed, "verbose": False, "allow_writing_files": False}
    model = catboost.CatBoost(settings | options)
    model.fit(catboost.Pool(values, label, feature_names=list(FEATURES)))
    model.save_model(str(folder / "small.cbm"))
    return model, ScoringModel.from_json(read_model(folder / "small.cbm").data)


@pytest.mark.parametrize(
    "options", [{"depth": 1}, {"depth": 8}, {"loss_function": "Logloss"}, {"boost_from_average": False}]
)
@pytest.mark.parametrize("seed", [1, 2])
def test_predictions_are_catboosts(tmp_path: Path, seed: int, options: dict[str, object]) -> None:
    if options.get("loss_function") == "Logloss":
        values = samples(seed, 600, 0)
        theirs = catboost.CatBoost({"iterations": 20, "verbose": False, "allow_writing_files": False} | options)
        theirs.fit(catboost.Pool(values, values[:, 0] > 0, feature_names=list(FEATURES)))
        theirs.save_model(str(tmp_path / "small.cbm"))
        ours = ScoringModel.from_json(read_model(tmp_path / "small.cbm").data)
    else:
        theirs, ours = trained(tmp_path, seed, **options)
    values = samples(seed + 100, 5000, 0)
    np.testing.assert_allclose(ours.predict(values), theirs.predict(values), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", ["Min", "Max"])
def test_missing_values_go_the_way_that_the_model_has_learned(tmp_path: Path, mode: str) -> None:
    theirs, ours = trained(tmp_path, 3, missing=0.2, nan_mode=mode)
    values = samples(103, 5000, 0.3)
    np.testing.assert_allclose(ours.predict(values), theirs.predict(values), rtol=1e-12, atol=1e-14)


def test_values_on_a_border_and_next_to_it_fall_on_the_same_side(tmp_path: Path) -> None:
    theirs, ours = trained(tmp_path, 4)
    borders = [np.concatenate([tree.border[tree.feature == k] for tree in ours.trees]) for k in range(len(FEATURES))]
    assert all(len(each) for each in borders)
    rng = np.random.default_rng(5)
    exact = np.column_stack([rng.choice(each, 4000) for each in borders]).astype(np.float64)
    for values in (
        exact,
        np.nextafter(exact, np.inf),  # rounds back to the border
        np.nextafter(exact.astype(np.float32), np.float32(np.inf)).astype(np.float64),
        np.nextafter(exact.astype(np.float32), np.float32(-np.inf)).astype(np.float64),
        np.where(exact > 0, np.inf, -np.inf),
    ):
        np.testing.assert_allclose(ours.predict(values), theirs.predict(values), rtol=1e-12, atol=1e-14)


def test_a_file_that_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "none.cbm").write_bytes(b"CBM1 and nothing else")
    with pytest.raises(ValueError, match=r"none\.cbm is no model that CatBoost can read"):
        read_model(tmp_path / "none.cbm")
