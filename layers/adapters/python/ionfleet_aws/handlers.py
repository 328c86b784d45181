"""Decorators that make a Lambda handler of a function that does one thing.

They parse the event, put the ids on every log line, tell the domain's errors apart for Step Functions, and note what
the invocation cost.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aws_lambda_powertools.metrics import MetricUnit
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from ionfleet import errors
from ionfleet.errors import InvalidInputError, IonfleetError
from ionfleet.identity import job_of
from ionfleet.telemetry import Invocation, record
from ionfleet_aws import clients
from ionfleet_aws.environment import WorkEnvironment, read_environment
from ionfleet_aws.memory import reused_memory
from ionfleet_aws.observability import logger, metrics, tracer

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext


class JobTask(Protocol):
    """A piece of work for a job: the map's line, or the whole stage as task 0."""

    @property
    def execution(self) -> str:
        """Name of the job's execution."""

    @property
    def task(self) -> int:
        """Number of the task within its stage."""


class StageTask(BaseModel):
    """What the state machine gives to a stage that is one task, such as partition and merge."""

    model_config = ConfigDict(frozen=True)

    execution: str
    plan: str
    task: int = 0


Task = TypeVar("Task", bound=JobTask)
Event = TypeVar("Event")
Answer = TypeVar("Answer")
Handler = Callable[[dict[str, Any], "LambdaContext"], Answer]

_KIB_PER_MIB = 1024
"""`ru_maxrss` is in KiB on Linux."""

_SHOWN_PROBLEMS = 10

_starts = {"cold": True}


def instrumented(handler: Handler[Answer]) -> Handler[Answer]:
    """Make a handler log, trace and count; ids that one invocation puts on the log do not outlive it."""
    observed: Handler[Answer] = logger.inject_lambda_context(clear_state=True)(
        tracer.capture_lambda_handler(capture_response=False)(metrics.log_metrics(handler))
    )
    return observed


def task_handler(stage: str, model: type[Task]) -> Callable[[Callable[[Task], Any]], Handler[dict[str, Any]]]:
    """Make a handler of a function that does one task of a stage.

    Parameters
    ----------
    stage
        What the telemetry is noted under.
    model
        The pydantic model of the event.

    The function's answer, a dataclass or a pydantic model, becomes the handler's, as a dictionary. The name of the
    error that is raised is one of `ionfleet.errors`, or that of a defect.

    """

    def decorate(function: Callable[[Task], Any]) -> Handler[dict[str, Any]]:
        @instrumented
        @functools.wraps(function)
        def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            with logged_errors(), public_errors():
                task = parse_event(event, model)
                bind(task.execution, stage=stage, task=task.task)
                with _accounted(stage, task, context), reused_memory():
                    answer = _as_dict(function(task))
                logger.info("Task done", extra={"answer": answer})
                return answer

        return handle

    return decorate


def bind(execution: str, **ids: object) -> None:
    """Put an execution, its job and further ids on every line that is logged from here on, and on the trace."""
    job = job_of(execution)
    logger.append_keys(execution=execution, job=job, **ids)
    tracer.put_annotation("job", job)


def parse_event(event: dict[str, Any], model: type[Event]) -> Event:
    """Return an event as a pydantic model.

    Raises
    ------
    InvalidInputError
        It is none; the message names the fields.

    """
    try:
        return TypeAdapter(model).validate_python(event)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, each['loc']))[:80]}: {each['msg']}" for each in error.errors()]
        rest = len(problems) - _SHOWN_PROBLEMS
        wrong = "; ".join([*problems[:_SHOWN_PROBLEMS], f"and {rest:,} more"] if rest > 0 else problems)
        raise InvalidInputError(
            f"The event is no {model.__name__}: {wrong}. Events are made by the state machine and its manifests."
        ) from None


@contextmanager
def logged_errors() -> Iterator[None]:
    """Count and log what is raised, with the ids that are bound by then, which Lambda's own report of it lacks."""
    try:
        yield
    except Exception:
        metrics.add_metric("Failures", MetricUnit.Count, 1)
        logger.exception("Failed")
        raise


@contextmanager
def public_errors() -> Iterator[None]:
    """Raise errors of the domain as the class of `ionfleet.errors` that they belong to.

    Step Functions knows errors by the name of their class alone: a retry of `TransientError` would pass by what is
    derived from it.
    """
    try:
        yield
    except IonfleetError as error:
        public = next(cls for cls in type(error).__mro__ if cls.__module__ == errors.__name__)
        if public is type(error):
            raise
        raise public(str(error)) from error


class Account:
    """What this process uses from the moment the account is opened, for the telemetry of one invocation."""

    def __init__(self, context: LambdaContext) -> None:
        self._context = context
        self._begin, self._begin_cpu = time.perf_counter(), time.process_time()
        self._used = clients.METER.read()
        self._cold, _starts["cold"] = _starts["cold"], False

    def invocation(self, stage: str, task: int = 0, *, failed: bool = False) -> Invocation:
        """Return what was used until now, as an invocation of a stage."""
        usage = clients.METER.read() - self._used
        return Invocation(
            stage=stage,
            task=task,
            billed_ms=math.ceil((time.perf_counter() - self._begin) * 1000),
            memory_mb=int(self._context.memory_limit_in_mb),
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _KIB_PER_MIB,
            bytes_in=usage.bytes_in,
            bytes_out=usage.bytes_out,
            reads=usage.reads,
            writes=usage.writes,
            cold=self._cold,
            request_id=self._context.aws_request_id,
            failed=failed,
            cpu_ms=math.ceil((time.process_time() - self._begin_cpu) * 1000),
        )


@contextmanager
def _accounted(stage: str, task: JobTask, context: LambdaContext) -> Iterator[None]:
    """Measure and note what happens within as one invocation, whether or not it succeeds."""
    account, failed = Account(context), True
    try:
        yield
        failed = False
    finally:
        invocation = account.invocation(stage, task.task, failed=failed)
        _measure(invocation)
        note(task.execution, invocation)


def note(execution: str, invocation: Invocation) -> None:
    """Note an invocation in the telemetry of an execution; the note is one more write, which nobody else counts."""
    invocation = dataclasses.replace(invocation, writes=invocation.writes + 1)
    try:
        record(clients.bucket(read_environment(WorkEnvironment).work_bucket), execution, invocation)
    except IonfleetError:
        # The account is worth less than the work it is about: neither a task nor its error is lost over it.
        logger.exception("Telemetry was not noted")


def _measure(invocation: Invocation) -> None:
    metrics.add_metric("BilledDuration", MetricUnit.Milliseconds, invocation.billed_ms)
    metrics.add_metric("PeakMemory", MetricUnit.Megabytes, invocation.peak_mb)
    metrics.add_metric("BytesRead", MetricUnit.Bytes, invocation.bytes_in)
    metrics.add_metric("BytesWritten", MetricUnit.Bytes, invocation.bytes_out)


def _as_dict(answer: Any) -> dict[str, Any]:
    return answer.model_dump() if isinstance(answer, BaseModel) else dataclasses.asdict(answer)
