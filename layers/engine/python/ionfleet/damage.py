"""Objects of the work bucket, read with nobody's word for them: what was written there, or a named error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter

from ionfleet.errors import DamagedObjectError
from ionfleet.store import ObjectStore

Parsed = TypeVar("Parsed")

# What parsers of JSON, of Parquet (whose errors derive from these) and of our own formats raise on bytes that are none.
# NotImplementedError is what Arrow derives its error from for bytes that name a type or codec which it does not know.
_SIGNS = (ValueError, LookupError, TypeError, ArithmeticError, NotImplementedError, OSError, RecursionError)
_SHOWN = 300
_COUNT = TypeAdapter(Annotated[int, Field(ge=0, strict=True)])


def read_intact(work: ObjectStore, key: str, parse: Callable[[bytes], Parsed]) -> Parsed:
    """Return what `parse` makes of a whole object of the work bucket.

    Raises
    ------
    DamagedObjectError
        It makes nothing of it; the message names the key.

    """
    data = work.get(key)
    with reading(key):
        return parse(data)


def read_counts(work: ObjectStore, key: str, *names: str) -> dict[str, int]:
    """Read counts, such as that of the tasks, out of the JSON object in which a stage left them."""

    def parse(data: bytes) -> dict[str, int]:
        said = json.loads(data)
        return {name: _COUNT.validate_python(said[name]) for name in names}

    return read_intact(work, key, parse)


@contextmanager
def reading(key: str) -> Iterator[None]:
    """Take what goes wrong while an object is parsed for damage to it: a `DamagedObjectError` that names its key."""
    try:
        yield
    except _SIGNS as error:
        said = ascii(str(error))[1:-1][:_SHOWN]
        raise DamagedObjectError(
            f"{key} in the work bucket is not what was written there ({said}). Remove it and upload one of the "
            "dataset's files again: it will be made anew."
        ) from error
