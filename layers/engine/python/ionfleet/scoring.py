"""Scores by a METASPACE-ML model: CatBoost's trees, evaluated with NumPy (docs/annotation.md, Scoring models).

A model is kept as the JSON that CatBoost itself writes, which names every split and leaf, so that no function needs
CatBoost. Trees are oblivious: all splits of one level are the same, and the answers along the levels are the bits of
the leaf's number, the first level the lowest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from ionfleet.errors import InvalidConfigurationError

Float64 = npt.NDArray[np.float64]

FEATURES = ("chaos", "spatial", "spectral", "mz_err_abs_abserr", "mz_err_rel_abserr")
"""What a model may ask about an ion. The last two are minus the size of the m/z error in Da."""

MAX_BYTES = 64 * 1024 * 1024
"""Size of a converted model; METASPACE's have about four million bytes."""

MAX_DEPTH = 16
"""Levels of a tree, CatBoost's own limit."""

_NOT_A_NUMBER = {"AsIs": np.nan, "AsFalse": -np.inf, "AsTrue": np.inf}
"""What a missing value counts as, by the words of the format: no border is below -inf, every one is below +inf."""


class InvalidModelError(InvalidConfigurationError, ValueError):
    """The file is no scoring model that can be used."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Feature(_Part):
    feature_index: Annotated[int, Field(ge=0)]
    feature_id: str
    nan_value_treatment: Literal["AsIs", "AsFalse", "AsTrue"] = "AsIs"


class _Features(_Part):
    float_features: Annotated[tuple[_Feature, ...], Field(min_length=1)]
    categorical_features: tuple[object, ...] = ()
    text_features: tuple[object, ...] = ()
    embedding_features: tuple[object, ...] = ()


class _Split(_Part):
    float_feature_index: Annotated[int, Field(ge=0)]
    border: FiniteFloat
    split_type: Literal["FloatFeature"]


class _Tree(_Part):
    splits: Annotated[tuple[_Split, ...], Field(max_length=MAX_DEPTH)] | None = ()
    leaf_values: tuple[FiniteFloat, ...]


class _Model(_Part):
    """The part of CatBoost's JSON that says how a prediction is made."""

    features_info: _Features
    oblivious_trees: Annotated[tuple[_Tree, ...], Field(min_length=1)]
    scale_and_bias: tuple[FiniteFloat, Annotated[tuple[FiniteFloat, ...], Field(min_length=1, max_length=1)]]


@dataclass(frozen=True)
class Tree:
    """A tree of d levels: the column asked at each (int64[d]), its border (float32[d]), the leaves (float64[2**d])."""

    feature: npt.NDArray[np.int64]
    border: npt.NDArray[np.float32]
    leaf: Float64


