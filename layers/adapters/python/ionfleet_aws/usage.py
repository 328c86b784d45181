"""What this process asked of S3, counted for the telemetry of its invocations."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Requests made and bytes moved, retries included in the requests only.

    `reads` are GET and HEAD, `writes` PUT, POST and LIST, for which S3 charges twelve times as much.
    """

    reads: int = 0
    writes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def __sub__(self, earlier: Usage) -> Usage:
        """Return what came after `earlier`."""
        return Usage(
            self.reads - earlier.reads,
            self.writes - earlier.writes,
            self.bytes_in - earlier.bytes_in,
            self.bytes_out - earlier.bytes_out,
        )


class Meter:
    """Adds usage up; stores that share one may work in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = Usage()

    def add(self, more: Usage) -> None:
        """Count some more."""
        with self._lock:
            total = self._total
            self._total = Usage(
                total.reads + more.reads,
                total.writes + more.writes,
                total.bytes_in + more.bytes_in,
                total.bytes_out + more.bytes_out,
            )

    def read(self) -> Usage:
        """Return the total so far."""
        with self._lock:
            return self._total
