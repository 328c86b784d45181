"""What a job will cost, estimated from what is known when it is planned (docs/cost.md, The estimate).

Every stage's use is linear in a few counts of the plan, its drivers. The coefficients are in `ionfleet.coefficients`,
measured by `bench/calibrate.py`, which counts the drivers with the functions of this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ionfleet.coefficients import COEFFICIENTS
from ionfleet.concurrently import AT_ONCE
from ionfleet.costs import STATES, JobCost, count_transitions, in_dollars, price_stages
from ionfleet.errors import OutOfBudgetError
from ionfleet.identity import RUN_PREFIXES
from ionfleet.prices import US_EAST_1, Prices
from ionfleet.store import PIECES_AHEAD
from ionfleet.telemetry import StageUse, init_ms

Drivers = dict[str, dict[str, float]]
"""Counts by stage and name."""

CROWDING = 1.5
"""How many times as many peaks lie in the windows of ions as if peaks were spread evenly: both are where molecules are.

As in the simulated datasets, roughly; taken where no spectrum was sampled.
"""

CENTROID_STEP = 1.00335
"""From one centroid of most isotope patterns to the next (Da): the difference of 13C and 12C."""

USUAL_SPAN = 900.0
"""Range of m/z (Da) that is taken where no spectrum was sampled."""

BUFFERED_VALUES = 1 << 24
"""Of the pictures that are compared, how many values at most are in memory in another form than for the comparison."""

SHOWN_SHARE = 0.15
"""Of the targets, how many at most are taken to be annotated, and so to get images, where no spectrum was sampled."""

SHOWN_PER_PEAK = 1.5
"""How many at most for each peak of a mean spectrum: what few peaks are measured cannot be many ions."""

REQUESTS_AT_ONCE = {"plan": PIECES_AHEAD, **dict.fromkeys(("partition", "annotate", "merge", "render"), AT_ONCE)}
"""Requests that a task of a stage has under way at one time; of a stage that is left out, one."""

ONE_BY_ONE = 8
"""Requests of every task that come one after the other all the same: for its plan, its index, its results."""

OVERLAPPING = frozenset({"plan", "render"})
"""Stages that compute while their requests are under way."""

ONE_CPU_MB = 1769
"""Memory with which Lambda gives a function one whole processor; with less it gives that much less of one."""


class Size(BaseModel):
    """One of the sizes that a function exists in: its memory (MB), and how many of it may run at once."""

    model_config = ConfigDict(frozen=True)

    memory_mb: Annotated[int, Field(ge=128)]
    concurrency: Annotated[int, Field(ge=1)]


class Deployment(BaseModel):
    """What a deployment is like, as far as it decides how jobs are cut, what they take and what they cost there.

    Attributes
    ----------
    memory_mb
        Memory of each function, by its name.
    concurrency
        How many of each function may run at once; of one that is left out, as many as there are tasks.
    larger
        Further sizes of those functions that exist in several, each with more memory than the one before.
    retention_days
        How long the work bucket keeps what jobs write.
    max_job_usd
        What no job may be estimated to cost more than, in US dollars; None for no such limit.

    """

    model_config = ConfigDict(frozen=True)

    memory_mb: Mapping[str, Annotated[int, Field(ge=128)]]
    concurrency: Mapping[str, Annotated[int, Field(ge=1)]] = {}
    larger: Mapping[str, tuple[Size, ...]] = {}
    retention_days: Annotated[int, Field(ge=1)]
    max_job_usd: Annotated[float, Field(gt=0)] | None = None

    def sizes_mb(self, name: str) -> tuple[int, ...]:
        """Return the memory of a function and of its larger sizes, ascending."""
        least = self.memory_mb[name]
        return (least, *(size.memory_mb for size in self.larger.get(name, ()) if size.memory_mb > least))

    def choices(self, name: str) -> tuple[Deployment, ...]:
        """Return this deployment, then as it is with each larger size in the place of a function's own."""
        return (self, *(self._with(name, size) for size in self.larger.get(name, ())))

    def _with(self, name: str, size: Size) -> Deployment:
        memory, concurrency = {**self.memory_mb, name: size.memory_mb}, {**self.concurrency, name: size.concurrency}
        return self.model_copy(update={"memory_mb": memory, "concurrency": concurrency})


