"""The cloud of a run: its template synthesized, its folder made and removed, itself started and stopped."""

from __future__ import annotations

import os
import pkgutil
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ionfleet import stages
from ionfleet_cli import terminal
from ionfleet_cli.display import Display
from ionfleet_cli.failures import CommandError
from ionfleet_replay import Faults, Nursery, Observation, synthesize
from ionfleet_replay.sandbox import PRELOAD

if TYPE_CHECKING:
    from ionfleet_replay import Cloud

REPOSITORY = Path(__file__).resolve().parents[2]
"""Where the CDK app is: the package is installed from its sources."""

ON_DISK = "/var/tmp"  # noqa: S108 - the folder made there has a name that nobody can guess, and is its owner's
"""Where large temporary files go where nobody has chosen another place by TMPDIR."""

HANDLERS_NEED = (
    *PRELOAD,
    "aws_lambda_powertools.utilities.parser.models.event_bridge",
    "aws_lambda_powertools.utilities.parser.models.s3",
    "aws_lambda_powertools.utilities.parser.models.sqs",
    "aws_xray_sdk.core",
    "cpyMSpec",
    "encodings.idna",
    "numpy.ma",
    "numpy.random",
    "pyarrow.dataset",
    "ionfleet_aws.clients",
    *(f"ionfleet.stages.{module.name}" for module in pkgutil.iter_modules(stages.__path__)),
)
"""What functions would each import, but for what reads their variables meanwhile (`ionfleet_aws.observability`)."""

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def synthesized(display: Display) -> Path:
    """Return the assembly of this repository's template, written anew where its sources have changed.

    Raises
    ------
    CommandError
        The command was not installed from the repository.
    ReplayError
        The template cannot be synthesized.

    """
    app = REPOSITORY / "app.py"
    if not app.is_file():
        raise CommandError(f"There is no {app} to synthesize the template with; give --assembly a cdk.out.")
    began = time.monotonic()
    display.note("Synthesizing the template, unless that has been done")
    assembly = synthesize(app, REPOSITORY / "cdk.out" / "local")
    display.note(f"Template ready in {terminal.elapsed(time.monotonic() - began)}")
    return assembly


@contextmanager
def running_cloud(
    assembly: Path,
    observer: Callable[[Observation], None],
    workers: int | None,
    display: Display,
    *,
    keep: bool,
    faults: Faults | None = None,
    folder: Path | None = None,
) -> Iterator[Cloud]:
    """Run a cloud while the block runs; of its folder (by default a new one) nothing is left unless `keep`.

    Raises
    ------
    ReplayError
        The template cannot be brought up.

    """
    with _cloud_folder(display, folder, keep=keep) as place, Nursery(place, HANDLERS_NEED) as nursery:
        began = time.monotonic()
        # It imports moto, for as long as the nursery beside it takes for what the functions need.
        from ionfleet_replay import Cloud

        cloud = Cloud(
            assembly,
            place,
            observer=observer,
            workers=workers,
            nursery=nursery,
            keep_objects=keep,
            faults=faults,
        )
        cloud.start()
        try:
            display.note(f"Local cloud ready in {terminal.elapsed(time.monotonic() - began)}")
            yield cloud
        finally:
            with _signals_ignored():
                cloud.stop()


@contextmanager
def _cloud_folder(display: Display, chosen: Path | None, *, keep: bool) -> Iterator[Path]:
    folder = chosen or Path(tempfile.mkdtemp(prefix="ionfleet-cloud-", dir=_place()))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        if keep:
            display.note(f"The local cloud's folder is {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _place() -> str | None:
    """Return where the cloud's folder goes, None for the default: it holds objects, and /tmp may be memory."""
    chosen = "TMPDIR" in os.environ or not os.access(ON_DISK, os.W_OK)
    return None if chosen else ON_DISK


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Let nothing interrupt the block, which is short: stopping twice would leave processes behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
