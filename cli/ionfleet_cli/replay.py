"""`ionfleet replay`: recorded events sent into a local cloud, and what each of them led to."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from ionfleet.uploads import CONFIGURATION, DATASETS
from ionfleet_cli.buckets import Bucket, Buckets
from ionfleet_cli.display import Display, display_on
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.local_cloud import running_cloud, synthesized
from ionfleet_cli.local_files import LocalDataset, find_dataset
from ionfleet_replay import (
    Cloud,
    DeadLetter,
    EventLost,
    ExecutionEnded,
    InvocationEnded,
    Observation,
    Recorded,
    RecordingError,
    ReplayError,
    RuleMatched,
    read_recording,
)

PATIENCE = 24 * 3600.0
"""Seconds that what an event leads to may take."""


@dataclass(frozen=True)
class Replay:
    """Which events to send, in which order, and how often; with a dataset, what they speak of is there."""

    events: tuple[Path, ...]
    dataset: Path | None = None
    shuffle: int | None = None
    twice: bool = False

    def read(self) -> list[Recorded]:
        """Return the events in the order in which they are to be sent.

        Raises
        ------
        RecordingError
            A file is no recorded event.

        """
        found = [recorded for path in self.events for recorded in read_recording(path.read_bytes(), str(path))]
        ordered = [recorded for recorded in found for _ in range(2 if self.twice else 1)]
        if self.shuffle is not None:
            random.Random(self.shuffle).shuffle(ordered)  # noqa: S311 - an order, not a secret
        return ordered


class _Document(BaseModel):
    """What status documents have in common."""

    model_config = ConfigDict(extra="ignore")

    state: str
    error: str | None = None
    message: str | None = None
    waiting_for: str | None = None


def replay_events(replay: Replay, assembly: Path | None, workers: int | None, console: Console, *, keep: bool) -> None:
    """Send events into a cloud of their own, each once what the one before led to is over, and print what happened.

    Raises
    ------
    CommandError
        An event cannot be sent, or the cloud broke.

    """
    display = display_on(console)
    seen: SimpleQueue[Observation] = SimpleQueue()
    try:
        recordings = replay.read()
        dataset = None if replay.dataset is None else find_dataset(replay.dataset)
        template = assembly.resolve() if assembly else synthesized(display)
        with running_cloud(template, seen.put, workers, display, keep=keep) as cloud:
            if dataset is not None:
                _place(cloud, dataset, recordings)
            for number, recorded in enumerate(recordings, start=1):
                display.note(f"{number}. {recorded.title}")
                _send(cloud, recorded, seen, display)
    except RecordingError as error:
        raise UsageError(str(error)) from error
    except ReplayError as error:
        raise CommandError(str(error)) from error


def _place(cloud: Cloud, dataset: LocalDataset, recordings: Sequence[Recorded]) -> None:
    """Put a dataset where the events say that it is, without events of its own."""
    keys = [recorded.key for recorded in recordings if recorded.key is not None]
    stems = {key.rpartition(".")[0] for key in keys if _is_dataset(key)}
    if not stems:
        raise UsageError("--dataset is given, but no event is about a file of a dataset: leave it out.")
    bucket = Buckets.of(cloud).input
    with cloud.silence():
        for stem in stems:
            if dataset.configuration is not None:
                bucket.upload(f"{stem}.{CONFIGURATION}", dataset.configuration)
            bucket.upload(f"{stem}.ibd", dataset.ibd)
            bucket.upload(f"{stem}.imzML", dataset.imzml)


def _send(cloud: Cloud, recorded: Recorded, seen: SimpleQueue[Observation], display: Display) -> None:
    """Send one event, wait until nothing follows from it any more, and tell what did."""
    results = Buckets.of(cloud).results
    before = _documents(results)
    event = cloud.replay(recorded)
    cloud.wait_idle(PATIENCE)
    for line in (*_told(event, _drained(seen)), *_changes(before, _documents(results))):
        display.note(f"   {line}")


def _told(event: str, observations: Sequence[Observation]) -> Iterator[str]:
    """Yield what observations say about what an event led to."""
    rules = [seen for seen in observations if isinstance(seen, RuleMatched) and seen.event == event]
    for rule in rules:
        targets = ", ".join(_short(target.rpartition(":")[2]) for target in rule.targets)
        yield f"rule {_short(rule.rule.rpartition('/')[2])} → {targets}"
    ended = (seen.invocation for seen in observations if isinstance(seen, InvocationEnded))
    counts = Counter((invocation.function, invocation.outcome) for invocation in ended)
    if not rules and not counts:
        yield "no rule matches"
    for (function, outcome), count in counts.items():
        yield f"{function}: {outcome}" + (f" ({count:,} times)" if count > 1 else "")
    for seen in observations:
        if isinstance(seen, ExecutionEnded):
            yield f"execution {seen.execution}: {seen.status}"
        elif isinstance(seen, DeadLetter):
            yield f"dead letter in {_short(seen.queue)}"
        elif isinstance(seen, EventLost):
            yield f"event for {seen.target} lost: {seen.reason}"


def _short(name: str) -> str:
    """Return a resource's name without what is made up at its end."""
    return name.rpartition("-")[0] or name


def _changes(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what the status documents say that are new or changed."""
    for key in sorted(after):
        if after[key] != before.get(key):
            document = _Document.model_validate_json(after[key])
            reason = document.message or (document.waiting_for and f"for {document.waiting_for}")
            said = (document.state, document.error, reason)
            yield f"{key}: {', '.join(filter(None, said))}"


def _documents(results: Bucket) -> dict[str, bytes]:
    keys = [key for key in results.keys("") if key.endswith("/status.json")]
    return {key: results.get(key) or b"" for key in keys}


def _drained(seen: SimpleQueue[Observation]) -> list[Observation]:
    observations = []
    try:
        while True:
            observations.append(seen.get_nowait())
    except Empty:
        return observations


def _is_dataset(key: str) -> bool:
    return key.startswith(DATASETS) and key.lower().endswith((".imzml", ".ibd"))