class Estimate(BaseModel):
    """What a job was estimated to cost, in US dollars, and what the deployment keeps its objects for."""

    model_config = ConfigDict(frozen=True)

    usd: float
    stages: dict[str, float]
    retention_days: int


class Expectation(BaseModel):
    """What a job is expected to come to when its peaks meet its ions.

    Attributes
    ----------
    hits
        Peaks in windows of the ions' isotope peaks, a peak counted for each window that it is in.
    shown
        Targets that become annotations, each of which gets its images.
    span
        Range of m/z (Da) that the peaks lie in.

    """

    model_config = ConfigDict(frozen=True)

    hits: float
    shown: int
    span: float


@dataclass(frozen=True)
class PlanFacts:
    """What is known of a job when its tasks have been cut.

    Attributes
    ----------
    imzml_bytes
        Size of the imzML.
    spectra, points
        Of the dataset; points are the peaks that it declares.
    pixels
        Of the rectangle that an image fills.
    formulas, ions, targets
        Of all databases; ions are pairs of a formula and a modifier, targets and decoys, some of which make no ion.
    sort_points, sort_tasks
        What is still to be sorted.
    isotope_ions, isotope_tasks
        What is still to be computed.
    runs, chunks
        Of peaks and of centroids, those included that are there already.
    annotate_tasks
        As many as partition is expected to cut.
    hits, span
        As expected.
    shown, compared, render_tasks
        Annotations as expected, each of which gets its images; those that are compared with one another; tasks that
        make the images.
    peaks
        Of an isotope pattern.

    """

    imzml_bytes: int
    spectra: int
    points: int
    pixels: int
    formulas: int
    ions: int
    targets: int
    sort_points: int
    sort_tasks: int
    isotope_ions: int
    isotope_tasks: int
    runs: int
    chunks: int
    annotate_tasks: int
    hits: float
    span: float
    shown: int
    compared: int
    render_tasks: int
    peaks: int


@dataclass(frozen=True)
class Machine:
    """How fast a function is where it runs.

    Attributes
    ----------
    cpu_factor
        Seconds that one whole processor needs for one CPU second of the machine that the coefficients are from.
    request_seconds
        From asking S3 to its first byte.
    bytes_per_second
        Between a function and S3.
    prefix_reads_per_second
        Requests that S3 answers to all functions together that are for keys of one prefix.
    stage_seconds
        From the end of a stage until the functions of the next are called.
    cold
        Whether a function has to start, for the time that `init_ms` says.

    """

    cpu_factor: float
    request_seconds: float
    bytes_per_second: float
    prefix_reads_per_second: float
    stage_seconds: float
    cold: bool

    def reads_per_second(self, stage: str) -> float:
        """Return how many requests of a stage S3 answers; those of *annotate* are for runs, under many prefixes."""
        return self.prefix_reads_per_second * (RUN_PREFIXES if stage == "annotate" else 1)


LAMBDA = Machine(
    cpu_factor=2.0,
    request_seconds=0.03,
    bytes_per_second=75e6,
    prefix_reads_per_second=5_500,
    stage_seconds=2.0,
    cold=True,
)
"""Lambda as it is assumed to be: nothing of it is measured. docs/cost.md says why these figures."""

LOCAL = Machine(
    cpu_factor=1.0,
    request_seconds=0.0,
    bytes_per_second=math.inf,
    prefix_reads_per_second=math.inf,
    stage_seconds=0.3,
    cold=False,
)
"""The machine of the calibration, whose CPU seconds include all that its requests take."""


