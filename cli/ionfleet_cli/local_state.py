"""What is known on this machine of clouds that run in the background: one folder for each name, in the state folder."""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from pydantic import BaseModel, ConfigDict, ValidationError

from ionfleet_cli.failures import UsageError

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,39}")

LOOKING = 0.5
"""Seconds that others may hold a lock who only look whether it is held."""

ACCESS_KEY, SECRET_KEY = "local", "local"
"""What clients sign with: a local cloud takes whoever comes with credentials that it did not issue for its user."""


class Endpoint(BaseModel):
    """A cloud that runs in the background, as its process wrote it down: `started` in seconds since the epoch."""

    model_config = ConfigDict(frozen=True)

    name: str
    pid: int
    endpoint_url: str
    region: str
    stack: str
    folder: Path
    kept: bool
    started: float
    outputs: dict[str, str]

    def environment(self) -> dict[str, str]:
        """Return the variables with which any client of AWS finds this cloud and its buckets."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_REGION": self.region,
            "INPUT_BUCKET": self.outputs["InputBucket"],
            "RESULTS_BUCKET": self.outputs["ResultsBucket"],
            "STATE_MACHINE_ARN": self.outputs["StateMachineArn"],
        }


class Place:
    """The folder of the cloud of a name: its lock, what its process wrote down, and that process's output.

    The process holds the lock as long as it lives, whatever ends it: a document without the lock is stale.
    """

    def __init__(self, name: str) -> None:
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{name!r} cannot name a local cloud; use up to 40 letters, digits, - and _, a letter or digit first."
            )
        self.name = name
        self.folder = state_folder() / name
        self.log = self.folder / "log.txt"
        self._document = self.folder / "endpoint.json"
        self._lock = self.folder / "lock"

    def make(self) -> None:
        """Make the folder, for its owner alone."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock while the block runs, and leave nothing written down.

        Raises
        ------
        UsageError
            Another process holds it.

        """
        self.make()
        with self._lock.open("a") as file:
            if not _locked(file):
                raise UsageError(
                    f"The local cloud {self.name!r} is up already; use it, end it with `ionfleet local down --name "
                    f"{self.name}`, or start another with --name."
                )
            try:
                self.forget()
                yield
            finally:
                self.forget()

    @property
    def alive(self) -> bool:
        """Whether a process holds the lock."""
        try:
            with self._lock.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def write(self, endpoint: Endpoint) -> None:
        """Write a cloud down that is up, whole or not at all."""
        part = self._document.with_suffix(".part")
        part.write_text(endpoint.model_dump_json(indent=2))
        part.rename(self._document)

    def read(self) -> Endpoint | None:
        """Return what was written down, None where nothing (or nothing of this version) was."""
        with suppress(FileNotFoundError, ValidationError):
            return Endpoint.model_validate_json(self._document.read_bytes())
        return None

    def forget(self) -> None:
        """Remove what was written down."""
        self._document.unlink(missing_ok=True)


def _locked(file: IO[str]) -> bool:
    """Lock a file for this process alone, unless another holds it for longer than a look at it takes."""
    deadline = time.monotonic() + LOOKING
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOKING / 10)
        else:
            return True


def state_folder() -> Path:
    """Return the folder of all local clouds: in XDG_STATE_HOME, by default in ~/.local/state."""
    chosen = os.environ.get("XDG_STATE_HOME", "")
    # The specification of XDG has relative paths ignored.
    base = Path(chosen) if Path(chosen).is_absolute() else Path.home() / ".local" / "state"
    return base / "ionfleet" / "clouds"


def places() -> list[Place]:
    """Return the places of all names that ever had a cloud, by name."""
    folder = state_folder()
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [Place(each.name) for each in found if each.is_dir() and _NAME.fullmatch(each.name)]


def running() -> list[Endpoint]:
    """Return the clouds that are up, by name."""
    found = [place.read() for place in places() if place.alive]
    return [endpoint for endpoint in found if endpoint is not None]


def logged_tail(place: Place, lines: int = 15) -> str:
    """Return the last lines that a cloud's process wrote."""
    if not place.log.is_file():
        return ""
    return "\n".join(place.log.read_text(errors="replace").strip().splitlines()[-lines:])
