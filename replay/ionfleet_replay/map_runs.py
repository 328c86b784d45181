"""The runs of distributed maps, as `ListMapRuns` and `DescribeMapRun` tell of them; moto knows none."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ionfleet_replay.calls import Call, Handler, Response, answer, refusal
from ionfleet_replay.paths import Json

ChildState = Literal["pending", "running", "succeeded", "failed", "aborted"]

PAGE = 100
"""Map runs that one call lists unless it asks for another number."""

UNUSED_COUNTS = dict.fromkeys(("timedOut", "resultsWritten", "failuresNotRedrivable", "pendingRedrive"), 0)
"""What children of these maps never are: they have no timeout, and there is no result writer and no redrive."""


@dataclass
class MapRunRecord:
    """One run of a map: `sizes` are the items of each child, `children` how far each is; times since the epoch."""

    execution: str
    label: str
    sizes: Sequence[int]
    max_concurrency: int
    tolerated_count: int
    tolerated_percentage: float
    started: float
    status: Literal["RUNNING", "SUCCEEDED", "FAILED", "ABORTED"] = "RUNNING"
    stopped: float | None = None
    name: str = field(default_factory=lambda: str(uuid.uuid4()))
    children: list[ChildState] = field(init=False)

    def __post_init__(self) -> None:
        self.children = ["pending"] * len(self.sizes)

    @property
    def arn(self) -> str:
        """The run's ARN, made from that of its execution."""
        machine = self.execution.rpartition(":")[0].replace(":execution:", ":mapRun:")
        return f"{machine}/{self.label}:{self.name}"

    def end(self, status: Literal["SUCCEEDED", "FAILED", "ABORTED"], at: float) -> None:
        """Note the end of the run, which ends its running children; those that never began stay pending."""
        self.children = ["aborted" if state == "running" else state for state in self.children]
        self.stopped, self.status = at, status

    def summary(self) -> dict[str, Json]:
        """Return the run as a list shows it."""
        machine = self.execution.rpartition(":")[0].replace(":execution:", ":stateMachine:")
        stop = {} if self.stopped is None else {"stopDate": self.stopped}
        names = {"executionArn": self.execution, "mapRunArn": self.arn, "stateMachineArn": machine}
        return {**names, "startDate": self.started, **stop}

    def description(self) -> dict[str, Json]:
        """Return all that is told of the run."""
        children = list(self.children)
        items: Counter[str] = Counter()
        for state, size in zip(children, self.sizes, strict=True):
            items[state] += size
        summary = self.summary()
        del summary["stateMachineArn"]
        return {
            **summary,
            "status": self.status,
            "maxConcurrency": self.max_concurrency,
            "toleratedFailureCount": self.tolerated_count,
            "toleratedFailurePercentage": self.tolerated_percentage,
            "redriveCount": 0,
            "executionCounts": _counts(Counter(children)),
            "itemCounts": _counts(items),
        }


def _counts(tally: Mapping[str, int]) -> dict[str, int]:
    states = ("pending", "running", "succeeded", "failed", "aborted")
    return {**{state: tally[state] for state in states}, "total": sum(tally.values()), **UNUSED_COUNTS}


class MapRuns:
    """The map runs of a cloud, in order of their starts; safe in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._records: dict[str, MapRunRecord] = {}

    def add(self, record: MapRunRecord) -> None:
        """Make a run known that has begun."""
        with self._lock:
            self._records[record.arn] = record

    def get(self, arn: str) -> MapRunRecord | None:
        """Return a run by its ARN."""
        with self._lock:
            return self._records.get(arn)

    def of(self, execution: str) -> list[MapRunRecord]:
        """Return the runs of an execution, the latest first."""
        with self._lock:
            return [record for record in reversed(self._records.values()) if record.execution == execution]


class MapRunCalls:
    """Answers the calls about map runs. `known` tells whether there is an execution of an ARN."""

    def __init__(self, runs: MapRuns, known: Callable[[str], bool]) -> None:
        self._runs = runs
        self._known = known

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Answer such a call; the others go on."""
        if (call.service, call.operation) == ("states", "DescribeMapRun"):
            return self._describe(call)
        if (call.service, call.operation) == ("states", "ListMapRuns"):
            return self._list(call)
        return proceed(call)

    def _describe(self, call: Call) -> Response:
        arn = str(call.parameters.get("mapRunArn", ""))
        record = self._runs.get(arn)
        if record is None:
            return refusal(call, "400 Bad Request", "ResourceNotFound", f"There is no map run {arn!r}.")
        return answer(record.description())

    def _list(self, call: Call) -> Response:
        execution = str(call.parameters.get("executionArn", ""))
        if not self._known(execution):
            return refusal(call, "400 Bad Request", "ExecutionDoesNotExist", f"There is no execution {execution!r}.")
        token = str(call.parameters.get("nextToken", "0"))
        if not token.isdecimal():
            return refusal(call, "400 Bad Request", "InvalidToken", f"{token!r} is no token that this cloud gave.")
        records, first = self._runs.of(execution), int(token)
        stop = first + (int(call.parameters.get("maxResults", 0)) or PAGE)
        more = {"nextToken": str(stop)} if stop < len(records) else {}
        return answer({"mapRuns": [record.summary() for record in records[first:stop]], **more})
