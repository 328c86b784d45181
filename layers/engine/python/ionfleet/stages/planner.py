"""Planner: what becomes of an object put into the input bucket.

Messages come at least once, in any order, several at a time. What is done for one is either decided by an object that
is created once (a claim), or leads to the same bytes under the same key however often it is done.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ionfleet import catalog
from ionfleet.brief import plan_key, read_brief
from ionfleet.configuration import MAX_BYTES, JobConfiguration, ResolvedConfiguration, resolve_for
from ionfleet.damage import read_intact
from ionfleet.errors import (
    InvalidConfigurationError,
    InvalidDatabaseError,
    InvalidDatasetError,
    InvalidInputError,
    IonfleetError,
    OutOfBudgetError,
    TransientError,
)
from ionfleet.estimate import Deployment
from ionfleet.findings import Finding, refusal, report
from ionfleet.identity import dataset_id, job_id, timestamp, trigger_id
from ionfleet.imzml import inspect_imzml
from ionfleet.index import DatasetHeader, SpectraIndex
from ionfleet.jobs import Attempt, UploadClaim, claim_upload, error_name, refuse_attempt, take_attempt
from ionfleet.models import import_model
from ionfleet.plan import FORMAT_VERSION, Stores
from ionfleet.progress import PLANNED, first_tasks, progress_on_entering
from ionfleet.stages.optical import find_optical, keep_optical
from ionfleet.stages.plan import DatasetFiles, PlanRequest, write_plan
from ionfleet.status import (
    MAX_MESSAGE,
    JobStatus,
    UploadStatus,
    bounded,
    job_status_key,
    read_status,
    report_input,
    report_job,
    report_waiting,
)
from ionfleet.store import ObjectInfo, ObjectStore, SequentialReader
from ionfleet.text import shortened
from ionfleet.uploads import (
    ConfigurationFile,
    DatabaseFile,
    DatasetName,
    Upload,
    datasets_configured_by,
    find_dataset,
    refused_status_key,
    understand,
)

UUID_BYTES = 16
"""At the beginning of every ibd."""


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    `ignored`: no business of Ionfleet's, or deleted since. `elsewhere`: another message takes care of it. `name` is the
    dataset's or the database's; `execution` is set for what is `planned`, `message` for what is `rejected`.
    """

    state: Literal["ignored", "waiting", "elsewhere", "imported", "rejected", "planned"]
    name: str
    dataset: str | None = None
    execution: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class _Delivery:
    """What every step needs: the buckets, the message that is handled, when that began, what to plan for."""

    stores: Stores
    message: str
    now: datetime
    deployment: Deployment


@dataclass(frozen=True)
class _Pair:
    """A complete dataset."""

    upload: Upload
    imzml: ObjectInfo
    ibd: ObjectInfo

    @property
    def dataset(self) -> str:
        return dataset_id(self.imzml, self.ibd)

    @property
    def trigger(self) -> str:
        return trigger_id(self.imzml, self.ibd, self.upload.configuration)


