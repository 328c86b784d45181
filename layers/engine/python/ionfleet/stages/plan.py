"""Plan a job: decide its tasks and write them down, the plan last."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from ionfleet import __version__
from ionfleet.chunks import chunk_key
from ionfleet.colocalization import most_compared
from ionfleet.configuration import ResolvedConfiguration
from ionfleet.costs import JobCost
from ionfleet.databases import Database
from ionfleet.estimate import Deployment, Expectation, PlanFacts, check_budget, expect_unseen, to_estimate
from ionfleet.findings import Finding
from ionfleet.forecast import cheapest
from ionfleet.index import SpectraIndex
from ionfleet.ions import modifier_table
from ionfleet.plan import (
    UNBOUNDED,
    DatabaseReference,
    DatasetFacts,
    InputFile,
    IsotopeChunk,
    IsotopeTask,
    ModelReference,
    Plan,
    RunReference,
    SizedTasks,
    SortTask,
    StageTasks,
    Stores,
)
from ionfleet.planning import (
    ISOTOPE_TASK_FORMULAS,
    ISOTOPE_TASK_IONS,
    check_ions,
    cut_range,
    cut_spectra,
    expected_segments,
    fitting_mb,
    projected_sort_mb,
    render_task_ions,
)
from ionfleet.runs import covering_runs, existing_runs
from ionfleet.sampling import expect, sample_peaks
from ionfleet.stages.common import instrument, manifest_lines
from ionfleet.store import ObjectInfo, ObjectStore


@dataclass(frozen=True)
class DatasetFiles:
    """The two files of a dataset in the input bucket, and the name to call it by."""

    name: str
    imzml: ObjectInfo
    ibd: ObjectInfo


@dataclass(frozen=True)
class PlanRequest:
    """What the planner knows when it has taken up a dataset.

    `databases` come with the keys of their tables; `scoring_model` is None where the MSM is ranked.
    """

    execution: str
    job: str
    attempt: int
    trigger: str
    claimed_at: str
    dataset_id: str
    files: DatasetFiles
    index: SpectraIndex
    configuration: ResolvedConfiguration
    databases: Sequence[tuple[str, Database]]
    findings: Sequence[Finding]
    deployment: Deployment
    scoring_model: ModelReference | None = None


@dataclass(frozen=True)
class _Cut:
    """How a job is cut: for which sizes of its functions, into which runs, which of them are missing, at what cost."""

    deployment: Deployment
    runs: list[tuple[int, int]]
    missing: list[tuple[int, int]]
    cost: JobCost


def write_plan(stores: Stores, request: PlanRequest) -> Plan:
    """Cut a job into tasks and write its manifests, then its plan, whose creation starts the execution.

    Runs and centroids that are there already are not planned again.

    Raises
    ------
    OutOfBudgetError
        The dataset cannot be cut so that every task fits its function, or the job is estimated to cost more than its
        configuration or deployment allows.

    """
    work, execution = stores.work, request.execution
    present = existing_runs(work, request.dataset_id)
    chunks = _chunks(request)
    expectation = _expectation(stores.input, request, chunks)
    known = {info.key for info in work.list("isotopes/")}
    missing_chunks = [number for number, chunk in enumerate(chunks) if chunk.key not in known]
    cut = _cheapest_cut(request, present, chunks, len(missing_chunks), expectation)
    plan = _make_plan(request, cut, chunks, len(missing_chunks), expectation)
    budget = request.configuration.max_cost_usd, request.deployment.max_job_usd
    check_budget(plan.estimate, plan.dataset.name, *budget)
    isotope_tasks = [
        IsotopeTask(execution=execution, plan=plan.key, stage="isotopes", task=task, chunk=chunk)
        for task, chunk in enumerate(missing_chunks)
    ]
    work.create(plan.sort.manifest, manifest_lines(_sort_tasks(request, plan, cut)))
    work.create(plan.isotopes.manifest, manifest_lines(isotope_tasks))
    work.create(plan.key, plan.model_dump_json().encode())
    return plan


def plan_facts(
    dataset: DatasetFacts,
    configuration: ResolvedConfiguration,
    runs: Sequence[object],
    chunks: Sequence[IsotopeChunk],
    sort_tasks: int,
    isotope_tasks: int,
    annotate_mb: int,
    expectation: Expectation,
) -> PlanFacts:
    """Return what a job's cost is estimated from.

    Parameters
    ----------
    dataset, configuration, runs, chunks
        Of the plan.
    sort_tasks, isotope_tasks
        How many runs and chunks are not there yet; each is taken to be as large as the others.
    annotate_mb
        Memory of an annotate function.
    expectation
        Of the plan.

    """
    formulas, ions, targets = _counts(configuration, chunks)
    segment_peaks, pixels = configuration.planning.segment_peaks, dataset.width * dataset.height
    centroids = configuration.isotope_peaks
    return PlanFacts(
        imzml_bytes=dataset.imzml.size,
        spectra=dataset.spectra,
        points=dataset.points,
        pixels=pixels,
        formulas=formulas,
        ions=ions,
        targets=targets,
        sort_points=dataset.points * sort_tasks // max(1, len(runs)),
        sort_tasks=sort_tasks,
        isotope_ions=ions * isotope_tasks // max(1, len(chunks)),
        isotope_tasks=isotope_tasks,
        runs=len(runs),
        chunks=len(chunks),
        annotate_tasks=expected_segments(
            dataset.points, ions, dataset.spectra, annotate_mb, segment_peaks, expectation.span, centroids
        ),
        hits=expectation.hits,
        span=expectation.span,
        shown=expectation.shown,
        compared=min(expectation.shown, most_compared(pixels)),
        render_tasks=math.ceil(expectation.shown / render_task_ions(pixels)),
        peaks=centroids,
    )


def _counts(configuration: ResolvedConfiguration, chunks: Sequence[IsotopeChunk]) -> tuple[int, int, int]:
    """Return how many formulas a job has, how many ions at most, and how many targets."""
    modifiers = modifier_table(configuration.ions)
    formulas = sum(chunk.stop - chunk.first for chunk in chunks)
    return formulas, formulas * modifiers.pairs_per_formula, formulas * len(modifiers.targets)


def facts_of(plan: Plan) -> PlanFacts:
    """Return what the cost of a plan was estimated from."""
    tasks = plan.sort.tasks, plan.isotopes.tasks
    annotate_mb = plan.deployment.memory_mb["annotate"]
    return plan_facts(plan.dataset, plan.configuration, plan.runs, plan.chunks, *tasks, annotate_mb, plan.expectation)


def _expectation(store: ObjectStore, request: PlanRequest, chunks: Sequence[IsotopeChunk]) -> Expectation:
    """Sample the dataset, and tell what the job will come to."""
    ibd, configuration = request.files.ibd.key, request.configuration
    sample = sample_peaks(request.index, lambda start, length: store.get_range(ibd, start, length))
    formulas, ions, targets = _counts(configuration, chunks)
    if not sample.spectra or not formulas:
        points, spectra = request.index.header.n_points, len(request.index)
        return expect_unseen(points, spectra, ions, targets, configuration.isotope_peaks, configuration.ppm)
    return expect(
        sample,
        len(request.index),
        [formula for _, database in request.databases for formula in _formulas(database, configuration)],
        configuration.ions,
        charge=configuration.charge,
        peaks=configuration.isotope_peaks,
        ppm=configuration.ppm,
    )


def _formulas(database: Database, configuration: ResolvedConfiguration) -> Sequence[str]:
    return database.select_classes(configuration.molecule_classes).formulas


def _cheapest_cut(
    request: PlanRequest,
    present: Mapping[int, int],
    chunks: Sequence[IsotopeChunk],
    isotope_tasks: int,
    expectation: Expectation,
) -> _Cut:
    """Cut a job for the sizes of its functions that are estimated to be the cheapest."""
    dataset, configuration = _facts(request), request.configuration

    def facts(deployment: Deployment) -> PlanFacts:
        runs, missing = _cut_runs(request, deployment, present)
        tasks, annotate_mb = (len(missing), isotope_tasks), deployment.memory_mb["annotate"]
        return plan_facts(dataset, configuration, runs, chunks, *tasks, annotate_mb, expectation)

    deployment, made = cheapest(request.deployment, facts)
    return _Cut(deployment, *_cut_runs(request, deployment, present), made.cost)


def _cut_runs(
    request: PlanRequest, deployment: Deployment, present: Mapping[int, int]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the ranges of all runs, and of those that are not there yet."""
    runs = covering_runs(present, len(request.index))
    if runs is None:
        sizes, wanted = deployment.sizes_mb("sort"), request.configuration.planning.sort_task_peaks
        runs = cut_spectra(request.index.mz_length, sizes[0], wanted, sizes[-1])
    return runs, [run for run in runs if present.get(run[0]) != run[1]]