def drivers(facts: PlanFacts) -> Drivers:
    """Return what the use of each stage grows with; a stage with nothing to do is left out."""
    images = facts.shown * facts.peaks
    read = facts.points * times_read(facts.annotate_tasks, facts.span, facts.peaks)
    found: Drivers = {
        "plan": {"tasks": 1, "spectra": facts.spectra, "imzml": facts.imzml_bytes, "formulas": facts.formulas},
        "launch": {"tasks": 1},
        "sort": {
            "tasks": facts.sort_tasks,
            "points": facts.sort_points,
            "rows": facts.sort_tasks * facts.spectra,
        },
        "isotopes": {"tasks": facts.isotope_tasks, "ions": facts.isotope_ions},
        "partition": {
            "tasks": 1,
            "ions": facts.ions,
            "chunks": facts.chunks,
            "segments": facts.annotate_tasks,
            "runs": facts.runs,
            "pairs": facts.annotate_tasks * facts.runs,
        },
        "annotate": {
            "tasks": facts.annotate_tasks,
            "read": read,
            "kept": min(read, facts.hits),
            "ions": facts.ions,
            "hits": facts.hits,
            "rows": facts.annotate_tasks * facts.spectra,
            "ranges": facts.annotate_tasks * facts.runs * ranges_read(facts.annotate_tasks, facts.span, facts.peaks),
        },
        "merge": {
            "tasks": 1,
            "ions": facts.ions,
            "spectra": facts.spectra,
            "segments": facts.annotate_tasks,
            "opened": min(facts.annotate_tasks, facts.compared),
            "shown": facts.shown,
            "values": facts.compared * facts.pixels,
            "buffered": min(facts.compared * facts.pixels, BUFFERED_VALUES),
            "products": facts.compared**2 * facts.pixels,
        },
        "render": {
            "tasks": facts.render_tasks,
            "images": images,
            "pixels": images * facts.pixels,
            "rows": facts.render_tasks * facts.spectra,
        },
        "publish": {"tasks": 1, "ions": facts.ions, "shown": facts.shown, "spectra": facts.spectra},
    }
    return {stage: counts for stage, counts in found.items() if counts["tasks"]}


def times_read(segments: int, span: float, centroids: int) -> float:
    """Return how many segments read each peak on average, where peaks are spread over `span` (Da).

    A segment reads beyond its ions' first centroids what the others of these may be in: the more segments, the more of
    that others read as well, up to all `centroids` times.
    """
    width = span / segments
    return min(segments, 1 + (centroids - 1) * min(1.0, CENTROID_STEP / width))


def ranges_read(segments: int, span: float, centroids: int) -> int:
    """Return how many ranges of rows a segment reads of each run: one, or one for each centroid where it is narrow."""
    return 1 if span / segments > CENTROID_STEP else centroids


def expect_unseen(points: int, spectra: int, ions: int, targets: int, peaks: int, ppm: float) -> Expectation:
    """Return what is expected of a dataset no spectrum of which was read: rather more than of the simulated ones.

    Parameters are those of `PlanFacts`, and the half width of a window in `ppm`.
    """
    shown = min(SHOWN_SHARE * targets, SHOWN_PER_PEAK * points / max(1, spectra))
    hits = CROWDING * points * ions * peaks * 2 * ppm * 1e-6
    return Expectation(hits=hits, shown=math.ceil(shown), span=USUAL_SPAN)


def estimate(
    facts: PlanFacts, deployment: Deployment, machine: Machine = LAMBDA, prices: Prices = US_EAST_1
) -> JobCost:
    """Return what a job is expected to cost on a deployment, by stage.

    Every invocation is taken to be a cold start, and nothing to be tried twice.
    """
    counts = drivers(facts)
    uses = {
        stage: use_of(stage, int(each["tasks"]), expected(stage, each), deployment, machine)
        for stage, each in counts.items()
    }
    transitions = count_transitions(STATES.keys() - {"report"}, uses)
    return price_stages(uses, transitions, deployment.retention_days, prices)


def to_estimate(cost: JobCost, deployment: Deployment) -> Estimate:
    """Return what is kept of an estimate with the plan."""
    stages = {stage: each.usd for stage, each in cost.stages.items()}
    return Estimate(usd=cost.usd, stages=stages, retention_days=deployment.retention_days)


