"""A whole cloud: started from a cloud assembly, stopped with everything that it started."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from ionfleet_replay import assembly as assemblies
from ionfleet_replay import definition, hooks, moto_patches, resources, wiring
from ionfleet_replay.account import Account
from ionfleet_replay.activity import Activity
from ionfleet_replay.asynchronous import AsynchronousInvocations
from ionfleet_replay.authority import Authority
from ionfleet_replay.background import Background
from ionfleet_replay.clock import Clock, SkippingClock
from ionfleet_replay.environment import Surroundings
from ionfleet_replay.errors import DefinitionError, InvocationError, ReplayError
from ionfleet_replay.events import EventBus, object_created, queue_url
from ionfleet_replay.executions import Executions, Machine
from ionfleet_replay.faults import Faults
from ionfleet_replay.faulty_calls import FaultyCalls
from ionfleet_replay.functions import INVOCATION, Functions
from ionfleet_replay.iam import Policies
from ionfleet_replay.map_runs import MapRunCalls, MapRuns
from ionfleet_replay.objects import Objects
from ionfleet_replay.observations import AccessDecided, DeadLetter, Invocation, Observation, Observer
from ionfleet_replay.paths import Json
from ionfleet_replay.queues import EventSource, Poller
from ionfleet_replay.recorded import Localizer, Recorded
from ionfleet_replay.s3 import S3
from ionfleet_replay.sandbox import PRELOAD, Nursery, Zygote
from ionfleet_replay.server import Moto, Server
from ionfleet_replay.stack import Stack, StateMachine
from ionfleet_replay.stack_calls import StackCalls
from ionfleet_replay.states import Interpreter
from ionfleet_replay.tasks import Integrations
from ionfleet_replay.template import Template
from ionfleet_replay.transfers import Transfers

T = TypeVar("T")


class Standing(Enum):
    """What a cloud is doing: `WAITING` is for messages that nobody works on, such as those that come back later."""

    BUSY = auto()
    WAITING = auto()
    IDLE = auto()


IDLE_CHECK = 0.2
"""Seconds at most between two looks at whether everything is done."""

QUIET = 0.1
"""Seconds without a call of the API after which it may be that everything waits."""

SETTLING = 50
"""Turns of the loop in which whatever can go on without waiting has gone on."""

CHILDREN_PER_WORKER = 2
"""Children of a map that run for each handler that may: while one is at work, the next is got ready."""

STOP_TIMEOUT = 30.0
"""Seconds after which something does not stop at all, even where the machine is busy with other things."""


class Cloud:
    """A stack brought up on this machine, as a context manager.

    What its functions, state machines and rules do is checked against the policies in the template; `client` may do
    anything.

    Parameters
    ----------
    assembly
        A cloud assembly (`cdk.out`) with one stack.
    folder
        Where logs, scratch files, objects and `cloud.json` (what the cloud is, and whether it still runs) go.
    observer
        Hears what happens; called from the cloud's threads, must return quickly and not call the cloud.
    workers
        How many handlers run at one time; by default one for each core that this process may use.
    preload
        Modules to import once for all handlers, installed or in the layers that all of them have.
    clock
        What retries, waits and visibility timeouts wait on; handlers run in real time whatever it is. By default
        what nothing but time keeps waiting is skipped: nobody waits an hour at a laptop for a message to come back.
    keep_objects
        Whether the objects' files stay in the folder when the cloud stops, with `objects.jsonl` to tell which is which.
    faults
        What goes wrong in the cloud; by default nothing. Calls of `client` and `invoke` are never struck.
    nursery
        Where the handlers' processes come from, for clouds that share the time to import (then `preload` is the
        nursery's); by default one of the cloud's own.

    Example
    -------
    >>> with Cloud(Path("cdk.out"), Path("run")) as cloud:  # doctest: +SKIP
    ...     cloud.put_file(cloud.outputs["InputBucket"], "datasets/x.imzML", Path("x.imzML"))
    ...     cloud.wait_idle(60)
    """

    def __init__(
        self,
        assembly: Path,
        folder: Path,
        *,
        observer: Observer | None = None,
        workers: int | None = None,
        preload: Sequence[str] = PRELOAD,
        clock: Clock | None = None,
        keep_objects: bool = False,
        faults: Faults | None = None,
        nursery: Nursery | None = None,
    ) -> None:
        self.outputs: dict[str, str] = {}
        self.folder = folder.resolve()
        self._assembly = assembly.resolve()
        self._observer = observer or _ignore
        self._preload = preload
        self._nursery = nursery
        self._own_nursery: Nursery | None = None
        self._clock = clock or SkippingClock()
        self._faults = faults or Faults.none()
        self._faults.tell(self._observe)
        self._problem: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._account = Account()
        self._activity = Activity()
        self._background = Background(self._broken)
        shared = (self._background, self._clock, self._activity, self._observe)
        cores = len(os.sched_getaffinity(0))
        self._functions = Functions(
            self._account, workers or cores, self._background, self._activity, self._observe, self._faults
        )
        self._bus = EventBus(self._account, *shared, self._faults)
        self._executions = Executions(self._account, self._bus, *shared)
        self._map_runs = MapRuns()
        self._asynchronous = AsynchronousInvocations(self._account, self._functions, *shared)
        self._requests = hooks.Requests()
        self._objects = Objects(self.folder / "objects", self._written, keep=keep_objects)
        self._keep_objects = keep_objects
        self._denials: list[AccessDecided] = []
        self._authority = Authority(self._account, self._decided)
        self._pollers: list[Poller] = []
        self._stack = Stack(self._account, "", {})
        self._dead_letters: set[str] = set()
        self._silent = False
        self._zygote: Zygote | None = None
        self._server: Server | None = None

    @property
    def endpoint_url(self) -> str:
        """The URL to give to clients as `endpoint_url`."""
        return self._account.endpoint_url

    @property
    def account(self) -> str:
        """The number of the account that everything in this cloud belongs to."""
        return self._account.id

    @property
    def region(self) -> str:
        """The region that everything in this cloud is in."""
        return self._account.region

    @property
    def stack_name(self) -> str:
        """The name of the stack."""
        return self._stack.name

    def client(self, service: str) -> Any:
        """Return a boto3 client that may do anything in this cloud."""
        return self._account.client(service)

    def put_file(self, bucket: str, key: str, path: Path) -> None:
        """Put a file of this machine as an object that refers to it: nothing is copied, and nobody may write to it.

        To functions and rules it is an object like any other, with the etag of an upload by the AWS CLI.

        Raises
        ------
        ReplayError
            It is not a regular file, someone writes to it, or S3 refuses the object.
        OSError
            The file is missing, or cannot be read.
        """
        self._transfers().put(bucket, key, path)

    def get_file(self, bucket: str, key: str, path: Path, *, share: bool = False) -> None:
        """Write an object to a new file, without its bytes passing through a socket.

        With `share` the file may be the one that the object is kept in, unless that outlives the cloud: nobody may
        write into it while the cloud is up.

        Raises
        ------
        TransferError
            There is no such object, or S3 does not give it.
        OSError
            The file is there already, or cannot be written.
        """
        self._transfers().get(bucket, key, path, share=share and not self._keep_objects)

    def sizes(self, bucket: str, prefix: str = "") -> Iterator[tuple[str, int]]:
        """Yield key and bytes of the objects whose keys begin with a prefix, without a socket.

        Raises
        ------
        TransferError
            S3 does not list them.
        """
        return self._transfers().sizes(bucket, prefix)

    def _transfers(self) -> Transfers:
        if self._server is None:
            raise ReplayError("The cloud has not been started.")
        return Transfers(self._account, self._server.handle)

    def invocations(self) -> list[Invocation]:
        """Return every invocation that has ended, in order of their ends."""
        return list(self._functions.invocations)

    def denials(self) -> list[AccessDecided]:
        """Return every access that was denied, in order."""
        return list(self._denials)

    @property
    def policies(self) -> Policies:
        """The policies of the stack's roles and resources."""
        return self._stack.policies

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Bring the stack up.

        Raises
        ------
        ReplayError
            The template holds something that the local runtime does not implement; nothing is left running.
        """
        self._objects.open()
        loop = asyncio.new_event_loop()
        self._background.open(loop)
        self._thread = threading.Thread(target=loop.run_forever, name="cloud-loop", daemon=True)
        self._thread.start()
        try:
            if self._nursery is None:
                self._nursery = self._own_nursery = Nursery(self.folder, self._preload)
            self._server = self._serve()
            self._write_state("starting")
            self._create()
            self._call(self._run())
        except BaseException as problem:
            self._give_up(problem)
            raise
        self._write_state("running")

    def _give_up(self, problem: BaseException) -> None:
        """Stop after a start that failed; what fails meanwhile must not hide why."""
        try:
            self.stop()
        except Exception as another:  # noqa: BLE001 - told with the first, whatever it is
            problem.add_note(f"Stopping failed as well: {type(another).__name__}: {another}")

    def _serve(self) -> Server:
        server = Server(
            Moto(self._account.id),
            [
                self._requests,
                hooks.refuse_unimplemented,
                self._authority,
                FaultyCalls(self._faults, self._account, self._functions.worker),
                hooks.ExpectedOwner(self._account.id),
                hooks.Messages(self._sent, self._hidden),
                MapRunCalls(self._map_runs, self._executions.known),
                hooks.ExecutionCalls(self._executions.begin, self._executions.stop, self._executions.ended_at),
                StackCalls(self._account, lambda: (self._stack.name, self.outputs)),
                S3(self._objects),
            ],
        )
        self._account.endpoint_url = server.endpoint_url
        server.start()
        return server

    def _create(self) -> None:
        """Create the stack's resources and take its outputs."""
        assembly = assemblies.load(self._assembly)
        account = self._account
        pseudo = {
            "AWS::AccountId": account.id,
            "AWS::Partition": account.partition,
            "AWS::Region": account.region,
            "AWS::StackName": assembly.stack_name,
            "AWS::StackId": account.stack_id(assembly.stack_name),
            "AWS::URLSuffix": "amazonaws.com",
        }
        template = Template(assembly.template, pseudo)
        self._stack = Stack(account, assembly.stack_name, assembly.assets)
        self._authority.policies = self._stack.policies
        resources.create_all(template, self._stack)
        wiring.check(self._stack, self._authority)
        self.outputs = template.outputs()

    async def _run(self) -> None:
        """Set the stack going, within the loop."""
        if self._nursery is None:
            raise ReplayError("The cloud has no process to run functions in.")
        stack = self._stack
        self._zygote = Zygote(self._nursery, self.folder, stack.common_layers())
        self._functions.open(Surroundings(self.folder, self._account.region, self.endpoint_url, self._zygote))
        for function in stack.functions.values():
            self._functions.add(function, stack.versions.get(function.arn, 0))
        self._bus.rules = stack.rules
        self._bus.serve("lambda", self._asynchronous.accept)
        for declared in stack.machines:
            self._executions.add(self._machine(declared))
        self._dead_letters = _dead_letters(stack)
        self._pollers = [self._poller(source) for source in stack.sources]
        for poller in self._pollers:
            self._background.start(poller.run())
        if isinstance(self._clock, SkippingClock):
            self._background.start(self._skip_waits(self._clock))

    async def _skip_waits(self, clock: SkippingClock) -> None:
        """Put the clock forward whenever nobody calls the cloud for a while, and nothing in it is at work."""
        before = None
        while True:
            await asyncio.sleep(QUIET)
            calls = self._requests.begun
            if calls == before and await self._waits():
                clock.skip()
            before = calls

    async def _waits(self) -> bool:
        """Return whether everything in the cloud waits for time to pass."""
        for _ in range(SETTLING):
            working = any(what.startswith(INVOCATION) for what in self._activity.snapshot()[1])
            if working or self._account.calling or self._requests.under_way:
                return False
            await asyncio.sleep(0)
        return True

    def _machine(self, declared: StateMachine) -> Machine:
        """Load a definition; a function that it calls and that is not there is found here, not at run time."""
        machine = definition.load(declared.definition)
        for state, function in definition.calls(machine):
            try:
                self._functions.resolve(function)
            except ReplayError as problem:
                raise DefinitionError(state, "Parameters.FunctionName", str(problem)) from problem
        integrations = Integrations(self._account, self._functions, self._asynchronous, self._authority, declared.role)
        width = CHILDREN_PER_WORKER * self._functions.workers
        interpreter = Interpreter(self._clock, integrations, self._observe, width, map_runs=self._map_runs)
        return Machine(declared, machine, interpreter)

    def _poller(self, source: EventSource) -> Poller:
        return Poller(
            source,
            self._account,
            self._functions,
            self._background,
            self._clock,
            self._activity,
            self._moved,
            self._faults,
        )

    def _written(self, written: hooks.Written) -> None:
        if written.bucket in self._stack.notifying_buckets and not self._silent:
            self._bus.publish(object_created(self._account, written, self._clock.stamp()))

    def _sent(self, queue: str, bodies: list[str]) -> None:
        self._background.loop.call_soon_threadsafe(self._wake, queue)
        if queue in self._dead_letters:
            for body in bodies:
                self._observe(DeadLetter(queue, body))

    def _hidden(self, queue: str, receipt: str, seconds: float) -> None:
        for poller in self._polling(queue):
            poller.hide(receipt, seconds)

    def _moved(self, arn: str, body: str) -> None:
        queue = arn.rpartition(":")[2]
        self._wake(queue)
        self._observe(DeadLetter(queue, body))

    def _decided(self, decision: AccessDecided) -> None:
        if not decision.allowed:
            self._denials.append(decision)
        self._observe(decision)

    def _wake(self, queue: str) -> None:
        for poller in self._polling(queue):
            poller.wake()

    def _polling(self, queue: str) -> list[Poller]:
        return [poller for poller in self._pollers if poller.source.queue.name == queue]

    def _observe(self, observation: Observation) -> None:
        self._observer(observation)

    def _broken(self, problem: BaseException) -> None:
        with (self.folder / "runtime.log").open("a", encoding="utf-8") as log:
            log.writelines(traceback.format_exception(problem))
        self._problem = problem

    def invoke(self, function: str, payload: Json) -> Json:
        """Invoke a function by name, ARN or logical id, and return what it answered.

        Raises
        ------
        InvocationError
            With Lambda's error object, when the function failed.
        """
        answer = self._call(self._functions.invoke(function, payload, faulty=False))
        if answer.error is not None:
            raise InvocationError(function, answer.error)
        return answer.payload

    def enforce(self, policies: Policies) -> None:
        """Judge every access from now on by other policies, which are checked as the template's are at the start.

        Raises
        ------
        ReplayError
            The stack would not come up with them: names role, action and resource. The policies are those of before.
        """
        before = self._stack.policies
        self._stack.policies = self._authority.policies = policies
        try:
            wiring.check(self._stack, self._authority)
        except ReplayError:
            self._stack.policies = self._authority.policies = before
            raise

    def replay(self, recorded: Recorded) -> str:
        """Send in an event that was recorded elsewhere, to the event bus or into its queue; return the event's id.

        Raises
        ------
        RecordingError
            It is about a bucket or a queue that this cloud does not have.
        """
        local = Localizer(self._account, self._stack).localize(recorded)
        if local.queue is None:
            self._bus.publish(local.event)
        else:
            self.client("sqs").send_message(
                QueueUrl=queue_url(self._account, local.queue), MessageBody=json.dumps(local.event)
            )
        return str(local.event["id"])

    @contextmanager
    def silence(self) -> Iterator[None]:
        """Let no bucket tell of what is written while the block runs, as if it had been there before."""
        self._silent = True
        try:
            yield
        finally:
            self._silent = False

    def wait_idle(self, timeout: float) -> None:
        """Wait until no event, message, invocation or execution is in flight.

        Raises
        ------
        TimeoutError
            Something still is after `timeout` seconds; the message names it.
        ReplayError
            The runtime itself broke; the details are in `runtime.log`.
        """
        deadline = time.monotonic() + timeout
        while (standing := self.standing()) is not Standing.IDLE:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                tally = self._activity.snapshot()[1] if standing is Standing.BUSY else self._messages()
                busy = [f"{count} × {what}" for what, count in sorted(tally.items())] or ["something that just ended"]
                raise TimeoutError(f"Still in flight after {timeout:g} s: {', '.join(busy)}")
            self._activity.wait_change(min(IDLE_CHECK, remaining))

    def standing(self) -> Standing:
        """Return whether something is in flight, or only lies in a queue, or nothing of both.

        Raises
        ------
        ReplayError
            The runtime itself broke; the details are in `runtime.log`.
        """
        generation, tally = self._activity.snapshot()
        messages = {} if tally else self._messages()
        if not tally:
            # Work that broke counts as ended a moment before the loop says that it broke.
            self._call(asyncio.sleep(0))
        if self._problem is not None:
            raise ReplayError(f"The local runtime broke; see {self.folder / 'runtime.log'}.") from self._problem
        # What began meanwhile may have taken a message that was not counted any more.
        if tally or self._activity.snapshot() != (generation, {}):
            return Standing.BUSY
        return Standing.WAITING if messages else Standing.IDLE

    def _messages(self) -> dict[str, int]:
        """Count the messages in each queue that has any."""
        # Twice: what goes to a dead-letter queue between the looks at the two queues is seen there the second time.
        depths: Counter[str] = Counter()
        for _ in range(2):
            depths |= Counter({poller.source.queue.name: poller.depth() for poller in self._pollers})
        return {f"message in {name}": depth for name, depth in depths.items() if depth}

    def _call(self, work: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._background.loop).result(timeout)

    def in_loop(self, action: Callable[[], None]) -> None:
        """Run something in the cloud's event loop, such as `ManualClock.advance`, and wait for it."""

        async def run() -> None:
            action()

        self._call(run())

    def stop(self) -> None:
        """End every process, thread and connection, and forget every object unless they are kept; logs stay."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        with ExitStack() as ending:
            ending.callback(self._write_state, "stopped")
            ending.callback(shutil.rmtree, self.folder / "tmp", ignore_errors=True)
            ending.callback(self._objects.close)
            ending.callback(moto_patches.drop_account, self._account.id)
            ending.callback(self._account.close)
            ending.callback(self._end_loop, thread)
            if self._server is not None:
                ending.callback(self._server.stop)
            if self._own_nursery is not None:
                ending.callback(self._own_nursery.stop)
            self._call(self._stop(), STOP_TIMEOUT)

    def _end_loop(self, thread: threading.Thread) -> None:
        """End the loop and its threads; calls that were under way have failed with the server by now."""
        loop = self._background.loop
        self._call(loop.shutdown_default_executor(), STOP_TIMEOUT)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    async def _stop(self) -> None:
        if self._zygote is not None:
            await self._zygote.stop()
        await self._background.stop()

    def _write_state(self, state: str) -> None:
        """Tell in the folder what the cloud is, so that one left by a crash can be told from one that runs."""
        facts = {"state": state, "pid": os.getpid(), "endpoint_url": self.endpoint_url, "written": time.time()}
        (self.folder / "cloud.json").write_text(json.dumps(facts))


def _dead_letters(stack: Stack) -> set[str]:
    """Return the names of the queues that something names as its dead-letter queue."""
    arns = [queue.dead_letters for queue in stack.queues.values()]
    arns += [target.dead_letters for rule in stack.rules for target in rule.targets]
    arns += [function.asynchronous.dead_letters for function in stack.functions.values()]
    return {arn.rpartition(":")[2] for arn in arns if arn is not None}


def _ignore(observation: Observation) -> None:
    """Hear nothing."""
