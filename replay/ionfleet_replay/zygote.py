"""The clean process that execution environments are forked from; runs as a script, on the standard library alone.

It imports what most handlers import once, and then forks for each request that comes over its control socket (file
descriptor in argv[1]). It alone knows which children live, so it alone kills and reaps them. When the control socket
closes, whyever, it kills what is left and ends.

Control messages (one JSON object per packet): `{"spawn": {...}}` with the environment's socket attached, answered by
`{"pid": n}`; `{"kill": n}`; and, unasked, `{"ended": n, "status": waitstatus}`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import json
import os
import select
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MESSAGE_LIMIT = 1 << 17

SERVICES = ("s3", "sqs", "stepfunctions", "sns")
"""Those of the local cloud that handlers may make clients of."""


def preload(modules: list[str]) -> None:
    """Import what is there of `modules`; a handler that needs a missing one fails on its own import."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as problem:
            sys.stderr.write(f"not preloaded: {name}: {problem}\n")
    if "boto3" in sys.modules:
        describe_services(sys.modules["boto3"])
    gc.collect()
    gc.freeze()


def describe_services(boto3: Any) -> None:
    """Have boto3's default session read the descriptions of services, which is most of what making a client takes.

    Nothing else of these clients stays: region, endpoint and credentials are those of the process that makes another.
    """
    boto3.setup_default_session()
    for service in SERVICES:
        boto3.client(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106


def load_worker() -> object:
    """Load worker.py from beside this file without making its folder importable for handlers."""
    spec = importlib.util.spec_from_file_location("_ionfleet_worker", Path(__file__).with_name("worker.py"))
    if spec is None or spec.loader is None:
        raise ImportError("worker.py is missing beside zygote.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Zygote:
    """Forks, kills and reaps execution environments."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: set[int] = set()
        self._worker = load_worker()
        self._libc = ctypes.CDLL(None)
        # What an environment started and left behind comes to this process, which reaps it.
        self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._wake, wake = socket.socketpair()
        wake.setblocking(False)
        self._wake.setblocking(False)
        self._wake_writer = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def serve(self) -> None:
        """Handle requests until the control socket closes."""
        while True:
            ready, _, _ = select.select([self._control, self._wake], [], [])
            if self._wake in ready:
                self._wake.recv(4096)
                self._reap()
            if self._control in ready and not self._request():
                break
        for pid in self._children:
            os.killpg(pid, signal.SIGKILL)
        for pid in self._children:
            os.waitpid(pid, 0)

    def _request(self) -> bool:
        data, files, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, 1)
        if not data:
            return False
        message = json.loads(data)
        if "spawn" in message:
            self._spawn(message["spawn"], files[0])
        elif message["kill"] in self._children:
            os.killpg(message["kill"], signal.SIGKILL)
        return True

    def _spawn(self, environment: dict[str, object], channel: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become(environment, channel, parent)
        os.close(channel)
        # Also done by the child: whoever is first, the group exists before anyone can ask to kill it.
        try:
            os.setpgid(pid, pid)
        except (PermissionError, ProcessLookupError):
            sys.stderr.write(f"process {pid} was quicker\n")
        self._children.add(pid)
        self._control.send(json.dumps({"pid": pid}).encode())

    def _become(self, environment: dict[str, object], channel: int, parent: int) -> None:
        """Turn this fork into an execution environment; never returns."""
        code = 1
        try:
            os.setpgid(0, 0)
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                return
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            self._wake.close()
            self._wake_writer.close()
            self._worker.serve(environment, socket.socket(fileno=channel))  # type: ignore[attr-defined]
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 - the process ends here, whyever
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _reap(self) -> None:
        while (ended := _ended_child()) is not None:
            pid, status = ended
            if pid in self._children:
                self._children.discard(pid)
                self._control.send(json.dumps({"ended": pid, "status": status}).encode())


def _ended_child() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def main() -> None:
    """Serve the control socket given by its file descriptor."""
    settings = json.loads(sys.argv[2])
    sys.path += settings["path"]
    control = socket.socket(fileno=int(sys.argv[1]))
    zygote = Zygote(control)
    preload(settings["preload"])
    zygote.serve()


if __name__ == "__main__":
    main()
