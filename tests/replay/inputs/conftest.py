"""One cloud for many inputs: all are put in, each under its own prefix, and waited for once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ionfleet_replay import Cloud, Nursery

from ..jobs.conftest import Laboratory, assembly

__all__ = ["assembly"]


@pytest.fixture(scope="module")
def shared(assembly: Path, tmp_path_factory: pytest.TempPathFactory, warm_nursery: Nursery) -> Iterator[Laboratory]:
    """A cloud of the real template for all tests of a module."""
    with Cloud(assembly, tmp_path_factory.mktemp("inputs") / "cloud", nursery=warm_nursery) as cloud:
        yield Laboratory(cloud)
