"""What the cloud does around API calls, each concern in a hook of its own."""

from __future__ import annotations

import io
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from ionfleet_replay.calls import Call, Environ, Handler, Response, answer, refusal
from ionfleet_replay.states import PAYLOAD_LIMIT

SERVICES = frozenset({"s3", "sqs", "sns", "states", "sts"})

UNTRUE = {"states": frozenset({"GetExecutionHistory"})}
"""Operations that moto answers with something that is not so."""

WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
"""S3 operations that make an object; their names are also the reasons that events give."""

STRIPES = 1024


@dataclass(frozen=True)
class Written:
    """An object that a call has just made; `etag` without quotes, `version` None in unversioned buckets."""

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


class ObjectWrites:
    """One writer at a time for each key, and one report of each object written.

    moto checks `If-None-Match` and writes without a lock; here both happen within one.
    """

    def __init__(self, moto: Handler, written: Callable[[Written], None]) -> None:
        self._moto = moto
        self._written = written
        self._locks = [threading.Lock() for _ in range(STRIPES)]
        self._completed: set[str] = set()

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Serialise writes to a key; tell of those that succeeded before the client hears of it."""
        if call.service != "s3" or call.operation not in WRITES:
            return proceed(call)
        with self._locks[hash((call.bucket, call.key)) % STRIPES]:
            response = proceed(call)
            if response.ok and not self._repeated(call):
                self._written(self._describe(call))
        return response

    def _repeated(self, call: Call) -> bool:
        """Return whether this completes an upload that was completed before, which writes nothing."""
        upload = call.query.get("uploadId")
        if upload is None:
            return False
        repeated = upload in self._completed
        self._completed.add(upload)
        return repeated

    def _describe(self, call: Call) -> Written:
        response = self._moto(Call(_head(call.environ)))
        if not response.ok:
            raise RuntimeError(f"{call.bucket}/{call.key} was written but cannot be described: {response.status}")
        return Written(
            bucket=call.bucket,
            key=call.key,
            size=int(response.header("Content-Length") or 0),
            etag=(response.header("ETag") or "").strip('"'),
            version=response.header("x-amz-version-id"),
            reason=call.operation,
        )


def _head(environ: Environ) -> Environ:
    """Return the request that asks for the headers of the object that `environ` writes."""
    kept = {name: value for name, value in environ.items() if not name.startswith("HTTP_")}
    for name in ("HTTP_HOST", "HTTP_AUTHORIZATION"):
        kept[name] = environ.get(name, "")
    for name in ("RAW_URI", "REQUEST_URI"):
        kept[name] = str(environ.get(name, "")).partition("?")[0]
    return {**kept, "REQUEST_METHOD": "HEAD", "QUERY_STRING": "", "CONTENT_LENGTH": "0", "wsgi.input": io.BytesIO()}


class Messages:
    """Serialises calls to a queue, whose state moto does not lock, and tells which queues got messages."""

    SENDING = frozenset({"SendMessage", "SendMessageBatch"})

    def __init__(self, sent: Callable[[str, list[str]], None]) -> None:
        self._sent = sent
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Handle a call; `sent` hears the queue's name and the messages' bodies."""
        if call.service != "sqs" or "QueueUrl" not in call.parameters:
            return proceed(call)
        queue = str(call.parameters["QueueUrl"]).rpartition("/")[2]
        with ExitStack() as stack:
            if call.operation != "ReceiveMessage" or call.parameters.get("WaitTimeSeconds") == 0:
                stack.enter_context(self._locks[queue])
            response = proceed(call)
        if response.ok and call.operation in self.SENDING:
            entries: Collection[Any] = call.parameters.get("Entries", [call.parameters])
            self._sent(queue, [str(entry.get("MessageBody", "")) for entry in entries])
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
