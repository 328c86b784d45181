"""What the cloud does around API calls, each concern in a hook of its own."""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ionfleet_replay.calls import Call, Handler, Response, answer, refusal
from ionfleet_replay.states import PAYLOAD_LIMIT

SERVICES = frozenset({"s3", "sqs", "sns", "states", "sts", "cloudformation"})

UNTRUE = {"states": frozenset({"GetExecutionHistory"})}
"""Operations that moto answers with something that is not so."""


@dataclass(frozen=True)
class Written:
    """An object that a call has just made.

    `etag` is without quotes, `version` None in unversioned buckets, `reason` the operation, as events give it.
    """

    bucket: str
    key: str
    size: int
    etag: str
    version: str | None
    reason: str


def refuse_unimplemented(call: Call, proceed: Handler) -> Response:
    """Refuse services and operations that nothing here stands behind."""
    if call.service not in SERVICES:
        known = ", ".join(sorted(SERVICES))
        message = f"The local cloud has no service {call.service!r}; it has {known}."
        return refusal(call, "501 Not Implemented", "NotImplemented", message)
    if call.operation in UNTRUE.get(call.service, ()):
        message = f"The local cloud does not implement {call.service}:{call.operation}."
        return refusal(call, "501 Not Implemented", "NotImplemented", message)
    if call.service == "states" and "mapRunArn" in call.parameters and call.operation == "ListExecutions":
        message = "The local cloud does not implement states:ListExecutions of a map run; DescribeMapRun counts them."
        return refusal(call, "501 Not Implemented", "NotImplemented", message)
    return proceed(call)


class Requests:
    """Counts calls, so that one can see whether anyone is talking to the cloud."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.begun = 0
        self._ended = 0

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Count a call while it is handled."""
        with self._lock:
            self.begun += 1
        try:
            return proceed(call)
        finally:
            with self._lock:
                self._ended += 1

    @property
    def under_way(self) -> bool:
        """Whether a call is being handled."""
        with self._lock:
            return self.begun > self._ended


class ExpectedOwner:
    """Refuses calls about a bucket that they expect to belong to another account."""

    HEADERS = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Let a call proceed that expects nothing, or what is so."""
        for name in self.HEADERS:
            expected = call.header(name)
            if call.service == "s3" and expected not in (None, self._account_id):
                message = f"The bucket belongs to the account {self._account_id}, but {name} is {expected}."
                return refusal(call, "403 Forbidden", "AccessDenied", message)
        return proceed(call)


class Messages:
    """Serialises calls to a queue, whose state moto does not lock, and tells what matters to who polls it."""

    SENDING = frozenset({"SendMessage", "SendMessageBatch"})
    HIDING = frozenset({"ChangeMessageVisibility", "ChangeMessageVisibilityBatch"})

    def __init__(self, sent: Callable[[str, list[str]], None], hidden: Callable[[str, str, float], None]) -> None:
        self._sent = sent
        self._hidden = hidden
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Handle a call.

        `sent` hears the queue's name and the messages' bodies, `hidden` queue, receipt and seconds of each message that
        is to be visible only then.
        """
        if call.service != "sqs" or "QueueUrl" not in call.parameters:
            return proceed(call)
        queue = str(call.parameters["QueueUrl"]).rpartition("/")[2]
        with ExitStack() as stack:
            if call.operation != "ReceiveMessage" or call.parameters.get("WaitTimeSeconds") == 0:
                stack.enter_context(self._locks[queue])
            response = proceed(call)
        entries: Collection[Any] = call.parameters.get("Entries", [call.parameters])
        if response.ok and call.operation in self.SENDING:
            self._sent(queue, [str(entry.get("MessageBody", "")) for entry in entries])
        if response.ok and call.operation in self.HIDING:
            for entry in entries:
                self._hidden(queue, str(entry["ReceiptHandle"]), float(entry["VisibilityTimeout"]))
        return response


class ExecutionCalls:
    """Tells of executions that moto has recorded as started or stopped."""

    def __init__(
        self,
        started: Callable[[str, str], None],
        stopped: Callable[[str, str | None, str | None], None],
        ended_at: Callable[[str], float | None],
    ) -> None:
        self._started = started
        self._stopped = stopped
        self._ended_at = ended_at
        self._lock = threading.Lock()

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Handle a call; `started` hears ARN and input, `stopped` ARN, error and cause."""
        if call.service != "states":
            return proceed(call)
        if call.operation == "StartExecution":
            return self._start(call, proceed)
        if call.operation == "StopExecution":
            return self._stop(call, proceed)
        return proceed(call)

    def _start(self, call: Call, proceed: Handler) -> Response:
        data = str(call.parameters.get("input", "{}"))
        if len(data.encode()) > PAYLOAD_LIMIT:
            message = f"The input has over {PAYLOAD_LIMIT} bytes."
            return refusal(call, "400 Bad Request", "InvalidExecutionInput", message)
        # moto looks for the name and records the execution without a lock.
        with self._lock:
            response, body = proceed(call).read()
            if response.ok:
                self._started(_field(body, "executionArn"), data)
        return response

    def _stop(self, call: Call, proceed: Handler) -> Response:
        arn = str(call.parameters.get("executionArn", ""))
        ended = self._ended_at(arn)
        if ended is not None:
            # moto would turn the end that was recorded into ABORTED.
            return answer({"stopDate": ended})
        response = proceed(call)
        if response.ok:
            self._stopped(arn, call.parameters.get("error"), call.parameters.get("cause"))
        return response


def _field(body: bytes, name: str) -> str:
    return str(json.loads(body)[name])
