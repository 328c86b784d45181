"""Plan a job: decide its tasks and write them down, the plan last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from ionfleet import __version__
from ionfleet.chunks import chunk_key
from ionfleet.configuration import ResolvedConfiguration
from ionfleet.databases import Database
from ionfleet.estimate import Deployment, PlanFacts, check_budget, estimate, expected_annotations, to_estimate
from ionfleet.findings import Finding
from ionfleet.index import SpectraIndex
from ionfleet.ions import modifier_table
from ionfleet.plan import (
    DatabaseReference,
    DatasetFacts,
    InputFile,
    IsotopeChunk,
    IsotopeTask,
    ModelReference,
    Plan,
    RunReference,
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
    render_task_ions,
)
from ionfleet.runs import existing_runs, index_key
from ionfleet.stages.common import instrument, manifest_lines
from ionfleet.store import ObjectInfo


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


def write_plan(stores: Stores, request: PlanRequest) -> Plan:
    """Cut a job into tasks and write its manifests, then its plan, whose creation starts the execution.

    Runs and centroids that are there already are not planned again.

    Raises
    ------
    OutOfBudgetError
        The dataset cannot be cut so that every task fits its function, or the job is estimated to cost more than its
        configuration allows.

    """
    work, execution = stores.work, request.execution
    runs, missing_runs = _cut_runs(stores, request)
    chunks = _chunks(request)
    known = {info.key for info in work.list("isotopes/")}
    missing_chunks = [number for number, chunk in enumerate(chunks) if chunk.key not in known]
    plan = _make_plan(request, runs, chunks, len(missing_runs), len(missing_chunks))
    check_budget(plan.estimate, request.configuration.max_cost_usd, plan.dataset.name)
    sort_tasks = [
        SortTask(execution=execution, plan=plan.key, stage="sort", task=task, first=first, stop=stop)
        for task, (first, stop) in enumerate(missing_runs)
    ]
    isotope_tasks = [
        IsotopeTask(execution=execution, plan=plan.key, stage="isotopes", task=task, chunk=chunk)
        for task, chunk in enumerate(missing_chunks)
    ]
    work.create(plan.sort.manifest, manifest_lines(sort_tasks))
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

    """
    modifiers = modifier_table(configuration.ions)
    formulas = sum(chunk.stop - chunk.first for chunk in chunks)
    ions, targets = formulas * modifiers.pairs_per_formula, formulas * len(modifiers.targets)
    segment_peaks, pixels = configuration.planning.segment_peaks, dataset.width * dataset.height
    shown = expected_annotations(targets, dataset.points, dataset.spectra)
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
        annotate_tasks=expected_segments(dataset.points, ions, dataset.spectra, annotate_mb, segment_peaks),
        shown=shown,
        render_tasks=math.ceil(shown / render_task_ions(pixels)),
        peaks=configuration.isotope_peaks,
        ppm=configuration.ppm,
    )


def facts_of(plan: Plan, deployment: Deployment) -> PlanFacts:
    """Return what the cost of a plan was estimated from."""
    tasks = plan.sort.tasks, plan.isotopes.tasks
    annotate_mb = deployment.memory_mb["annotate"]
    return plan_facts(plan.dataset, plan.configuration, plan.runs, plan.chunks, *tasks, annotate_mb)


def _cut_runs(stores: Stores, request: PlanRequest) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the ranges of all runs, and of those that are not there yet."""
    runs = existing_runs(stores.work, request.dataset_id, len(request.index))
    if runs is not None:
        return runs, []
    sort_mb, wanted = request.deployment.memory_mb["sort"], request.configuration.planning.sort_task_peaks
    runs = cut_spectra(request.index.mz_length, sort_mb, wanted)
    missing = [run for run in runs if stores.work.head(index_key(request.dataset_id, *run)) is None]
    return runs, missing


def _make_plan(
    request: PlanRequest, runs: list[tuple[int, int]], chunks: list[IsotopeChunk], sort_tasks: int, isotope_tasks: int
) -> Plan:
    """Write down what is known of the job, with what it will cost."""
    execution, deployment, dataset = request.execution, request.deployment, _facts(request)
    facts = plan_facts(
        dataset, request.configuration, runs, chunks, sort_tasks, isotope_tasks, deployment.memory_mb["annotate"]
    )
    return Plan(
        execution=execution,
        job=request.job,
        attempt=request.attempt,
        trigger=request.trigger,
        claimed_at=request.claimed_at,
        versions=_versions(),
        dataset=dataset,
        configuration=request.configuration,
        databases=tuple(
            DatabaseReference(name=database.name, digest=database.digest, key=key, formulas=len(database.formulas))
            for key, database in request.databases
        ),
        scoring_model=request.scoring_model,
        runs=tuple(RunReference(first=first, stop=stop) for first, stop in runs),
        chunks=tuple(chunks),
        sort=StageTasks(tasks=sort_tasks, manifest=f"manifests/{execution}/sort.jsonl"),
        isotopes=StageTasks(tasks=isotope_tasks, manifest=f"manifests/{execution}/isotopes.jsonl"),
        estimate=to_estimate(estimate(facts, deployment), deployment),
        findings=tuple(request.findings),
    )


def _chunks(request: PlanRequest) -> list[IsotopeChunk]:
    settings, model = request.configuration.ions, instrument(request.configuration)
    each = modifier_table(settings).pairs_per_formula  # refuses impossible adducts before anything is written
    classes = request.configuration.molecule_classes
    formulas_of = [database.select_classes(classes).formulas for _, database in request.databases]
    check_ions(sum(map(len, formulas_of)), each, model.peaks)
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
