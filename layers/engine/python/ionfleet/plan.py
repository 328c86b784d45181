"""The plan of a job: what its functions read to know what to do (docs/architecture.md, Objects)."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from ionfleet.configuration import ResolvedConfiguration
from ionfleet.damage import read_intact
from ionfleet.estimate import Deployment, Estimate, Expectation
from ionfleet.findings import Finding
from ionfleet.store import ObjectStore

FORMAT_VERSION = "2"
"""Part of every job id: another version of the result tables is another job."""


UNBOUNDED = 0
"""Tasks of a map that may run at one time where nothing bounds them, as Step Functions writes it."""


@dataclass(frozen=True)
class Stores:
    """The three buckets."""

    input: ObjectStore
    work: ObjectStore
    results: ObjectStore


class Document(BaseModel):
    """A JSON document that is written once: immutable, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class InputFile(Document):
    """One file of a dataset: which version of which object."""

    key: str
    version: str
    etag: str
    size: int


class DatasetFacts(Document):
    """What the planner found in the dataset.

    `points` are the peaks that the index declares, before cleaning; `pixels` are distinct sampled coordinates.
    """

    id: str
    name: str
    imzml: InputFile
    ibd: InputFile
    spectra: int
    pixels: int
    width: int
    height: int
    points: int
    centroided: bool | None


class DatabaseReference(Document):
    """An imported database and where its table is kept."""

    name: str
    digest: str
    key: str
    formulas: int


class ModelReference(Document):
    """A scoring model and where it is kept."""

    name: str
    digest: str
    key: str


class RunReference(Document):
    """The spectra range of one sorted run: first ≤ spectrum < stop."""

    first: int
    stop: int


class IsotopeChunk(Document):
    """The centroids of the ions of formulas first ≤ i < stop of one database, under a key made of their content."""

    database: int
    first: int
    stop: int
    key: str


class StageTasks(Document):
    """How many tasks a stage has, and the manifest that lists them."""

    tasks: int
    manifest: str


class SizedTasks(StageTasks):
    """Tasks of a stage whose function exists in several sizes, and how many of them may run at one time."""

    width: int


class Plan(Document):
    """Everything a job's functions need to know: `manifests/<execution>/plan.json`.

    `deployment` is what the job was planned for, with the sizes that were chosen in the place of the functions' own.
    """

    format: str = FORMAT_VERSION
    execution: str
    job: str
    attempt: int
    trigger: str
    claimed_at: str
    versions: dict[str, str]
    dataset: DatasetFacts
    configuration: ResolvedConfiguration
    databases: tuple[DatabaseReference, ...]
    scoring_model: ModelReference | None = None
    runs: tuple[RunReference, ...]
    chunks: tuple[IsotopeChunk, ...]
    sort: SizedTasks
    isotopes: StageTasks
    deployment: Deployment
    expectation: Expectation
    estimate: Estimate
    findings: tuple[Finding, ...]

    @property
    def key(self) -> str:
        """Key of this plan in the work bucket."""
        return f"manifests/{self.execution}/plan.json"

    @property
    def results_prefix(self) -> str:
        """Where this job's results are published in the results bucket, ending in a slash."""
        return f"results/{self.dataset.id}/{self.job}/"


def read_plan(work: ObjectStore, key: str) -> Plan:
    """Read a plan from the work bucket; one that is none is a `DamagedObjectError`."""
    return read_intact(work, key, Plan.model_validate_json)


class Task(Document):
    """A line of a manifest: the event of a function in one of the maps."""

    execution: str
    plan: str
    stage: str
    task: int


class SortTask(Task):
    """Sort the peaks of spectra first ≤ i < stop into one run, in the function of that size."""

    memory_mb: int
    first: int
    stop: int


class IsotopeTask(Task):
    """Compute the centroids of one chunk."""

    chunk: int


class SegmentTask(Task):
    """Annotate the ions of one m/z segment, reading about that many peaks, in the function of that size."""

    memory_mb: int
    ions: int
    peaks: int


class RenderTask(Task):
    """Render the images of annotations first ≤ i < stop of the job's table."""

    first: int
    stop: int
