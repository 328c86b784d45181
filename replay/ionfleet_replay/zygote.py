"""Inside the process that a cloud's execution environments are forked from; standard library alone.

It is forked from a nursery itself, and forks for each request that comes over its control socket. It alone knows which
children live, so it alone kills and reaps them. When the control socket closes, whyever, or the nursery ends it, it
kills what is left and ends.

Control messages (one JSON object per packet): `{"spawn": {...}}` with the environment's socket attached, answered by
`{"pid": n}`; `{"kill": n}`; and, unasked, `{"ended": n, "status": waitstatus}`.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
MESSAGE_LIMIT = 1 << 17
SIGNALS = (signal.SIGCHLD, signal.SIGTERM)
"""Those that the zygote hears of in its loop."""


class Zygote:
    """Forks, kills and reaps execution environments."""

    def __init__(self, control: socket.socket, worker: Any) -> None:
        self._control = control
        self._children: set[int] = set()
        self._worker = worker
        self._libc = ctypes.CDLL(None)
        # What an environment started and left behind comes to this process, which reaps it.
        self._libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
        self._wake, wake = socket.socketpair()
        wake.setblocking(False)
        self._wake.setblocking(False)
        self._wake_writer = wake
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            signal.signal(number, lambda *_: None)

    def serve(self) -> None:
        """Handle requests until the control socket closes or SIGTERM comes."""
        while True:
            ready, _, _ = select.select([self._control, self._wake], [], [])
            if self._wake in ready:
                signals = self._wake.recv(4096)
                self._reap()
                if signal.SIGTERM in signals:
                    break
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
            for number in SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            self._control.close()
            self._wake.close()
            self._wake_writer.close()
            self._worker.serve(environment, socket.socket(fileno=channel))
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