class _UnreadableDatasetError(InvalidDatasetError):
    """A dataset that cannot be used, with everything that was found."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__(refusal(self.findings))


def take_up(stores: Stores, key: str, message: str, now: datetime, deployment: Deployment) -> tuple[Outcome, ...]:
    """Do what follows from an object in the input bucket: wait, import, or plan jobs.

    Parameters
    ----------
    stores
        The three buckets.
    key
        The object's key; its latest version counts, whichever the event was about.
    message
        Id of the message about it, the same each time it is delivered.
    now
        When this delivery is handled.
    deployment
        What the jobs are planned for.

    Returns
    -------
    tuple of Outcome
        One for each dataset or database concerned. What is rejected is in there, too: its status document says why.

    Raises
    ------
    TransientError, ThrottledError
        This time it did not work; the same message may be handled again.

    """
    delivery = _Delivery(stores, message, now, deployment)
    try:
        input_key = understand(key)
    except InvalidInputError as error:
        return (_reject(delivery, refused_status_key(key), ascii(key), timestamp(now), error),)
    if input_key is None:
        return (Outcome("ignored", key),)
    if isinstance(input_key, DatabaseFile):
        return (_import_database(delivery, input_key),)
    if isinstance(input_key, ConfigurationFile):
        names = datasets_configured_by(stores.input, input_key)
        return tuple(_take_up_dataset(delivery, name, announce=False) for name in names)
    return (_take_up_dataset(delivery, input_key, announce=True),)


def _import_database(delivery: _Delivery, file: DatabaseFile) -> Outcome:
    status = catalog.import_upload(delivery.stores, file, delivery.now)
    if status is None:
        return Outcome("ignored", file.name)
    if status.state == "imported":
        return Outcome("imported", file.name)
    return Outcome("rejected", file.name, message=status.message)


def _take_up_dataset(delivery: _Delivery, name: DatasetName, *, announce: bool) -> Outcome:
    """Plan a dataset that is complete; otherwise say so if `announce`."""
    try:
        pair = _find_pair(delivery, name, announce)
    except InvalidDatasetError as error:
        return _reject(delivery, name.status_key, name.stem, timestamp(delivery.now), error)
    if pair is None:
        return Outcome("waiting", name.stem)
    claim = claim_upload(delivery.stores.work, pair.dataset, pair.trigger, delivery.message, delivery.now)
    if claim is None:
        return Outcome("elsewhere", name.stem, pair.dataset)
    try:
        job, execution = _plan(delivery, pair, claim)
    except (InvalidInputError, OutOfBudgetError) as error:
        return _reject(delivery, name.status_key, name.stem, claim.claimed_at, error, pair.dataset)
    status = UploadStatus(
        state="planned", name=name.stem, at=claim.claimed_at, dataset=pair.dataset, job=job, execution=execution
    )
    report_input(delivery.stores.results, name.status_key, status)
    return Outcome("planned", name.stem, pair.dataset, execution)


def _find_pair(delivery: _Delivery, name: DatasetName, announce: bool) -> _Pair | None:
    upload = find_dataset(delivery.stores.input, name)
    if upload.missing is not None and announce:
        status = UploadStatus(state="waiting", name=name.stem, at=timestamp(delivery.now), waiting_for=upload.missing)
        report_waiting(delivery.stores.results, name.status_key, status)
        # The other file may have come before the document was written, and its message may have gone by then.
        upload = find_dataset(delivery.stores.input, name)
    if upload.imzml is None or upload.ibd is None:
        return None
    return _Pair(upload, upload.imzml, upload.ibd)


def _plan(delivery: _Delivery, pair: _Pair, claim: UploadClaim) -> tuple[str, str]:
    """Plan a dataset's job, unless that has been done or succeeded; return job and execution."""
    stores = delivery.stores
    configuration = _read_configuration(stores.input, pair.upload.configuration)
    index = _read_index(stores, pair)
    resolved = _resolve(configuration, index.header, pair.upload.name.stem)
    databases = catalog.load_databases(
        stores, resolved.databases, skip_invalid=resolved.skip_invalid, compatibility=resolved.compatibility
    )
    findings = _accept(resolved, index.header, databases)
    model = import_model(stores, resolved.scoring_model) if resolved.scoring_model is not None else None
    optical = find_optical(stores.input, pair.upload.name.folder, resolved)
    digests = [
        *(stored.database.digest for stored in databases),
        *([model.digest] if model is not None else []),
        *([optical.etag] if optical is not None else []),
    ]
    job = job_id(pair.dataset, resolved.identity(), digests, FORMAT_VERSION)
    done = read_status(stores.results, job_status_key(pair.dataset, job), JobStatus)
    if done is not None and done.state == "SUCCEEDED":
        return job, done.execution
    attempt = take_attempt(stores.work, job, pair.trigger, delivery.message)
    if not attempt.mine and not attempt.planned:
        # What the other upload's planning comes to is what this one comes to; its own report may be in another folder.
        raise TransientError(f"Job {job} is being planned for another upload of the same dataset. Try again later.")
    if attempt.mine:
        request = PlanRequest(
            execution=attempt.execution,
            job=job,
            attempt=attempt.number,
            trigger=pair.trigger,
            claimed_at=claim.claimed_at,
            dataset_id=pair.dataset,
            files=DatasetFiles(resolved.name or pair.upload.name.stem, pair.imzml, pair.ibd),
            index=index,
            configuration=resolved,
            databases=[(stored.key, stored.database) for stored in databases],
            findings=findings,
            deployment=delivery.deployment,
            scoring_model=model,
        )
        _make_attempt(stores, attempt, request, optical)
    return job, attempt.execution


