"""A hook that lets faults strike the calls which a cloud's functions, rules and state machines make."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable

from ionfleet_replay.account import ADMINISTRATOR, Account
from ionfleet_replay.calls import Call, Handler, Response, refusal
from ionfleet_replay.faults import LONGEST_LATENCY, Faults, Kind

POLLING = frozenset({"ReceiveMessage", "DeleteMessageBatch", "GetQueueAttributes"})
"""What Lambda itself does with a queue, in a function's role; it sees to its own retries."""

S3_REFUSALS = {
    Kind.SLOW_DOWN: ("503 Slow Down", "SlowDown", "Please reduce your request rate."),
    Kind.INTERNAL_ERROR: ("500 Internal Server Error", "InternalError", "We encountered an internal error."),
    Kind.CONFLICT: ("409 Conflict", "ConditionalRequestConflict", "A conflicting operation is under way."),
}

THROTTLES = {
    "sns": ("429 Too Many Requests", "Throttled"),
    "sqs": ("400 Bad Request", "ThrottlingException"),
    "states": ("400 Bad Request", "ThrottlingException"),
}
"""The status and the error code with which each service throttles."""

_RANDOM = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|-[0-9a-f]{12}\b")
"""Ids of messages and requests, and what ends the names of a stack's resources."""

Worker = tuple[str, Callable[[], None]]
"""The function that a process runs, and what kills it."""


class FaultyCalls:
    """Lets calls fail, and workers die over them.

    Whoever uses the cloud from outside is never struck. A worker dies before a call takes effect or after it: what
    happens between two calls, nobody else can see. `worker` finds the process that signs with an access key.
    """

    def __init__(self, faults: Faults, account: Account, worker: Callable[[str], Worker | None]) -> None:
        self._faults = faults
        self._account = account
        self._worker = worker

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Handle a call, or let it fail before or after it has taken effect."""
        if not self._exposed(call):
            return proceed(call)
        what = _subject(call)
        self._hold_up(what)
        self._maybe_kill(call, what, proceed)
        refused = self._refusal(call, what)
        return self._delivered(call, what, proceed(call)) if refused is None else refused

    def _exposed(self, call: Call) -> bool:
        principal = self._account.principal(call.access_key or "")
        polls = call.service == "sqs" and call.operation in POLLING
        return principal not in (None, ADMINISTRATOR) and not polls

    def _hold_up(self, what: str) -> None:
        fraction = self._faults.strike(Kind.LATENCY, what)
        if fraction is not None:
            time.sleep(fraction * LONGEST_LATENCY)

    def _maybe_kill(self, call: Call, what: str, proceed: Handler) -> None:
        """Kill the caller, if it is a worker and a fault strikes, before or after its call takes effect."""
        worker = self._worker(call.access_key or "")
        if worker is None:
            return
        function, kill = worker
        moment = self._faults.strike(Kind.WORKER_KILLED, f"{function} at {what}")
        if moment is None:
            return
        if moment >= 0.5:
            proceed(call)
        kill()
        _hang_up(call)

    def _refusal(self, call: Call, what: str) -> Response | None:
        """Return the error with which a call fails before it takes effect, if it does."""
        if self._faults.strike(Kind.CONNECTION_DROPPED, what) is not None:
            _hang_up(call)
        if call.service in THROTTLES:
            if self._faults.strike(Kind.THROTTLED, what) is None:
                return None
            return refusal(call, *THROTTLES[call.service], "Rate exceeded (injected fault).")
        for kind, (status, code, message) in S3_REFUSALS.items():
            possible = kind != Kind.CONFLICT or call.header("If-None-Match") is not None
            if possible and self._faults.strike(kind, what) is not None:
                return refusal(call, status, code, f"{message} (injected fault)")
        return None

    def _delivered(self, call: Call, what: str, response: Response) -> Response:
        """Return a response, unless the caller never gets it, or only half of it."""
        if not response.ok or call.method == "HEAD":
            return response
        if call.method != "GET":
            if self._faults.strike(Kind.WRITE_UNANSWERED, what) is not None:
                _hang_up(call)
            return response
        if self._faults.strike(Kind.DOWNLOAD_BROKEN, what) is None:
            return response
        piece = next(iter(response.body), b"")
        return Response(response.status, response.headers, [piece[: len(piece) // 2]])


def _subject(call: Call) -> str:
    """Return what a call is and what it is about, without what is random about it."""
    if call.service == "s3":
        about = call.key
    else:
        names = ("QueueUrl", "TopicArn", "stateMachineArn", "name")
        about = " ".join(re.split("[:/]", str(call.parameters[name]))[-1] for name in names if name in call.parameters)
    return _RANDOM.sub("*", f"{call.service} {call.operation} {about}").rstrip()


def _hang_up(call: Call) -> None:
    """Close the caller's connection without an answer, and end the handling of the call.

    Raises
    ------
    ConnectionAbortedError
        Always: what the server takes for a client that has gone.
    """
    connection: socket.socket = call.environ["werkzeug.socket"]
    with contextlib.suppress(OSError):  # a caller that was killed has hung up itself
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionAbortedError("An injected fault dropped the connection.")
