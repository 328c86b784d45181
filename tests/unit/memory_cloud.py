"""Three buckets in memory, the input bucket with versions, and things to put into them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from ionfleet.estimate import Deployment
from ionfleet.plan import Stores
from ionfleet.store import MemoryStore, ObjectInfo

from .imzml_files import SMALL, Dataset

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
FUNCTIONS = ("planner", "launcher", "sort", "isotopes", "partition", "annotate", "merge", "render", "status")
DEPLOYMENT = Deployment(memory_mb=dict.fromkeys(FUNCTIONS, 1769), retention_days=30)
DATABASE = b"id\tname\tformula\n1\tGlucose\tC6H12O6\n2\tAlanine\tC3H7NO2\n"
CONFIGURATION = b'{"databases": ["small"]}'


def after(minutes: float) -> datetime:
    """Return a time after noon."""
    return NOON + timedelta(minutes=minutes)


class VersionedStore(MemoryStore):
    """A bucket that gives every write a version of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, int] = {}

    def head(self, key: str) -> ObjectInfo | None:
        info = super().head(key)
        return info and replace(info, version=f"v{self.versions.get(key, 0)}")

    def replace(self, key: str, data: bytes, etag: str | None = None) -> bool:
        written = super().replace(key, data, etag)
        self.versions[key] = self.versions.get(key, 0) + written
        return written


def empty_cloud() -> Stores:
    """Return three empty buckets."""
    return Stores(input=VersionedStore(), work=MemoryStore(), results=MemoryStore())


def upload_dataset(stores: Stores, name: str = "datasets/lab/brain", dataset: Dataset = SMALL) -> None:
    """Upload both files of a dataset."""
    stores.input.replace(f"{name}.imzML", dataset.imzml.encode())
    stores.input.replace(f"{name}.ibd", dataset.ibd)
