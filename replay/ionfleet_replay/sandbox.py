"""The cloud's side of execution environments: one forked process each, driven over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import site
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from ionfleet_replay.errors import ReplayError

PRELOAD = (
    "numpy",
    "pyarrow",
    "pyarrow.parquet",
    "pyarrow.compute",
    "pydantic",
    "boto3",
    "botocore.httpsession",
    "aws_lambda_powertools",
    "aws_lambda_powertools.utilities.parser",
    "aws_lambda_powertools.utilities.batch",
)
"""Imported once for all execution environments, where installed."""

_SETTINGS = {
    # One BLAS thread: no threads to lose in a fork, and sums that do not depend on the machine's cores.
    "OPENBLAS_NUM_THREADS": "1",
    # Large pages where the kernel has some: mapping small ones is a fifth of what sorting takes.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    # Arrow's own allocator keeps what it once had, in every environment that waits for its next invocation.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}

ZYGOTE_ENDED = "the process that environments are forked from has ended; see zygote.log"

PAGE = os.sysconf("SC_PAGE_SIZE")

_LENGTH = struct.Struct(">Q")
_INHERITED = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE")


class SandboxEndedError(Exception):
    """The process ended on its own; the message says how, in Lambda's words."""


def inherited() -> dict[str, str]:
    """Return what functions see of the parent's environment: PATH and locale."""
    return {name: os.environ[name] for name in _INHERITED if name in os.environ}


def installed_folders() -> list[str]:
    """Return the folders of installed third-party packages.

    Editable installs are left out on purpose: a function finds the project's own packages in its layers or not at all.
    """
    folders = site.getsitepackages() + ([site.getusersitepackages()] if site.ENABLE_USER_SITE else [])
    return [folder for folder in folders if Path(folder).is_dir()]


class Sandbox:
    """One execution environment; serves one invocation at a time."""

    def __init__(self, pid: int, channel: socket.socket, zygote: Zygote) -> None:
        self.pid = pid
        self.peak_mb = 0.0
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._channel = channel
        self._zygote = zygote
        # Held open, since it is read twenty times a second. A process that has ended already has none.
        self._statm: int | None = None
        with contextlib.suppress(FileNotFoundError):
            self._statm = os.open(f"/proc/{pid}/statm", os.O_RDONLY | os.O_CLOEXEC)

    async def receive(self) -> dict[str, Any]:
        """Return the next frame of the process.

        Raises
        ------
        SandboxEndedError
            The process ended instead.
        """
        try:
            (length,) = _LENGTH.unpack(await self._exactly(_LENGTH.size))
            frame = json.loads(await self._exactly(length))
        except (EOFError, ConnectionError) as problem:
            raise SandboxEndedError(_how(await self.ended)) from problem
        return frame  # type: ignore[no-any-return]

    async def _exactly(self, count: int) -> bytes:
        loop = asyncio.get_running_loop()
        parts = bytearray()
        while len(parts) < count:
            part = await loop.sock_recv(self._channel, min(count - len(parts), 1 << 20))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    async def call(self, frame: Mapping[str, Any]) -> dict[str, Any]:
        """Send an invocation and return the answer; raises as `receive` does."""
        body = json.dumps(frame).encode()
        try:
            await asyncio.get_running_loop().sock_sendall(self._channel, _LENGTH.pack(len(body)) + body)
        except ConnectionError as problem:
            raise SandboxEndedError(_how(await self.ended)) from problem
        return await self.receive()

    def resident_mb(self) -> float:
        """Return the resident memory of the process in MiB, 0 where it has ended, and note the highest as `peak_mb`."""
        if self._statm is None:
            return 0.0
        try:
            pages = int(os.pread(self._statm, 128, 0).split()[1])
        except ProcessLookupError:
            return 0.0
        resident = pages * PAGE / 2**20
        self.peak_mb = max(self.peak_mb, resident)
        return resident

    def interrupt(self) -> None:
        """Kill the process and everything it started, from any thread; whoever waits for its answer learns of it."""
        if not self.ended.done():
            os.killpg(self.pid, signal.SIGKILL)

    async def kill(self) -> None:
        """End the process and everything it started, and wait until it is gone."""
        self._zygote.kill(self.pid)
        await self.ended
        self.close()

    def close(self) -> None:
        """Close the socket to the process."""
        self._channel.close()
        if self._statm is not None:
            os.close(self._statm)
            self._statm = None