@dataclass(frozen=True)
class ScoringModel:
    """A sum of trees over some features.

    Attributes
    ----------
    features
        Names of the columns that the trees ask about, in the model's order.
    trees
        The trees, in the order in which their leaves are summed.
    scale, bias
        The prediction is scale · sum + bias.
    missing
        float32, one a feature: what a missing value (NaN) counts as.

    """

    features: tuple[str, ...]
    trees: tuple[Tree, ...]
    scale: float
    bias: float
    missing: npt.NDArray[np.float32]

    @classmethod
    def from_json(cls, data: bytes) -> ScoringModel:
        """Return the model in the JSON that CatBoost writes (`ionfleet convert-model` calls it).

        Raises
        ------
        InvalidModelError
            It is none, or one that this evaluation does not cover: other features than numbers, other trees than
            oblivious ones, several outputs.

        """
        if len(data) > MAX_BYTES:
            raise InvalidModelError(f"A model of {len(data):,} bytes was found, at most {MAX_BYTES:,} are read.")
        try:
            model = _Model.model_validate_json(data)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise InvalidModelError(
                f"This is no scoring model in CatBoost's JSON with oblivious trees over numbers and one output: "
                f"{place}: {first['msg']}. Make one of a .cbm file by `ionfleet convert-model`."
            ) from None
        return _checked(model)

    def predict(self, values: Float64) -> Float64:
        """Return the prediction for every row of `values`, float64[n, len(features)], as CatBoost makes it.

        Values are rounded to float32 first, which is what the model's borders are.
        """
        with np.errstate(over="ignore"):
            columns = values.astype(np.float32).T
        columns = np.where(np.isnan(columns), self.missing[:, None], columns)
        total = np.zeros(values.shape[0])
        for tree in self.trees:
            place = np.zeros(values.shape[0], np.int64)
            for level, (feature, border) in enumerate(zip(tree.feature, tree.border, strict=True)):
                place |= (columns[feature] > border).astype(np.int64) << level
            total += tree.leaf[place]
        return self.scale * total + self.bias

    def score(
        self, chaos: Float64, spatial: Float64, spectral: Float64, mz_err_abs: Float64, mz_err_rel: Float64
    ) -> Float64:
        """Return the score, 0–1, of n ions; 0 where the product of the first three, their MSM, is 0.

        All are float64[n]; the m/z errors are in Da.
        """
        known = dict(zip(FEATURES, (chaos, spatial, spectral, -np.abs(mz_err_abs), -np.abs(mz_err_rel)), strict=True))
        matched = np.flatnonzero(chaos * spatial * spectral > 0)
        score = np.zeros(len(chaos))
        values = np.column_stack([known[name][matched] for name in self.features])
        score[matched] = np.clip(self.predict(values), 0.0, 1.0)
        return score


def model_digest(data: bytes) -> str:
    """Return 20 hex digits of the SHA-256 of a converted model's bytes."""
    return hashlib.sha256(data).hexdigest()[:20]


def _checked(model: _Model) -> ScoringModel:
    """Return the model with its trees as arrays, or refuse what does not go together."""
    info = model.features_info
    if info.categorical_features or info.text_features or info.embedding_features:
        raise InvalidModelError("The model asks about categories, texts or embeddings; scores come from numbers alone.")
    features = sorted(info.float_features, key=lambda feature: feature.feature_index)
    names = tuple(feature.feature_id for feature in features)
    unknown = [name for name in names if name not in FEATURES]
    if unknown or len(set(names)) < len(names) or [each.feature_index for each in features] != list(range(len(names))):
        raise InvalidModelError(
            f"The model asks about {', '.join(names)[:200]}; known are {', '.join(FEATURES)}, each once. Models with "
            "features of another kind, such as those before METASPACE's of December 2023, are not supported."
        )
    missing = np.array([_NOT_A_NUMBER[feature.nan_value_treatment] for feature in features], np.float32)
    scale, (bias,) = model.scale_and_bias
    trees = tuple(_tree(number, tree, len(names)) for number, tree in enumerate(model.oblivious_trees))
    with np.errstate(over="ignore", invalid="ignore"):
        largest = abs(scale) * sum(np.abs(tree.leaf).max() for tree in trees) + abs(bias)
    if not np.isfinite(largest):
        raise InvalidModelError("The leaves of the model add up beyond all numbers. Convert the model again.")
    return ScoringModel(names, trees, scale, bias, missing)


def _tree(number: int, tree: _Tree, features: int) -> Tree:
    splits = tree.splits or ()
    if len(tree.leaf_values) != 2 ** len(splits) or any(split.float_feature_index >= features for split in splits):
        raise InvalidModelError(
            f"Tree {number} of the model has {len(splits)} levels and {len(tree.leaf_values)} leaves, or asks about a "
            "feature that the model does not list. Convert the model again."
        )
    with np.errstate(over="ignore"):
        border = np.array([split.border for split in splits]).astype(np.float32)
    feature = np.array([split.float_feature_index for split in splits], np.int64)
    return Tree(feature, border, np.array(tree.leaf_values))
