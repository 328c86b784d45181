"""Executions: taken up when moto has recorded them, run, and recorded as ended."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, replace

from ionfleet_replay import definition as asl
from ionfleet_replay import moto_patches
from ionfleet_replay.account import Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.background import Background
from ionfleet_replay.clock import Clock, cancel, within
from ionfleet_replay.events import EventBus, ExecutionStatus, execution_status_changed
from ionfleet_replay.observations import ExecutionEnded, Observer
from ionfleet_replay.paths import Json, StateError, compact
from ionfleet_replay.stack import StateMachine
from ionfleet_replay.states import Interpreter, Scope, limited, timestamp


@dataclass(frozen=True)
class Machine:
    """A state machine with what runs it."""

    declared: StateMachine
    definition: asl.Machine
    interpreter: Interpreter


class Executions:
    """The state machines of a cloud and what runs of them; all but `add` may be called in any thread."""

    def __init__(
        self,
        account: Account,
        bus: EventBus,
        background: Background,
        clock: Clock,
        activity: Activity,
        observer: Observer,
    ) -> None:
        self._account = account
        self._bus = bus
        self._background = background
        self._clock = clock
        self._activity = activity
        self._observer = observer
        self._machines: dict[str, Machine] = {}
        self._lock = threading.Lock()
        self._running: dict[str, ExecutionStatus] = {}
        self._ended: dict[str, float] = {}
        self._stops: dict[str, tuple[str | None, str | None]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, machine: Machine) -> None:
        """Make a state machine known."""
        self._machines[machine.declared.name] = machine

    def ended_at(self, arn: str) -> float | None:
        """Return when an execution ended, in seconds since the epoch; None where it has not."""
        with self._lock:
            return self._ended.get(arn)

    def known(self, arn: str) -> bool:
        """Return whether there is an execution, running or ended."""
        with self._lock:
            return arn in self._running or arn in self._ended

    def begin(self, arn: str, data: str) -> None:
        """Take up an execution that moto has recorded; one that runs already is left alone."""
        machine_name, name = arn.split(":")[6:8]
        machine = self._machines[machine_name]
        status = ExecutionStatus(arn, machine.declared.arn, name, "RUNNING", started=self._clock.now(), input=data)
        with self._lock:
            if arn in self._running:
                return
            self._running[arn] = status
        self._activity.begin(f"execution {name}")
        self._background.start_soon(lambda: self._run(machine, status))

    def stop(self, arn: str, error: str | None, cause: str | None) -> None:
        """End a running execution as ABORTED."""
        with self._lock:
            self._stops[arn] = error, cause
        self._background.start_soon(lambda: self._abort(arn))

    async def _abort(self, arn: str) -> None:
        if (task := self._tasks.get(arn)) is not None:
            task.cancel()

    async def _run(self, machine: Machine, status: ExecutionStatus) -> None:
        self._publish(status)
        task = self._tasks[status.arn] = asyncio.ensure_future(self._interpret(machine, status))
        try:
            ended = await self._outcome(task, status)
        except Exception as defect:
            self._record(replace(status, status="FAILED", error="States.Runtime", cause=repr(defect)))
            raise
        finally:
            await cancel(task)
            del self._tasks[status.arn]
        self._record(ended)

    async def _outcome(self, task: asyncio.Task[Json], status: ExecutionStatus) -> ExecutionStatus:
        try:
            output = await task
        except StateError as failure:
            return replace(status, status="FAILED", error=failure.error, cause=failure.cause)
        except TimeoutError:
            return replace(status, status="TIMED_OUT", error="States.Timeout")
        except asyncio.CancelledError:
            if status.arn not in self._stops:
                raise
            error, cause = self._stops[status.arn]
            return replace(status, status="ABORTED", error=error, cause=cause)
        return replace(status, status="SUCCEEDED", output=compact(output))

    async def _interpret(self, machine: Machine, status: ExecutionStatus) -> Json:
        data = limited(json.loads(status.input), "The input of the execution")
        execution = {
            "Id": status.arn,
            "Input": data,
            "Name": status.name,
            "RoleArn": machine.declared.role,
            "StartTime": timestamp(status.started),
            "RedriveCount": 0,
        }
        context = {"Execution": execution, "StateMachine": {"Id": machine.declared.arn, "Name": machine.declared.name}}
        scope = Scope(context, reported_as=status.name)
        return await within(
            self._clock, machine.definition.timeout, machine.interpreter.run(machine.definition, data, scope)
        )

    def _record(self, ended: ExecutionStatus) -> None:
        """Make the end visible to the API, to the event bus and to the observer."""
        ended = replace(ended, stopped=self._clock.now())
        with self._lock:
            self._stops.pop(ended.arn, None)
            self._ended[ended.arn] = ended.stopped or 0.0
            del self._running[ended.arn]
        try:
            moto_patches.finish_execution(self._account.id, self._account.region, ended)
            self._publish(ended)
            self._observer(ExecutionEnded(ended.name, ended.status, ended.error, ended.cause))
        finally:
            self._activity.end(f"execution {ended.name}")

    def _publish(self, status: ExecutionStatus) -> None:
        self._bus.publish(execution_status_changed(self._account, status, self._clock.stamp()))
