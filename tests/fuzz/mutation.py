"""Changes to inputs that keep to their tokens: bytes changed one by one seldom leave XML, JSON or a table readable."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

_TOKENS = (re.compile(rb"<[^<>]*>|[^<>]+|.", re.DOTALL), re.compile(rb"[A-Za-z0-9_.:+-]+|\s+|.", re.DOTALL))
"""Tags and what is between them; words and what is between them."""
MOST_CHANGES = 4


def mutate(data: bytes, longest: int, seed: int, words: Sequence[bytes]) -> bytes:
    """Return an input with some runs of tokens left out, copied elsewhere, or replaced by words, here or everywhere."""
    rng = random.Random(seed)
    tokens: list[bytes] = rng.choice(_TOKENS).findall(data)
    for _ in range(rng.randint(1, MOST_CHANGES)):
        start = rng.randint(0, len(tokens))
        stop = min(len(tokens), start + rng.choice((0, 1, 1, 2, 4, 16, 64)))
        part = tokens[start:stop]
        to = rng.randint(0, len(tokens))
        change = rng.randrange(4)
        if change == 0:
            tokens[start:stop] = [rng.choice(words)]
        elif change == 1:
            tokens[to:to] = part
        elif change == 2:
            del tokens[start:stop]
        elif part:  # what has to agree in several places is changed in all of them
            word = rng.choice(words)
            tokens = [word if token == part[0] else token for token in tokens]
    return b"".join(tokens)[:longest]