def _sort_tasks(request: PlanRequest, plan: Plan, cut: _Cut) -> list[SortTask]:
    ends = np.append(0, np.cumsum(request.index.mz_length))
    sizes = cut.deployment.sizes_mb("sort")
    return [
        SortTask(
            execution=plan.execution,
            plan=plan.key,
            stage="sort",
            task=task,
            first=first,
            stop=stop,
            memory_mb=fitting_mb(projected_sort_mb(int(ends[stop] - ends[first]), len(request.index)), sizes),
        )
        for task, (first, stop) in enumerate(cut.missing)
    ]


def _make_plan(
    request: PlanRequest, cut: _Cut, chunks: list[IsotopeChunk], isotope_tasks: int, expectation: Expectation
) -> Plan:
    """Write down what is known of the job, with what it will cost."""
    execution, deployment = request.execution, cut.deployment
    sort_width = deployment.concurrency.get("sort", UNBOUNDED)
    return Plan(
        execution=execution,
        job=request.job,
        attempt=request.attempt,
        trigger=request.trigger,
        claimed_at=request.claimed_at,
        versions=_versions(),
        dataset=_facts(request),
        configuration=request.configuration,
        databases=tuple(
            DatabaseReference(name=database.name, digest=database.digest, key=key, formulas=len(database.formulas))
            for key, database in request.databases
        ),
        scoring_model=request.scoring_model,
        runs=tuple(RunReference(first=first, stop=stop) for first, stop in cut.runs),
        chunks=tuple(chunks),
        sort=SizedTasks(tasks=len(cut.missing), manifest=f"manifests/{execution}/sort.jsonl", width=sort_width),
        isotopes=StageTasks(tasks=isotope_tasks, manifest=f"manifests/{execution}/isotopes.jsonl"),
        deployment=deployment,
        expectation=expectation,
        estimate=to_estimate(cut.cost, deployment),
        findings=tuple(request.findings),
    )


