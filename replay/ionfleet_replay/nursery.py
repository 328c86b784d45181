"""The process that has imported what handlers import; runs as a script, on the standard library alone.

It forks a zygote for each cloud that asks over its control socket (file descriptor in argv[1]), so that however many
clouds come up, the imports are paid for once. When the control socket closes, whyever, it ends with all its zygotes.

A message is one JSON object a packet: `{"folder": ..., "layers": [...]}`, with the zygote's control socket and its log
attached. What could not be imported at first is tried again with the first cloud's layers; a cloud with other layers
gets a zygote that has forgotten what came from those.
"""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

MESSAGE_LIMIT = 1 << 17

SERVICES = ("s3", "sqs", "stepfunctions", "sns")
"""Those of the local cloud that handlers may make clients of."""


def import_all(modules: list[str], place: str) -> list[str]:
    """Import what is there of `modules`, and return what is not; a handler that needs it fails on its own import."""
    missing = []
    gc.disable()  # of what modules make, nothing goes again
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as problem:
            missing.append(name)
            sys.stderr.write(f"not {place}: {name}: {problem}\n")
    gc.collect()
    gc.freeze()
    gc.enable()
    return missing


def describe_services(boto3: Any) -> None:
    """Have boto3's default session read the descriptions of services, which is most of what making a client takes.

    Nothing else of these clients stays: region, endpoint and credentials are those of the process that makes another.
    """
    boto3.setup_default_session()
    for service in SERVICES:
        boto3.client(service, region_name="us-east-1", aws_access_key_id="none", aws_secret_access_key="none")  # noqa: S106


def neighbour(name: str) -> Any:
    """Load a module from beside this file without making its folder importable for handlers."""
    spec = importlib.util.spec_from_file_location(f"_ionfleet_{name}", Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(f"{name}.py is missing beside nursery.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Nursery:
    """Forks zygotes; `missing` are the modules that clouds' layers may have."""

    def __init__(self, control: socket.socket, missing: list[str]) -> None:
        self._control = control
        self._zygote = neighbour("zygote")
        self._worker = neighbour("worker")
        self._missing = missing
        self._layers: list[str] = []
        self._from_layers: set[str] = set()
        self._zygotes: set[int] = set()

    def serve(self) -> None:
        """Handle requests until the control socket closes."""
        while True:
            data, files, _, _ = socket.recv_fds(self._control, MESSAGE_LIMIT, 2)
            self._zygotes = {pid for pid in self._zygotes if os.waitpid(pid, os.WNOHANG) == (0, 0)}
            if not data:
                break
            message = json.loads(data)
            if message["layers"] and not self._layers:
                self._import_from(message["layers"])
            pid = os.fork()
            if pid == 0:
                self._become(message, *files)
            self._zygotes.add(pid)
            for file in files:
                os.close(file)
        for pid in self._zygotes:
            os.kill(pid, signal.SIGTERM)
        for pid in self._zygotes:
            os.waitpid(pid, 0)

    def _import_from(self, layers: list[str]) -> None:
        before, self._layers = set(sys.modules), layers
        sys.path[:0] = layers
        import_all(self._missing, "in the layers")
        del sys.path[: len(layers)]
        self._from_layers = {name for name in set(sys.modules) - before if _within(sys.modules[name], layers)}

    def _become(self, message: dict[str, Any], control: int, log: int) -> None:
        """Turn this fork into a zygote; never returns."""
        code = 1
        try:
            os.setsid()
            os.chdir(message["folder"])
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.close(log)
            self._control.close()
            if message["layers"] != self._layers:
                for name in self._from_layers:
                    del sys.modules[name]
            self._zygote.Zygote(socket.socket(fileno=control), self._worker).serve()
            code = 0
        except BaseException:  # noqa: BLE001 - the process ends here, whyever
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)


def _within(module: Any, folders: list[str]) -> bool:
    file = getattr(module, "__file__", None) or ""
    return any(file.startswith(f"{folder}/") for folder in folders)


def main() -> None:
    """Serve the control socket given by its file descriptor."""
    settings = json.loads(sys.argv[2])
    sys.path += settings["path"]
    control = socket.socket(fileno=int(sys.argv[1]))
    missing = import_all(settings["preload"], "installed")
    if "boto3" in sys.modules:
        describe_services(sys.modules["boto3"])
    Nursery(control, missing).serve()


if __name__ == "__main__":
    main()
