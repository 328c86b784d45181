"""The buckets as the functions that compute need them."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from ionfleet.errors import IonfleetError
from ionfleet.plan import Stores, read_plan
from ionfleet.store import ObjectStore
from ionfleet_aws import clients
from ionfleet_aws.environment import SortEnvironment, WorkEnvironment


class NoBucketError(IonfleetError):
    """A function used a bucket that the template does not give it."""


class _NoBucket:
    """Stands where a function has no bucket, so that using one by mistake is not a look-up of None."""

    def __init__(self, which: str) -> None:
        self._which = which

    def __getattr__(self, name: str) -> object:
        raise NoBucketError(f"This function has no {self._which} bucket to {name}; the template has to grant one.")


def open_stores(environment: WorkEnvironment) -> Stores:
    """Return the buckets that are in a function's environment."""
    return Stores(
        input=_bucket(environment, "input"), work=_bucket(environment, "work"), results=_bucket(environment, "results")
    )


def open_pinned_stores(environment: SortEnvironment, plan_key: str) -> Stores:
    """Return the buckets, the input bucket with the dataset as it was planned, whatever was uploaded over it since."""
    stores = open_stores(environment)
    dataset = read_plan(stores.work, plan_key).dataset
    versions = {file.key: file.version for file in (dataset.imzml, dataset.ibd)}
    return replace(stores, input=clients.bucket(environment.input_bucket).pinned(versions))


def _bucket(environment: WorkEnvironment, which: str) -> ObjectStore:
    name = getattr(environment, f"{which}_bucket", None)
    return cast("ObjectStore", _NoBucket(which)) if name is None else clients.bucket(name)
