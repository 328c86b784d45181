"""How fast the machine is at the moment: shared ones change by half within minutes, and CPU seconds with them."""

from __future__ import annotations

import time

import numpy as np

ROUNDS = 3


def probe() -> float:
    """Return the CPU seconds that a fixed piece of work takes now, half of it Python's and half NumPy's: the median."""
    values = np.random.default_rng(0).random(2_000_000)
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        np.argsort(values, kind="stable")
        total = 0
        for number in range(4_000_000):
            total += number
        taken.append(time.process_time() - began)
    return sorted(taken)[ROUNDS // 2]
