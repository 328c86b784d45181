"""What this process asked of S3, counted for the telemetry of its invocations."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Requests made and bytes moved, retries included in the requests only."""

    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0

    def __sub__(self, earlier: Usage) -> Usage:
        """Return what came after `earlier`."""
        return Usage(
            self.requests - earlier.requests,
            self.bytes_in - earlier.bytes_in,
            self.bytes_out - earlier.bytes_out,
        )


class Meter:
    """Adds usage up; stores that share one may work in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = Usage()

    def add(self, requests: int = 0, bytes_in: int = 0, bytes_out: int = 0) -> None:
        """Count some more."""
        with self._lock:
            total = self._total
            self._total = Usage(total.requests + requests, total.bytes_in + bytes_in, total.bytes_out + bytes_out)

    def read(self) -> Usage:
        """Return the total so far."""
        with self._lock:
            return self._total
