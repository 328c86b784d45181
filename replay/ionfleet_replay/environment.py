"""One execution environment of a function: starts it, calls it within the function's limits, keeps its log."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from ionfleet_replay.account import Credentials
from ionfleet_replay.paths import Json
from ionfleet_replay.sandbox import Sandbox, SandboxEndedError, Zygote, inherited

T = TypeVar("T")

PAYLOAD_LIMIT = 6 * 1024 * 1024
"""Bytes of a synchronous request or response."""

WATCH_INTERVAL = 0.05
"""Seconds between two looks at the memory of a running environment."""


@dataclass(frozen=True)
class AsynchronousPolicy:
    """What happens to an asynchronous event whose invocation fails; `max_age` in seconds."""

    retries: int = 2
    max_age: float = 6 * 3600.0
    dead_letters: str | None = None


@dataclass(frozen=True)
class Function:
    """A function as the template declares it; memory in MiB, timeout in seconds."""

    logical_id: str
    name: str
    arn: str
    runtime: str
    handler: str
    code: Path
    layers: tuple[Path, ...]
    memory_mb: int
    timeout: float
    variables: Mapping[str, str]
    role: str
    log_group: str
    reserved: int | None
    asynchronous: AsynchronousPolicy = AsynchronousPolicy()
    traced: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What environments need of their cloud."""

    folder: Path
    region: str
    endpoint_url: str
    zygote: Zygote


@dataclass(frozen=True)
class Request:
    """One invocation of a version of a function: `event` is JSON text."""

    request_id: str
    version: str
    event: str


@dataclass(frozen=True)
class Result:
    """What an invocation gave: a payload, or an error in Lambda's shape. Times in seconds, memory in MiB."""

    payload: Json
    error: Mapping[str, Json] | None
    started: float
    duration: float
    peak_mb: float
    cold: bool


class _CallError(Exception):
    """Carries Lambda's error object; `fatal` when the process is gone or must go."""

    def __init__(self, error: Mapping[str, Json], *, fatal: bool) -> None:
        super().__init__(error["errorMessage"])
        self.error = error
        self.fatal = fatal


