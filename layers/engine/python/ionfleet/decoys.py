"""Decoy adducts and the random draws that pair them with targets (docs/annotation.md, Targets and decoys)."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ionfleet.elements import DECOY_ELEMENTS

SEED = 42
"""Seed of the draws, METASPACE's: the same database gets the same decoys there and here."""


def decoy_candidates(
    adducts: Collection[str], neutral_losses: Collection[str], chemical_modifications: Collection[str]
) -> list[str]:
    """Return the adducts that decoys are drawn from: those of the decoy elements that the targets do not have.

    Examples
    --------
    >>> decoy_candidates(["+H", "+Na"], [], [])[:3]
    ['+He', '+Li', '+Be']

    """
    taken = {*adducts, *neutral_losses, *chemical_modifications}
    return [f"+{element}" for element in DECOY_ELEMENTS if f"+{element}" not in taken]


@lru_cache(maxsize=2)
def draw_decoys(draws: int, n_candidates: int, sample_size: int, first: int = 0) -> NDArray[np.uint8]:
    """Return the candidates that draws `first` ≤ i < `draws` take, as indices of shape (draws - first, sample).

    A draw shuffles the whole list of candidates and takes its beginning: `sample_size` candidates, or all of them where
    there are fewer. It depends on nothing but its position i and the number of candidates. What was drawn last is
    remembered, and cannot be written to.
    """
    # The legacy generator, whose stream NumPy keeps for good; its shuffle of a list spends the stream in another way
    # than that of an array, hence the list.
    random = np.random.RandomState(SEED)
    candidates = list(range(n_candidates))
    taken = np.empty((max(0, draws - first), min(sample_size, n_candidates)), dtype=np.uint8)
    for draw in range(draws):
        shuffled = candidates.copy()
        random.shuffle(shuffled)
        if draw >= first:
            taken[draw - first] = shuffled[: taken.shape[1]]
    taken.flags.writeable = False
    return taken
