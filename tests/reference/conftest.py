"""Reference data lives beside the project; its absence is a failure, never a skip."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from ..conftest import Once
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


Runs: TypeAlias = Callable[[str], Job]


@pytest.fixture(scope="session")
def run(shared: Path, hmdb: bytes, once: Once) -> Runs:
    """Annotates a dataset as its reference tables were."""

    def annotated(dataset: str) -> Job:
        def fill(folder: Path) -> None:
            (folder / "job").write_bytes(pickle.dumps(run_job(shared / "data" / "datasets" / dataset, hmdb)))

        return pickle.loads((once(f"reference-{dataset}", fill) / "job").read_bytes())

    return annotated


@pytest.fixture(scope="session")
def simulated(run: Runs) -> Job:
    """The simulated dataset, annotated as its reference tables were."""
    return run("simulated")


@pytest.fixture(scope="session")
def untreated_tiny(run: Runs) -> Job:
    """The real dataset of eight pixels, annotated as its reference table was."""
    return run("untreated_tiny")