class Environment:
    """A process with the handler of a function's version in it, started at its first call; one call at a time."""

    def __init__(self, function: Function, version: str, credentials: Credentials, surroundings: Surroundings) -> None:
        day = datetime.now(UTC).strftime("%Y-%m-%d")
        self.function = function
        self.version = version
        self.alive = True
        self._stream = f"{day}-{secrets.token_hex(8)}"
        self._credentials = credentials
        self._surroundings = surroundings
        self._log = surroundings.folder / "logs" / function.logical_id / f"{self._stream}.log"
        self._scratch = surroundings.folder / "tmp" / self._stream
        self._sandbox: Sandbox | None = None

    @property
    def access_key(self) -> str:
        """The key that its process signs with."""
        return self._credentials.access_key

    def interrupt(self) -> None:
        """Kill the process at once; may be called from any thread."""
        if self._sandbox is not None:
            self._sandbox.interrupt()

    async def call(self, request: Request) -> Result:
        """Run the handler on an event. When the environment is not `alive` afterwards, it has been closed."""
        cold, started, peak_mb = self._sandbox is None, time.time(), 0.0
        payload: Json = None
        error: Mapping[str, Json] | None = None
        try:
            sandbox = self._sandbox or await self._start()
            started = time.time()
            frame = await self._limited(sandbox, sandbox.call(self._frame(request)))
            peak_mb = frame["peak_mb"]
            payload = self._payload(frame)
        except _CallError as failure:
            error = _addressed(failure.error, request)
            if failure.fatal:
                peak_mb = max(peak_mb, self._sandbox.peak_mb if self._sandbox else 0.0)
                await self.close()
        result = Result(payload, error, started, time.time() - started, peak_mb, cold)
        self._write_end(request, result)
        return result

    async def _start(self) -> Sandbox:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._scratch.mkdir(parents=True)
        try:
            sandbox = self._sandbox = await self._surroundings.zygote.spawn(self._description())
        except SandboxEndedError as ended:
            raise _CallError(_exit_error(str(ended)), fatal=True) from ended
        greeting = await self._limited(sandbox, sandbox.receive())
        if greeting["error"] is not None:
            raise _CallError(greeting["error"], fatal=True)
        return sandbox

    async def _limited(self, sandbox: Sandbox, answer: Awaitable[T]) -> T:
        """Await the process's answer, within the function's time and memory."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.function.timeout
        task = asyncio.ensure_future(answer)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=min(WATCH_INTERVAL, max(0.0, deadline - loop.time())))
                if not task.done() and loop.time() >= deadline:
                    message = f"Task timed out after {self.function.timeout:.2f} seconds"
                    raise _CallError({"errorType": "Sandbox.Timedout", "errorMessage": message}, fatal=True)
                if sandbox.resident_mb() > self.function.memory_mb:
                    raise _CallError(_exit_error("signal: killed"), fatal=True)
            return task.result()
        except SandboxEndedError as ended:
            raise _CallError(_exit_error(str(ended)), fatal=True) from ended
        finally:
            task.cancel()

    def _payload(self, frame: Mapping[str, Any]) -> Json:
        if frame["peak_mb"] > self.function.memory_mb:
            raise _CallError(_exit_error("signal: killed"), fatal=True)
        if "error" in frame:
            raise _CallError(frame["error"], fatal=False)
        if len(frame["payload"].encode()) > PAYLOAD_LIMIT:
            message = f"Response payload size exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
            raise _CallError({"errorType": "Function.ResponseSizeTooLarge", "errorMessage": message}, fatal=False)
        return json.loads(frame["payload"])

    async def close(self) -> None:
        """End the process and remove its scratch folder; the log stays."""
        self.alive = False
        if self._sandbox is not None:
            await self._sandbox.kill()
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)

    def _frame(self, request: Request) -> dict[str, Any]:
        trace = f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0"
        arn = self.function.arn
        return {
            "request_id": request.request_id,
            "version": request.version,
            "arn": arn if request.version == "$LATEST" else f"{arn}:{request.version}",
            "deadline": time.time() + self.function.timeout,
            "trace": trace,
            "event": request.event,
        }

    def _description(self) -> dict[str, Any]:
        function = self.function
        return {
            "name": function.name,
            "handler": function.handler,
            "code": str(function.code),
            "layers": [str(layer) for layer in function.layers],
            "memory_mb": function.memory_mb,
            "log_group": function.log_group,
            "log_stream": self._stream,
            "log_file": str(self._log),
            "variables": self._variables(),
        }

    def _variables(self) -> dict[str, str]:
        function, region = self.function, self._surroundings.region
        return {
            **inherited(),
            "TZ": ":UTC",
            "TMPDIR": str(self._scratch),
            "LAMBDA_TASK_ROOT": str(function.code),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
            "AWS_LAMBDA_FUNCTION_VERSION": self.version,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
            "AWS_LAMBDA_LOG_STREAM_NAME": self._stream,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ACCESS_KEY_ID": self._credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": self._credentials.secret_key,
            "AWS_SESSION_TOKEN": self._credentials.token,
            "AWS_ENDPOINT_URL": self._surroundings.endpoint_url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "POWERTOOLS_TRACE_DISABLED": "1",
            "_HANDLER": function.handler,
            **function.variables,
        }

    def _write_end(self, request: Request, result: Result) -> None:
        milliseconds = f"{result.duration * 1000:.2f} ms"
        lines = [f"END RequestId: {request.request_id}"]
        if result.error is not None:
            lines.insert(0, f"[ERROR] {result.error['errorType']}: {result.error['errorMessage']}")
            lines[1:1] = result.error.get("stackTrace") or []
        memory = f"Memory Size: {self.function.memory_mb} MB Max Memory Used: {result.peak_mb:.0f} MB"
        lines.append(f"REPORT RequestId: {request.request_id} Duration: {milliseconds} {memory}")
        with self._log.open("a", encoding="utf-8") as log:
            log.write("\n".join(line.rstrip("\n") for line in lines) + "\n")


def _addressed(error: Mapping[str, Json], request: Request) -> Mapping[str, Json]:
    """Name the request in an error, as Lambda does in the message of those that have no stack trace."""
    if "stackTrace" in error:
        return {**error, "requestId": request.request_id}
    return {**error, "errorMessage": f"RequestId: {request.request_id} Error: {error['errorMessage']}"}


def _exit_error(how: str) -> dict[str, Json]:
    return {"errorType": "Runtime.ExitError", "errorMessage": f"Runtime exited with error: {how}"}
