"""The optical image that a configuration names: found when the job is planned, kept with its plan for the page."""

from __future__ import annotations

from ionfleet.brief import optical_key
from ionfleet.configuration import ResolvedConfiguration
from ionfleet.errors import InvalidConfigurationError, TransientError
from ionfleet.plan import Stores
from ionfleet.report.optical import MAX_BYTES, optical_script
from ionfleet.report.scripts import OPTICAL
from ionfleet.store import ObjectInfo, ObjectStore


def find_optical(store: ObjectStore, folder: str, configuration: ResolvedConfiguration) -> ObjectInfo | None:
    """Return the optical image in a dataset's folder of the input bucket; None where the configuration names none.

    Raises
    ------
    InvalidConfigurationError
        It is not there, or too large.

    """
    name = configuration.optical_image
    if name is None:
        return None
    info = store.head(f"{folder}{name}")
    if info is None:
        raise InvalidConfigurationError(
            f"optical_image names {name!r}, which is not beside the dataset; put it there before the dataset's files."
        )
    if info.size > MAX_BYTES:
        raise InvalidConfigurationError(
            f"optical_image names {name!r} of {info.size:,} bytes, at most {MAX_BYTES:,} are allowed; save the picture "
            "smaller, and its transform with it."
        )
    return info


def keep_optical(stores: Stores, execution: str, info: ObjectInfo | None, configuration: ResolvedConfiguration) -> None:
    """Keep the optical image for the page of an attempt.

    Raises
    ------
    InvalidConfigurationError
        It is no picture that browsers show.
    TransientError
        It was replaced since it was found.

    """
    if info is None:
        return
    data = stores.input.get(info.key)
    if stores.input.head(info.key) != info:
        raise TransientError(f"{info.key!r} was replaced or deleted while it was read. Try again.")
    name = info.key.rpartition("/")[2]
    stores.work.create(optical_key(execution), optical_script(OPTICAL, name, data, configuration.transform))
