"""The faults of a run: asked for by a seed, counted as they strike, told at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ionfleet_cli.display import Display
from ionfleet_replay import FaultInjected, Faults, Observation


class Injected:
    """What goes wrong in a run's cloud. `observe` passes on what it hears to `observer`."""

    def __init__(self, seed: int | None, observer: Callable[[Observation], None]) -> None:
        self.faults = None if seed is None else Faults(seed)
        self._observer = observer
        self._counts: Counter[str] = Counter()

    def observe(self, observation: Observation) -> None:
        """Count a fault."""
        if isinstance(observation, FaultInjected):
            self._counts[observation.kind] += 1
        self._observer(observation)

    @contextmanager
    def told(self, display: Display) -> Iterator[None]:
        """Tell what was injected while the block ran, however it ends."""
        try:
            yield
        finally:
            if self.faults is not None:
                counts = ", ".join(f"{count:,} × {kind}" for kind, count in sorted(self._counts.items()))
                display.note(f"Injected with seed {self.faults.seed}: {counts or 'nothing'}")
