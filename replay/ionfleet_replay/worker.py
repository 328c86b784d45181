"""Inside an execution environment: imports the handler and serves invocations; standard library alone.

Frames on the socket are JSON with a length of 8 bytes before it. The first frame out says whether the handler could be
imported (`{"error": null}` or Lambda's error object); then each invocation in is answered by one frame out.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import socket
import struct
import sys
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any

LENGTH = struct.Struct(">Q")


def receive(channel: socket.socket) -> dict[str, Any] | None:
    """Return the next frame, None when the other side has closed."""
    head = _exactly(channel, LENGTH.size)
    if head is None:
        return None
    body = _exactly(channel, LENGTH.unpack(head)[0])
    return None if body is None else json.loads(body)


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < count:
        part = channel.recv(min(count - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def send(channel: socket.socket, frame: dict[str, Any]) -> None:
    """Send one frame."""
    body = json.dumps(frame).encode()
    channel.sendall(LENGTH.pack(len(body)) + body)


class Context:
    """The context object that Lambda gives to handlers."""

    def __init__(self, environment: dict[str, Any], invocation: dict[str, Any]) -> None:
        self.aws_request_id = invocation["request_id"]
        self.function_name = environment["name"]
        self.function_version = invocation["version"]
        self.invoked_function_arn = invocation["arn"]
        self.memory_limit_in_mb = environment["memory_mb"]
        self.log_group_name = environment["log_group"]
        self.log_stream_name = environment["log_stream"]
        self.identity = None
        self.client_context = None
        self._deadline = invocation["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function is killed."""
        return max(0, int((self._deadline - time.time()) * 1000))


def _prepare(environment: dict[str, Any]) -> None:
    """Take on the function's environment variables, folders, output and import path."""
    os.environ.clear()
    os.environ.update(environment["variables"])
    log = os.open(environment["log_file"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    os.chdir(environment["code"])
    sys.path[:0] = [environment["code"], *environment["layers"]]


def _error(kind: str, message: str, trace: TracebackType | None = None) -> dict[str, Any]:
    return {"errorType": kind, "errorMessage": message, "stackTrace": traceback.format_tb(trace)}


def _load(environment: dict[str, Any]) -> Any:
    module, _, name = environment["handler"].rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), name)


def _load_error(handler: str, problem: BaseException) -> dict[str, Any]:
    module, _, name = handler.rpartition(".")
    if isinstance(problem, ImportError):
        return _error("Runtime.ImportModuleError", f"Unable to import module '{module}': {problem}")
    if isinstance(problem, SyntaxError):
        return _error("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {problem}")
    if isinstance(problem, AttributeError) and problem.name == name:
        return _error("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'")
    return _error(type(problem).__name__, str(problem), problem.__traceback__)


def _reset_peak() -> None:
    """Make the kernel forget the highest resident size so far; one that does not allow it reports the process's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _answer(handler: Any, event: Any, context: Context) -> dict[str, Any]:
    try:
        result = handler(event, context)
    except Exception as problem:  # noqa: BLE001 - a handler may raise anything
        # The first entry of the traceback is this file's.
        trace = problem.__traceback__.tb_next if problem.__traceback__ else None
        return {"error": _error(type(problem).__name__, str(problem), trace)}
    try:
        return {"payload": json.dumps(result, allow_nan=False)}
    except (TypeError, ValueError) as problem:
        message = f"Unable to marshal response: {problem}"
        return {"error": _error("Runtime.MarshalError", message)}


def serve(environment: dict[str, Any], channel: socket.socket) -> None:
    """Import the handler and answer invocations until the socket closes."""
    _prepare(environment)
    handler, problem = None, None
    try:
        handler = _load(environment)
    except Exception as error:  # noqa: BLE001 - so may its import
        traceback.print_exc()
        problem = _load_error(environment["handler"], error)
    send(channel, {"error": problem})
    while problem is None and (invocation := receive(channel)) is not None:
        os.environ["_X_AMZN_TRACE_ID"] = invocation["trace"]
        print(f"START RequestId: {invocation['request_id']} Version: {invocation['version']}")
        _reset_peak()
        answer = _answer(handler, json.loads(invocation["event"]), Context(environment, invocation))
        sys.stdout.flush()
        sys.stderr.flush()
        send(channel, {**answer, "peak_mb": _peak_mb()})
