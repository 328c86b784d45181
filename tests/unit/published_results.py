"""The published results of a small job, in memory and in a folder."""

from __future__ import annotations

from pathlib import Path

from ionfleet.stages.status import Outcome, Reporter, conclude

from .memory_cloud import NOON
from .small_jobs import SmallJob

STAGES = {"partition": "2026-01-02T03:04:06.000Z", "merge": "2026-01-02T03:04:07.000Z"}
"""When stages were entered."""


def published(job: SmallJob) -> dict[str, bytes]:
    """Run a job to its end, and return what it publishes, by the names of the files."""
    job.run()
    completion = conclude(
        Reporter(job.stores.work, job.stores.results), job.execution, Outcome("SUCCEEDED", "test", NOON, STAGES)
    )
    assert completion is not None
    assert completion.status.results is not None
    prefix = completion.status.results
    found = job.stores.results.objects  # type: ignore[attr-defined]
    return {key.removeprefix(prefix): data for key, data in found.items() if key.startswith(prefix)}


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files into a folder, as `ionfleet run` leaves them; return the folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