def _chunks(request: PlanRequest) -> list[IsotopeChunk]:
    settings, model = request.configuration.ions, instrument(request.configuration)
    each = modifier_table(settings).pairs_per_formula  # refuses impossible adducts before anything is written
    formulas_of = [_formulas(database, request.configuration) for _, database in request.databases]
    check_ions(sum(map(len, formulas_of)), each, model.peaks, request.index.header.n_points)
    wanted = request.configuration.planning.isotope_task_formulas or ISOTOPE_TASK_FORMULAS
    size = min(wanted, max(1, ISOTOPE_TASK_IONS // each))
    chunks = []
    for number, formulas in enumerate(formulas_of):
        for first, stop in cut_range(len(formulas), size):
            key = chunk_key(formulas[first:stop], first, settings, model)
            chunks.append(IsotopeChunk(database=number, first=first, stop=stop, key=key))
    return chunks


def _facts(request: PlanRequest) -> DatasetFacts:
    grid = request.index.geometry()
    header = request.index.header
    return DatasetFacts(
        id=request.dataset_id,
        name=request.files.name,
        imzml=_input_file(request.files.imzml),
        ibd=_input_file(request.files.ibd),
        spectra=len(request.index),
        pixels=len(grid.pixel_index),
        width=grid.width,
        height=grid.height,
        points=header.n_points,
        centroided=header.centroided,
    )


def _input_file(info: ObjectInfo) -> InputFile:
    return InputFile(key=info.key, version=info.version, etag=info.etag, size=info.size)


def _versions() -> dict[str, str]:
    """Versions of what computes the numbers."""
    libraries = {name: version(name) for name in ("numpy", "pyarrow", "cpyMSpec", "pyimzml")}
    return {"ionfleet": __version__, **libraries}