def _how(status: int) -> str:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name.removeprefix("SIG").lower()
        return "signal: killed" if name == "kill" else f"signal: {name}"
    return f"exit status {os.WEXITSTATUS(status)}"


class Nursery:
    """A process that imports modules once for any number of clouds, whose functions' processes descend from it.

    Safe in any thread. Clouds that use it are to be stopped before it.

    Parameters
    ----------
    folder
        Where its log goes.
    preload
        Modules to import, where they are installed or in the layers of the first cloud that has layers.

    Example
    -------
    >>> with Nursery(Path("run")) as nursery, Cloud(Path("cdk.out"), Path("run"), nursery=nursery):  # doctest: +SKIP
    ...     pass
    """

    def __init__(self, folder: Path, preload: Sequence[str] = PRELOAD) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = json.dumps({"path": installed_folders(), "preload": list(preload)})
        script = str(Path(__file__).with_name("nursery.py"))
        with theirs, (folder / "nursery.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own script, by this interpreter
                [sys.executable, "-I", "-S", script, str(theirs.fileno()), settings],
                pass_fds=[theirs.fileno()],
                env={**inherited(), **_SETTINGS},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def fork(self, folder: Path, layers: Sequence[Path]) -> socket.socket:
        """Fork a zygote that works in a cloud's folder, and return the socket that controls it.

        Raises
        ------
        ReplayError
            The process has ended.
        """
        message = json.dumps({"folder": str(folder), "layers": [str(layer) for layer in layers]}).encode()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, (folder / "zygote.log").open("ab") as log:
            try:
                socket.send_fds(self._control, [message], [theirs.fileno(), log.fileno()])
            except OSError as problem:
                ours.close()
                raise ReplayError("The process that clouds are forked from has ended; see nursery.log.") from problem
        return ours

    def stop(self) -> None:
        """End the process and every one that descends from it, and wait for it."""
        self._control.close()
        self._process.wait()


class Zygote:
    """The cloud's side of the process that its environments are forked from. Made and used within one event loop."""

    def __init__(self, nursery: Nursery, folder: Path, layers: Sequence[Path]) -> None:
        self._control = nursery.fork(folder, layers)
        self._control.setblocking(False)
        self._unborn: deque[tuple[socket.socket, asyncio.Future[Sandbox]]] = deque()
        self._sandboxes: dict[int, Sandbox] = {}
        self._reader = asyncio.create_task(self._listen())

    async def spawn(self, environment: Mapping[str, Any]) -> Sandbox:
        """Fork an execution environment; its first frame is still to be received."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        born: asyncio.Future[Sandbox] = asyncio.get_running_loop().create_future()
        message = json.dumps({"spawn": environment}).encode()
        with theirs:
            try:
                socket.send_fds(self._control, [message], [theirs.fileno()])
            except ConnectionError as problem:
                ours.close()
                raise SandboxEndedError(ZYGOTE_ENDED) from problem
        self._unborn.append((ours, born))
        return await born

    def kill(self, pid: int) -> None:
        """Ask for a process to be killed; `Sandbox.ended` tells when it is."""
        # With the zygote, all that it forked has ended.
        with contextlib.suppress(ConnectionError):
            self._control.send(json.dumps({"kill": pid}).encode())

    async def _listen(self) -> None:
        """Hear what the zygote tells, until it ends; all that it forked ends with it."""
        while data := await self._heard():
            message = json.loads(data)
            if "pid" in message:
                channel, born = self._unborn.popleft()
                sandbox = self._sandboxes[message["pid"]] = Sandbox(message["pid"], channel, self)
                born.set_result(sandbox)
            else:
                self._sandboxes.pop(message["ended"]).ended.set_result(message["status"])
        for sandbox in self._sandboxes.values():
            sandbox.ended.set_result(signal.SIGKILL)
        for _, born in self._unborn:
            born.set_exception(SandboxEndedError(ZYGOTE_ENDED))

    async def _heard(self) -> bytes:
        """Return the next message, nothing when the zygote has ended."""
        try:
            return await asyncio.get_running_loop().sock_recv(self._control, 1 << 16)
        except ConnectionResetError:
            # It had not read all that it was sent.
            return b""

    async def stop(self) -> None:
        """Kill every environment and the zygote itself, and wait for them."""
        self._reader.cancel()
        await asyncio.wait({self._reader})
        self._control.shutdown(socket.SHUT_WR)
        while await self._heard():
            continue
        self._control.close()
        for sandbox in self._sandboxes.values():
            sandbox.close()
        for channel, _ in self._unborn:
            channel.close()