def check_budget(made: Estimate, dataset: str, max_cost_usd: float | None, max_job_usd: float | None) -> None:
    """Refuse a job that is estimated to cost more than its configuration, or its deployment, allows.

    Raises
    ------
    OutOfBudgetError
        It is; the message has the limit and whose it is, the estimate by stage, and what to do.

    """
    limits = [
        (usd, whose, remedy)
        for usd, whose, remedy in (
            (max_cost_usd, "max_cost_usd", "raise max_cost_usd"),
            (max_job_usd, "this deployment, for any job,", "ask who runs the deployment to raise its maxJobCostUsd"),
        )
        if usd is not None and made.usd > usd
    ]
    if not limits:
        return
    usd, whose, remedy = min(limits)
    dearest = sorted(made.stages.items(), key=lambda item: -item[1])
    parts = ", ".join(f"{stage} {in_dollars(stage_usd)}" for stage, stage_usd in dearest)
    raise OutOfBudgetError(
        f"To annotate {dataset!r} is estimated at {in_dollars(made.usd)}; {whose} allows {in_dollars(usd)}. By stage: "
        f"{parts}. Nothing was started. Give fewer databases, adducts or decoys, or {remedy}; an estimate is rather "
        "too high than too low."
    )


def expected(stage: str, counts: Mapping[str, float]) -> dict[str, float]:
    """Return how much of each quantity of `COEFFICIENTS` a stage is expected to use, by its drivers."""
    found = {
        quantity: sum(coefficient * counts[name] for name, coefficient in terms.items())
        for quantity, terms in COEFFICIENTS[stage].items()
    }
    # What one task holds grows with its part of the work.
    return found | {"peak_mb": found["peak_mb"] / max(1, counts["tasks"])}


def use_of(
    stage: str, tasks: int, used: Mapping[str, float], deployment: Deployment, machine: Machine = LAMBDA
) -> StageUse:
    """Return what a stage's tasks use on a machine, if together they need so much of the quantities of `COEFFICIENTS`.

    Where they ask for more than S3 answers, those that run at one time wait, and are paid for it.
    """
    name = function_of(stage)
    memory, width = deployment.memory_mb[name], min(tasks, deployment.concurrency.get(name, tasks))
    starting = tasks * init_ms(stage) / 1000 if machine.cold else 0
    working = work_of(stage, tasks, used, memory, machine).seconds
    seconds = max(working, width * used["reads"] / machine.reads_per_second(stage)) + starting
    return StageUse(
        invocations=tasks,
        cold_starts=tasks,
        billed_seconds=seconds,
        gb_seconds=seconds * memory / 1024,
        peak_mb=math.ceil(used["peak_mb"]),
        bytes_in=math.ceil(used["bytes_in"]),
        bytes_out=math.ceil(used["bytes_out"]),
        reads=math.ceil(used["reads"]),
        writes=math.ceil(used["writes"]),
        cpu_seconds=used["cpu_seconds"],
    )


@dataclass(frozen=True)
class Work:
    """Seconds that functions are at work: computing, waiting for answers, moving bytes.

    The first is done during the others where they are `overlapping`, and else in turn with them.
    """

    computing: float
    waiting: float
    moving: float
    overlapping: bool

    @property
    def seconds(self) -> float:
        """All of it."""
        asking = self.waiting + self.moving
        return max(self.computing, asking) if self.overlapping else self.computing + asking


def work_of(stage: str, tasks: int, used: Mapping[str, float], memory_mb: int, machine: Machine) -> Work:
    """Return the work of a stage's tasks, so many in functions of some memory, on a machine.

    `used` says how much of the quantities of `COEFFICIENTS` they need together.
    """
    requests = used["reads"] + used["writes"]
    one_by_one = min(requests, tasks * ONE_BY_ONE)
    waits = one_by_one + (requests - one_by_one) / REQUESTS_AT_ONCE.get(stage, 1)
    return Work(
        computing=used["cpu_seconds"] * machine.cpu_factor / min(1, memory_mb / ONE_CPU_MB),
        waiting=waits * machine.request_seconds,
        moving=(used["bytes_in"] + used["bytes_out"]) / machine.bytes_per_second,
        overlapping=stage in OVERLAPPING,
    )


def function_of(stage: str) -> str:
    """Return the name of the function that a stage calls."""
    return {"plan": "planner", "launch": "launcher", "publish": "status"}.get(stage, stage)
