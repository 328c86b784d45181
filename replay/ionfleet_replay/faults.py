"""Faults from a seed: what goes wrong in a cloud, so that one sees whether what it runs bears it.

Threads race, so what strikes is not the next number of one stream: each decision is a hash of the seed, the kind of
fault, what it would hit, and how often that came by.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Mapping
from enum import StrEnum

from ionfleet_replay.observations import FaultInjected, Observer

LONGEST_LATENCY = 0.05
"""Real seconds that a call is held up at most."""

LONGEST_DELAY = 900.0
"""Seconds on the cloud's clock that an event is held up at most."""


class Kind(StrEnum):
    """What can go wrong."""

    WORKER_KILLED = "worker killed"
    CALL_FAILED = "function call failed"
    CALL_THROTTLED = "function call throttled"
    CALL_UNANSWERED = "function's answer lost"
    SLOW_DOWN = "S3 503 SlowDown"
    INTERNAL_ERROR = "S3 500 InternalError"
    CONFLICT = "S3 409 ConditionalRequestConflict"
    THROTTLED = "API call throttled"
    CONNECTION_DROPPED = "connection dropped"
    DOWNLOAD_BROKEN = "download broken off"
    WRITE_UNANSWERED = "write's answer lost"
    LATENCY = "latency"
    EVENT_DUPLICATED = "event duplicated"
    EVENT_DELAYED = "event delayed"
    MESSAGE_DUPLICATED = "message delivered twice at once"
    MESSAGE_KEPT = "message delivered again"


RATES: Mapping[Kind, float] = {
    Kind.WORKER_KILLED: 0.01,
    Kind.CALL_FAILED: 0.03,
    Kind.CALL_THROTTLED: 0.03,
    Kind.CALL_UNANSWERED: 0.03,
    Kind.SLOW_DOWN: 0.004,
    Kind.INTERNAL_ERROR: 0.004,
    Kind.CONFLICT: 0.02,
    Kind.THROTTLED: 0.05,
    Kind.CONNECTION_DROPPED: 0.004,
    Kind.DOWNLOAD_BROKEN: 0.01,
    Kind.WRITE_UNANSWERED: 0.01,
    Kind.LATENCY: 0.05,
    Kind.EVENT_DUPLICATED: 0.15,
    Kind.EVENT_DELAYED: 0.15,
    Kind.MESSAGE_DUPLICATED: 0.1,
    Kind.MESSAGE_KEPT: 0.1,
}
"""How often each kind strikes where it could, on an ordinary day."""

STRENGTHS = (0.0, 1.0, 1.0, 5.0)
"""What a seed's weather makes of each rate, with equal chances."""


def weather(seed: int) -> dict[Kind, float]:
    """Return the rates of a seed: some kinds left out, some frequent, so that seeds differ in more than the moment."""
    return {
        kind: min(1.0, rate * STRENGTHS[int(_uniform(seed, "weather", kind) * len(STRENGTHS))])
        for kind, rate in RATES.items()
    }


class Faults:
    """Decides what strikes when, and tells of it. Safe in any thread.

    The same seed decides the same for the same calls. Names that a run makes up at random, and who comes first of
    several at one time, differ between runs, so that a run is repeated closely but not to the last fault.

    Parameters
    ----------
    seed
        What the decisions follow from.
    rates
        How often each kind strikes where it could, from 0 to 1; kinds left out never do. By default the seed's
        `weather`.
    """

    def __init__(self, seed: int, rates: Mapping[Kind, float] | None = None) -> None:
        self.seed = seed
        self._rates = weather(seed) if rates is None else rates
        self._lock = threading.Lock()
        self._met: Counter[tuple[Kind, str]] = Counter()
        self._observer: Observer | None = None

    @classmethod
    def none(cls) -> Faults:
        """Return faults that never strike."""
        return cls(0, {})

    def tell(self, observer: Observer) -> None:
        """Say who hears of each fault."""
        self._observer = observer

    def strike(self, kind: Kind, what: str) -> float | None:
        """Decide whether a fault strikes `what` this time.

        Returns
        -------
        float or None
            None where it does not; else a number 0 ≤ x < 1, equally distributed, for what is still to be chosen.
        """
        rate = self._rates.get(kind, 0.0)
        if not rate:
            return None
        with self._lock:
            self._met[kind, what] += 1
            number = self._met[kind, what]
        drawn = _uniform(self.seed, kind, what, number)
        if drawn >= rate:
            return None
        if self._observer is not None:
            self._observer(FaultInjected(kind, what))
        return drawn / rate


def _uniform(*parts: object) -> float:
    """Return a number 0 ≤ x < 1 that follows from the parts."""
    data = "\0".join(map(str, parts)).encode(errors="surrogatepass")
    number = int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")
    return (number >> 11) / 2.0**53  # as many bits as a float keeps
