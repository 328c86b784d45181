"""False-discovery rates by target-decoy ranking (docs/annotation.md, False-discovery rate)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]

LEVELS = (0.05, 0.1, 0.2, 0.5)
"""The levels at which annotations are counted and shown."""


def ranking(
    targets: Float64, decoys: Float64, ratio: float, *, succession: bool = False, monotonic: bool = False
) -> Float64:
    """Return the estimated FDR of each target were its score the threshold.

    Parameters
    ----------
    targets, decoys
        Scores, higher is better; equal scores share one rank.
    ratio
        Decoys drawn for each target.
    succession
        Count one more target and one more decoy at every rank (rule of succession).
    monotonic
        Give no target a higher FDR than one with a lower score has.

    Returns
    -------
    float64[len(targets)]
        Not limited to 1; 1 where no target is counted.

    """
    ranks = np.unique(np.concatenate([targets, decoys]))
    target_count = _at_least(targets, ranks) + succession
    decoy_count = _at_least(decoys, ranks) + succession
    with np.errstate(divide="ignore", invalid="ignore"):
        fdr = np.where(target_count == 0, 1.0, decoy_count / ratio / target_count)
    if monotonic:
        fdr = np.minimum.accumulate(fdr)
    return fdr[np.searchsorted(ranks, targets)]


def _at_least(scores: Float64, ranks: Float64) -> npt.NDArray[np.int64]:
    """Count the scores that reach each rank."""
    return len(scores) - np.searchsorted(np.sort(scores), ranks, side="left")


def fdr_v3(targets: Float64, decoys: Float64, sample_size: int) -> Float64:
    """Return the FDR of targets of one modifier against all decoys of it, ranked once (METASPACE's analysis version 3).

    `decoys` has one score for every (target, decoy) pair that was scored, `sample_size` decoys were drawn per target.
    """
    return ranking(targets, decoys, sample_size, succession=True, monotonic=True)


def fdr_v1(targets: Float64, decoys: Float64) -> tuple[Float64, Float64]:
    """Return digitised and median FDR of targets of one modifier (the original method: Palmer et al. 2017).

    Parameters
    ----------
    targets
        float64[n] scores.
    decoys
        float64[m, k]: the scores of the i-th of k rankings in column i; NaN where a decoy was not scored.

    Returns
    -------
    (float64[n], float64[n])
        The lowest level of `LEVELS` that a target reaches (else 1), and the median over the k rankings.

    """
    curves = [ranking(targets, column[~np.isnan(column)], 1) for column in decoys.T]
    median = np.median(np.array(curves), axis=0) if len(targets) else np.empty(0)
    return digitise(targets, median), median


def digitise(scores: Float64, fdr: Float64) -> Float64:
    """Give each target the lowest level whose threshold, the lowest score with an FDR below the level, it reaches."""
    result = np.ones(len(scores))
    for level in reversed(LEVELS):
        passing = scores[fdr < level]
        if len(passing):
            result[scores >= passing.min()] = level
    return result
