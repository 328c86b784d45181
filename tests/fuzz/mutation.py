"""Changes to inputs that keep to their tokens: bytes changed one by one seldom leave XML, JSON or a table readable."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_TOKEN = re.compile(rb"<[^<>]*>|[A-Za-z0-9_.:+-]+|\s+|.", re.DOTALL)
MOST_CHANGES = 4


def mutate(data: bytes, longest: int, seed: int, words: Sequence[bytes]) -> bytes:
    """Return some input with a few runs of tokens left out, doubled, moved, or replaced by words of its format."""
    rng = random.Random(seed)
    tokens: list[bytes] = _TOKEN.findall(data)
    for _ in range(rng.randint(1, MOST_CHANGES)):
        start = rng.randint(0, len(tokens))
        stop = min(len(tokens), start + rng.choice((0, 1, 1, 2, 4, 16, 64)))
        part = tokens[start:stop]
        to = rng.randint(0, len(tokens))
        if rng.random() < 0.5:
            tokens[start:stop] = [rng.choice(words)]
        elif rng.random() < 0.5:
            tokens[to:to] = part
        else:
            del tokens[start:stop]
    return b"".join(tokens)[:longest]
