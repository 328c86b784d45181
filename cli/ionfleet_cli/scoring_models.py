"""Scoring models on this machine: read, and converted from CatBoost's own format where need be."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from ionfleet.configuration import model_name
from ionfleet.errors import InvalidConfigurationError
from ionfleet.scoring import MAX_BYTES, InvalidModelError, ScoringModel
from ionfleet_cli.failures import CommandError
from ionfleet_cli.local_files import read_bytes


@dataclass(frozen=True)
class LocalModel:
    """A scoring model: its name, and its content as the cloud takes it."""

    name: str
    data: bytes


def read_model(path: Path) -> LocalModel:
    """Return the model in a file: a `.cbm` of CatBoost's, or one that has been converted.

    Raises
    ------
    InvalidConfigurationError
        There is no such file, or no model in it that can be used.
    CommandError
        It has to be converted, and CatBoost is not installed.

    """
    if not path.is_file():
        raise InvalidConfigurationError(f"There is no scoring model {path}; give the path of a .cbm or .json file.")
    data = convert_model(path) if path.suffix.lower() == ".cbm" else read_bytes(path, MAX_BYTES)
    try:
        ScoringModel.from_json(data)
    except InvalidModelError as error:
        raise InvalidModelError(f"{path}: {error}") from None
    return LocalModel(model_name(path.name), data)


def find_model(reference: str, folder: Path, *, known: bool = False) -> LocalModel | None:
    """Return the model that a configuration in a folder names: a file of the folder, with or without extension.

    None where there is no such file and it may be `known` to the cloud.
    """
    names = (reference, f"{reference}.json", f"{reference}.cbm")
    found = next((path for name in names if (path := folder / name).is_file()), None)
    return None if known and found is None else read_model(found or folder / reference)


def convert_model(path: Path) -> bytes:
    """Return CatBoost's JSON of a model in its binary format.

    Raises
    ------
    CommandError
        CatBoost, which only this needs, is not installed.
    InvalidModelError
        CatBoost cannot read the file.

    """
    try:
        import catboost
    except ImportError:
        raise CommandError(
            f"To convert {path.name} takes CatBoost, which is not installed: pip install 'ionfleet[catboost]', or "
            "convert it by `ionfleet convert-model` where it is."
        ) from None
    model = catboost.CatBoost()
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "model.json")
        try:
            model.load_model(str(path))
            model.save_model(str(target), format="json")
        except catboost.CatBoostError as error:
            raise InvalidModelError(f"{path} is no model that CatBoost can read: {str(error)[:200]}") from None
        return target.read_bytes()
