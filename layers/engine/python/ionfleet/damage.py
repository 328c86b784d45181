"""Objects of the work bucket, read with nobody's word for them: what was written there, or a named error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from ionfleet.errors import DamagedObjectError
from ionfleet.store import ObjectStore

Parsed = TypeVar("Parsed")

# What parsers of JSON, of Parquet (whose errors derive from these) and of our own formats raise on bytes that are none.
_SIGNS = (ValueError, LookupError, TypeError, ArithmeticError, NotImplementedError, OSError, RecursionError)
_SHOWN = 300


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
