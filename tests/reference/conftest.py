"""Reference data lives beside the project; its absence is a failure, never a skip."""

from pathlib import Path

import pytest

from .pipeline import Job, run_job

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference datasets, databases and tables."""
    if not (SHARED / "data").is_dir():
        pytest.fail(f"The reference data are not at {SHARED}: these tests need them beside the project.")
    return SHARED


@pytest.fixture(scope="session")
def details(shared: Path) -> Path:
    """The folder of detailed reference tables, all of `simulated`."""
    return shared / "data" / "reference" / "simulated_details"


@pytest.fixture(scope="session")
def hmdb(shared: Path) -> bytes:
    """The database of the reference tables."""
    return (shared / "data" / "databases" / "hmdb_formulas.tsv").read_bytes()


@pytest.fixture(scope="session")
def simulated(shared: Path, hmdb: bytes) -> Job:
    """The simulated dataset, annotated as its reference tables were."""
    return run_job(shared / "data" / "datasets" / "simulated", hmdb)


@pytest.fixture(scope="session")
def untreated_tiny(shared: Path, hmdb: bytes) -> Job:
    """The real dataset of eight pixels, annotated as its reference table was."""
    return run_job(shared / "data" / "datasets" / "untreated_tiny", hmdb)