def _make_attempt(stores: Stores, attempt: Attempt, request: PlanRequest, optical: ObjectInfo | None) -> None:
    """Write the plan of an attempt, unless it is there, then say that the job runs."""
    if not attempt.planned:
        try:
            keep_optical(stores, attempt.execution, optical, request.configuration)
            write_plan(stores, request)
        except (InvalidInputError, OutOfBudgetError) as error:
            refuse_attempt(stores.work, attempt, error)
            raise
    plan = read_brief(stores.work, plan_key(attempt.execution))
    progress = progress_on_entering(first_tasks(plan), PLANNED)
    report_job(stores.results, JobStatus.of(plan, state="RUNNING", stage=PLANNED, progress=progress))


def _read_configuration(store: ObjectStore, info: ObjectInfo | None) -> JobConfiguration:
    if info is None:
        return JobConfiguration()
    if info.size > MAX_BYTES:
        raise InvalidConfigurationError(
            f"{info.key} has {info.size:,} bytes, at most {MAX_BYTES:,} are allowed; make it smaller."
        )
    return JobConfiguration.from_json(store.get(info.key), info.key)


def _read_index(stores: Stores, pair: _Pair) -> SpectraIndex:
    """Return the dataset's index, made from its imzML where it is not there yet."""
    key = f"datasets/{pair.dataset}/index.parquet"
    if stores.work.head(key) is not None:
        return read_intact(stores.work, key, SpectraIndex.read)
    uuid = stores.input.get_range(pair.ibd.key, 0, UUID_BYTES)
    with io.BufferedReader(SequentialReader(stores.input, pair.imzml.key, pair.imzml.size)) as stream:
        index, findings = inspect_imzml(stream, pair.imzml.size, pair.ibd.size, uuid)
    _check_unchanged(stores.input, pair.imzml, pair.ibd)
    if index is None:
        raise _UnreadableDatasetError(findings)
    stores.work.create(key, index.to_parquet())
    return index


def _check_unchanged(store: ObjectStore, *files: ObjectInfo) -> None:
    """Make sure that what was read is what the dataset's id says: it would be kept under that id for ever."""
    for file in files:
        if store.head(file.key) != file:
            raise TransientError(f"{file.key!r} was replaced or deleted while it was read. Try again.")


def _resolve(configuration: JobConfiguration, header: DatasetHeader, stem: str) -> ResolvedConfiguration:
    """Return what the job computes; its name is part of the result tables, so it is settled here."""
    resolved = resolve_for(configuration, header)
    return resolved.model_copy(update={"name": resolved.name or stem})


def _accept(
    resolved: ResolvedConfiguration, header: DatasetHeader, databases: list[catalog.StoredDatabase]
) -> tuple[Finding, ...]:
    """Return everything worth knowing about the inputs; with `strict`, refuse inputs that are not beyond doubt."""
    doubts = [finding for stored in databases for finding in stored.database.findings]
    if resolved.strict and header.findings:
        raise InvalidDatasetError(f"strict is set, and the dataset has warnings:\n{report(header.findings)}")
    if resolved.strict and doubts:
        raise InvalidDatabaseError(f"strict is set, and the databases have warnings:\n{report(doubts)}")
    return bounded((*header.findings, *resolved.findings, *doubts))


def _reject(
    delivery: _Delivery, status_key: str, name: str, at: str, error: IonfleetError, dataset: str | None = None
) -> Outcome:
    """Say why an input was rejected: that ends the message, since the same input is never accepted."""
    findings = error.findings if isinstance(error, _UnreadableDatasetError) else ()
    status = UploadStatus(
        state="rejected",
        name=name,
        at=at,
        dataset=dataset,
        error=error_name(error),
        message=shortened(str(error), MAX_MESSAGE),
        findings=bounded(findings),
    )
    report_input(delivery.stores.results, status_key, status)
    return Outcome("rejected", name, dataset, message=status.message)
