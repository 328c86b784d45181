"""A plan as it concerns those who start, report and publish a job, and compute nothing.

The functions that do so are small and must start at once: reading a plan this way needs neither numpy nor pyarrow.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from ionfleet.damage import read_intact
from ionfleet.estimate import Estimate
from ionfleet.store import ObjectStore


class FileBrief(BaseModel):
    """A file's key in the input bucket; its other facts are carried along."""

    model_config = ConfigDict(frozen=True, extra="allow")

    key: str


class DatasetBrief(BaseModel):
    """A dataset's id, name and imzML; its other facts are carried along."""

    model_config = ConfigDict(frozen=True, extra="allow")

    id: str
    name: str
    imzml: FileBrief


class StageBrief(BaseModel):
    """How many tasks a stage has, the manifest that lists them, and how many may run at one time where that varies."""

    model_config = ConfigDict(frozen=True)

    tasks: int
    manifest: str
    width: int | None = None


class PlanBrief(BaseModel):
    """The part of `ionfleet.plan.Plan` that is no business of the fleet's."""

    model_config = ConfigDict(frozen=True)

    execution: str
    job: str
    attempt: int
    claimed_at: str
    versions: dict[str, str]
    dataset: DatasetBrief
    configuration: dict[str, Any]
    databases: tuple[dict[str, Any], ...]
    sort: StageBrief
    isotopes: StageBrief
    estimate: Estimate
    findings: tuple[dict[str, Any], ...]

    @property
    def key(self) -> str:
        """Key of the plan in the work bucket."""
        return plan_key(self.execution)

    @property
    def results_prefix(self) -> str:
        """Where the job's results are published in the results bucket, ending in a slash."""
        return f"results/{self.dataset.id}/{self.job}/"

    def launch_input(self) -> dict[str, Any]:
        """Return the input of the job's execution (docs/architecture.md, Messages)."""
        return {
            "execution": self.execution,
            "job": self.job,
            "dataset": self.dataset.id,
            "plan": self.key,
            "sort": self.sort.model_dump(),
            "isotopes": self.isotopes.model_dump(exclude_none=True),
        }


def plan_key(execution: str) -> str:
    """Return the key of an execution's plan in the work bucket."""
    return f"manifests/{execution}/plan.json"


def optical_key(execution: str) -> str:
    """Return the key of the optical image that goes with an execution's plan, where it has one."""
    return f"manifests/{execution}/optical.js"


def read_brief(work: ObjectStore, key: str) -> PlanBrief:
    """Read a plan from the work bucket; one that is none is a `DamagedObjectError`."""
    return read_intact(work, key, PlanBrief.model_validate_json)
