"""Reference data lives beside the project; its absence is a failure, never a skip."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference datasets, databases and tables."""
    if not (SHARED / "data").is_dir():
        pytest.fail(f"The reference data are not at {SHARED}: these tests need them beside the project.")
    return SHARED
