"""Which scoring models there are: a job names one, its file lies in the input bucket as `models/<name>.json`."""

from __future__ import annotations

from ionfleet.configuration import model_name
from ionfleet.damage import read_intact
from ionfleet.errors import InvalidConfigurationError
from ionfleet.plan import ModelReference, Stores
from ionfleet.scoring import MAX_BYTES, InvalidModelError, ScoringModel, model_digest
from ionfleet.store import ObjectStore

MODELS = "models/"
"""Where models lie, in the input bucket by their names, in the work bucket by their content."""


def model_key(name: str) -> str:
    """Return the key of a model in the input bucket."""
    return f"{MODELS}{name}.json"


def import_model(stores: Stores, reference: str) -> ModelReference:
    """Keep the model that a job names under its content, so that the job has it whatever becomes of the upload.

    Raises
    ------
    InvalidConfigurationError
        There is none of that name, or it is too large.
    InvalidModelError
        It cannot be used.

    """
    name = model_name(reference)
    key = model_key(name)
    info = stores.input.head(key)
    if info is None:
        known = [each.key.removeprefix(MODELS).removesuffix(".json") for each in stores.input.list(MODELS)]
        raise InvalidConfigurationError(
            f"scoring_model: there is no model {name!r}; there is {', '.join(known[:20]) or 'none'}. Convert the .cbm "
            f"file by `ionfleet convert-model`, upload it as {key}, then upload one of the dataset's files again."
        )
    if info.size > MAX_BYTES:
        raise InvalidConfigurationError(
            f"scoring_model: {key} has {info.size:,} bytes, at most {MAX_BYTES:,} are read."
        )
    data = stores.input.get(key)
    try:
        ScoringModel.from_json(data)
    except InvalidModelError as error:
        raise InvalidModelError(f"scoring_model: {key}: {error}") from None
    digest = model_digest(data)
    kept = ModelReference(name=name, digest=digest, key=f"{MODELS}{digest}.json")
    stores.work.create(kept.key, data)
    return kept


def read_model(work: ObjectStore, reference: ModelReference | None) -> ScoringModel | None:
    """Return a job's model, None for a job without one."""
    return None if reference is None else read_intact(work, reference.key, ScoringModel.from_json)
