"""`ionfleet local up`, `down` and `status`: clouds that outlive the command that starts them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from ionfleet_cli import terminal
from ionfleet_cli.deployment import connect
from ionfleet_cli.display import Display, display_on
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.local_cloud import synthesized
from ionfleet_cli.local_server import Wish
from ionfleet_cli.local_state import Endpoint, Place, logged_tail, places
from ionfleet_replay import ReplayError

LOOK = 0.05
"""Seconds between two looks at whether a cloud is up, or has ended."""

STARTING, STOPPING = 120.0, 300.0
"""Seconds that a cloud may take to come up, and to end: results may have to be written to where they are kept."""


def up(name: str, assembly: Path | None, workers: int | None, folder: Path | None, console: Console) -> Endpoint:
    """Start a cloud in the background, and print how to reach it once it is up.

    Raises
    ------
    UsageError
        One of the name is up, or the folder holds something.
    CommandError
        It did not come up; the message ends with what its process said.

    """
    display, place = display_on(console), Place(name)
    if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not an empty folder; give --folder one, or one that is still to be made.")
    with place.held():
        pass
    _clean_up(place, display)
    try:
        template = assembly.resolve() if assembly else synthesized(display)
    except ReplayError as error:
        raise CommandError(str(error)) from error
    began = time.monotonic()
    endpoint = _start(place, Wish(name, template, workers, None if folder is None else folder.resolve()))
    display.note(f"The local cloud {name!r} is up after {terminal.elapsed(time.monotonic() - began)}")
    display.note("Paste these lines into a shell, and the AWS command line and SDKs talk to it:\n")
    console.print(terminal.styled(exports(endpoint)))
    return endpoint


def down(name: str, console: Console) -> None:
    """End a cloud, and what it works on.

    Raises
    ------
    CommandError
        None of the name is up, or it does not end.

    """
    display, place = display_on(console), Place(name)
    endpoint = place.read()
    if not place.alive:
        stale = endpoint is not None
        _clean_up(place, display)
        if stale:
            return
        raise CommandError(f"No local cloud {name!r} is up.")
    if endpoint is None:
        raise CommandError(f"The local cloud {name!r} is starting or ending; try again in a moment.")
    os.kill(endpoint.pid, signal.SIGTERM)
    _await_end(place, endpoint.pid)
    kept = f"; its objects, logs and results are in {endpoint.folder}" if endpoint.kept else ""
    display.note(f"The local cloud {name!r} has ended{kept}")


def status(name: str | None, console: Console, *, variables: bool = False) -> bool:
    """Print which clouds are up and what they do, or with `variables` their environment alone; return whether any is.

    One whose process died without a word is said to be stale.
    """
    wanted = [Place(name)] if name is not None else places()
    found = [(place, place.read(), place.alive) for place in wanted]
    for place, endpoint, alive in found:
        if endpoint is None:
            continue
        if variables and alive:
            console.print(terminal.styled(exports(endpoint)))
        elif not variables:
            facts = (
                _facts(endpoint) if alive else {place.name: "stale: its process died; `ionfleet local up` cleans up"}
            )
            terminal.print_facts(facts, console)
    any_up = any(alive and endpoint is not None for _, endpoint, alive in found)
    if not any_up and not variables:
        console.print("No local cloud is up." if name is None else f"No local cloud {name!r} is up.")
    return any_up


def exports(endpoint: Endpoint) -> str:
    """Return lines for a shell that set what a client needs."""
    return "\n".join(f"export {key}={shlex.quote(value)}" for key, value in endpoint.environment().items())


def _start(place: Place, wish: Wish) -> Endpoint:
    """Start the process of a cloud and wait until it is up; whoever stops the waiting stops the process."""
    place.make()
    command = [sys.executable, "-m", "ionfleet_cli.local_server", *wish.arguments()]
    log = (os.POSIX_SPAWN_OPEN, 1, str(place.log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    files = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), log, (os.POSIX_SPAWN_DUP2, 1, 2)]
    # Not `subprocess`: the process is to outlive this one, which a Popen complains of.
    pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=files, setsid=True)
    try:
        return _await_start(place, pid)
    except BaseException:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        raise


def _await_start(place: Place, pid: int) -> Endpoint:
    deadline = time.monotonic() + STARTING
    while time.monotonic() < deadline:
        endpoint = place.read()
        if endpoint is not None and endpoint.pid == pid:
            return endpoint
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            raise CommandError(f"The local cloud {place.name!r} did not come up:\n{logged_tail(place)}")
        time.sleep(LOOK)
    raise CommandError(f"The local cloud {place.name!r} was not up after {STARTING:g} s; see {place.log}.")


def _await_end(place: Place, pid: int) -> None:
    deadline = time.monotonic() + STOPPING
    while place.alive:
        if time.monotonic() > deadline:
            raise CommandError(f"The process {pid} of {place.name!r} has not ended after {STOPPING:g} s; kill it.")
        time.sleep(LOOK)


def _clean_up(place: Place, display: Display) -> None:
    """Remove what a cloud left behind whose process died without a word."""
    endpoint = place.read()
    if endpoint is None or place.alive:
        return
    if not endpoint.kept:
        shutil.rmtree(endpoint.folder, ignore_errors=True)
    place.forget()
    left = f"; what it held is in {endpoint.folder}" if endpoint.kept else ""
    display.note(f"The local cloud {place.name!r} had died (process {endpoint.pid}): cleaned up{left}")


def _facts(endpoint: Endpoint) -> dict[str, str]:
    """Return what there is to say of a cloud that is up."""
    since = terminal.elapsed(time.time() - endpoint.started)
    return {
        endpoint.name: f"{endpoint.endpoint_url}, up for {since}, process {endpoint.pid}",
        "  input": f"s3://{endpoint.outputs['InputBucket']}/datasets/…",
        "  results": f"s3://{endpoint.outputs['ResultsBucket']}/results/…",
        "  jobs": _jobs(endpoint),
        "  folder": f"{endpoint.folder}{'' if endpoint.kept else ' (goes with the cloud)'}",
    }


def _jobs(endpoint: Endpoint) -> str:
    try:
        pages = connect(endpoint).client("stepfunctions").get_paginator("list_executions")
        found = pages.paginate(stateMachineArn=endpoint.outputs["StateMachineArn"])
        counts = Counter(each["status"] for page in found for each in page["executions"])
    except (BotoCoreError, ClientError) as error:
        return f"it does not answer: {error}"
    return ", ".join(f"{count:,} {state}" for state, count in sorted(counts.items())) or "none yet"
