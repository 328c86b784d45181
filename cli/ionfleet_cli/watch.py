"""Watches a cloud from outside: its observations as they come, its documents as often as it makes sense."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TypeVar

from ionfleet_cli.failures import CommandError
from ionfleet_cli.logs import last_error
from ionfleet_replay import AccessDecided, EventLost, ExecutionEnded, InvocationEnded, Observation

if TYPE_CHECKING:
    from ionfleet_replay import Cloud

Found = TypeVar("Found")

POLL = 0.5
"""Seconds between two looks at what is waited for while no function ends, each a call that the cloud has to answer."""

LONGEST_POLL = 1.0
"""Seconds between two looks where nothing tells of itself, after a while."""

REST_CHECK = 2.0
"""Seconds between two looks at whether the cloud does anything at all."""

PATIENCE = 10.0
"""Seconds after which nobody waits any longer for a message that failed to be tried again: that may take hours."""


NAMED_DENIALS = 5
"""Denied accesses that a failure names at most."""


class Waiting(Protocol):
    """Waits for what is to come about, in whatever way."""

    def wait(self, look: Callable[[], Found | None]) -> Found:
        """Return what `look` returns once that is not None."""


class Polling:
    """Waits by looking again and again, less often as time goes by: for clouds that tell nothing by themselves."""

    def wait(self, look: Callable[[], Found | None]) -> Found:
        """Return what `look` returns once that is not None."""
        pause = POLL
        while (found := look()) is None:
            time.sleep(pause)
            pause = min(pause * 1.25, LONGEST_POLL)
        return found


class Watch:
    """Waits for what a cloud is to bring about, and ends the wait where that will not come any more.

    `observe` is for the cloud to call; `heard` is what the waiting thread calls with each observation.
    """

    def __init__(self) -> None:
        self.heard: Callable[[Observation], None] = _ignore
        self._observations: SimpleQueue[Observation] = SimpleQueue()
        self._cloud: Cloud | None = None
        self._trouble: str | None = None
        self._denials: dict[str, None] = {}
        self._active = time.monotonic()

    def observe(self, observation: Observation) -> None:
        """Take an observation, in whatever thread it is made."""
        self._observations.put(observation)

    def attach(self, cloud: Cloud) -> None:
        """Say which cloud it is."""
        self._cloud = cloud

    def wait(self, look: Callable[[], Found | None]) -> Found:
        """Return what `look` returns once that is not None.

        Raises
        ------
        CommandError
            It will not come: the cloud is at rest, or only waits to try again what failed.
        ReplayError
            The local runtime broke.

        """
        self._active = checked = time.monotonic()
        while (found := look()) is None:
            self._listen(POLL)
            if time.monotonic() - checked > REST_CHECK:
                if self._stands_still() and look() is None:
                    raise CommandError(self._why())
                checked = time.monotonic()
        self._listen(0)
        return found

    @contextmanager
    def naming_denials(self) -> Iterator[None]:
        """Let a failure of the block name the accesses that the template's policies did not allow.

        Raises
        ------
        CommandError
            The block's, with what was denied since this watch began.

        """
        try:
            yield
        except CommandError as error:
            denied = [denial for denial in self.denials() if denial not in str(error)]
            if not denied:
                raise
            more = [f"and {len(denied) - NAMED_DENIALS} more"] if len(denied) > NAMED_DENIALS else []
            lines = [f"{error}", "Denied:", *denied[:NAMED_DENIALS], *more]
            raise CommandError("\n".join(lines), error.exit_code) from error

    def denials(self) -> list[str]:
        """Return what was denied until now, each once, in order."""
        self._listen(0)
        return list(self._denials)

    def _listen(self, seconds: float) -> None:
        """Hand over observations for some seconds, or until a function has ended and no more of them are there."""
        until = time.monotonic() + seconds
        ended = False
        try:
            while True:
                left = 0.0 if ended else until - time.monotonic()
                observation = self._observations.get(timeout=left) if left > 0 else self._observations.get_nowait()
                ended |= isinstance(observation, InvocationEnded | ExecutionEnded)
                self._take(observation)
        except Empty:
            return

    def _take(self, observation: Observation) -> None:
        if isinstance(observation, EventLost):
            self._trouble = f"An event for {observation.target} was lost: {observation.reason}"
        elif isinstance(observation, ExecutionEnded) and observation.status != "SUCCEEDED":
            self._trouble = f"{observation.error}: {observation.cause}"
        elif isinstance(observation, InvocationEnded) and observation.invocation.outcome != "ok":
            self._trouble = f"{observation.invocation.function}: {observation.invocation.outcome}"
        elif isinstance(observation, AccessDecided) and not observation.allowed:
            self._denials[str(observation)] = None
        self.heard(observation)

    def _stands_still(self) -> bool:
        """Tell whether nothing is under way, or for some time nothing but messages that failed before."""
        if self._cloud is None:
            return False
        from ionfleet_replay import Standing

        standing = self._cloud.standing()
        if standing is Standing.BUSY:
            self._active = time.monotonic()
            return False
        return standing is Standing.IDLE or time.monotonic() - self._active > PATIENCE

    def _why(self) -> str:
        logged = last_error(self._cloud.folder) if self._cloud is not None else None
        reason = logged or self._trouble or "No reason was found"
        return f"The run came to a standstill. {reason}. Run it again with --keep and look at the logs."


def _ignore(_observation: Observation) -> None:
    """Hear nothing."""
