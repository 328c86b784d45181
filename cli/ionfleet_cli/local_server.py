"""The process of a cloud in the background: `python -m ionfleet_cli.local_server NAME ASSEMBLY WORKERS FOLDER`.

It is what `ionfleet local up` starts. It writes itself down once it is up, and ends when it is asked to by a signal.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ionfleet_cli.buckets import Buckets
from ionfleet_cli.display import LineDisplay
from ionfleet_cli.failures import CommandError, error_boundary
from ionfleet_cli.local_cloud import STOP_SIGNALS, running_cloud
from ionfleet_cli.local_state import Endpoint, Place
from ionfleet_cli.results import relative
from ionfleet_replay import Cloud, Observation, ReplayError

LOOK = 30.0
"""Seconds between two looks at whether the runtime still works."""

NOTHING = "-"
"""Stands for an argument that is not given."""

RESULTS = "results-bucket"
"""Where in a kept folder the objects of the results bucket go, by their keys."""


@dataclass(frozen=True)
class Wish:
    """What a cloud is to be: `folder` is kept when it ends, None for one that goes with it."""

    name: str
    assembly: Path
    workers: int | None = None
    folder: Path | None = None

    def arguments(self) -> list[str]:
        """Return the command line that says so."""
        return [self.name, str(self.assembly), str(self.workers or NOTHING), str(self.folder or NOTHING)]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> Wish:
        """Return what a command line says."""
        name, assembly, workers, folder = arguments
        return cls(
            name,
            Path(assembly),
            None if workers == NOTHING else int(workers),
            None if folder == NOTHING else Path(folder),
        )


def serve(wish: Wish, ended: threading.Event) -> None:
    """Run a cloud until `ended` is set.

    Raises
    ------
    UsageError
        A cloud of the name is up.
    ReplayError
        The template cannot be brought up, or the runtime broke.

    """
    place = Place(wish.name)
    display = LineDisplay(Console(file=sys.stdout, highlight=False, soft_wrap=True))
    with place.held():
        own = place.folder / "assembly"
        # The one it was synthesized to is replaced with the next change of the sources.
        shutil.rmtree(own, ignore_errors=True)
        shutil.copytree(wish.assembly, own)
        keep = wish.folder is not None
        with running_cloud(own, _ignore, wish.workers, display, keep=keep, folder=wish.folder) as cloud:
            place.write(_endpoint(wish, cloud))
            try:
                while not ended.wait(LOOK):
                    cloud.standing()
            finally:
                # Nobody is to find the cloud while it ends.
                place.forget()
                if wish.folder is not None:
                    _keep_results(cloud, wish.folder / RESULTS)
        shutil.rmtree(own, ignore_errors=True)


def _endpoint(wish: Wish, cloud: Cloud) -> Endpoint:
    return Endpoint(
        name=wish.name,
        pid=os.getpid(),
        endpoint_url=cloud.endpoint_url,
        region=cloud.region,
        stack=cloud.stack_name,
        folder=cloud.folder,
        kept=wish.folder is not None,
        started=time.time(),
        outputs=cloud.outputs,
    )


def _keep_results(cloud: Cloud, folder: Path) -> None:
    """Write the objects of the results bucket as files named by their keys."""
    results = Buckets.of(cloud).results
    for key in results.keys(""):
        target = folder / relative(key, "")
        target.parent.mkdir(parents=True, exist_ok=True)
        results.download(key, target)


def _ignore(_observation: Observation) -> None:
    """Hear nothing: who wants to know asks the API."""


def main() -> None:
    """Run the cloud that the command line of this process asks for."""
    # As in `main`: the interpreter's last collection would outlast the stopping of the cloud.
    atexit.register(gc.freeze)
    # No folder of the user's is to be held by a process that they do not see.
    os.chdir("/")
    ended = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: ended.set())
    with error_boundary(debug=True, stoppable=False):
        try:
            serve(Wish.parse(sys.argv[1:]), ended)
        except ReplayError as error:
            raise CommandError(str(error)) from error


if __name__ == "__main__":
    main()
