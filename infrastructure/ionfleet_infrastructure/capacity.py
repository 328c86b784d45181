"""How a deployment's concurrency is shared out, so that all jobs together never run more functions at once.

Each function reserves its share: Lambda runs no more of it at once, and no other function can take its share away.
Where nothing is reserved, the stages of a job, which come one after the other, may each have what all of them have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """What one function gets: so many in any case, and a percentage of what is left then."""

    percent: int
    least: int = 1


SHARES: Mapping[str, Share] = {
    "planner": Share(2, least=2),  # Lambda polls a queue for two invocations at least
    "launcher": Share(1, least=2),
    "sort": Share(25, least=3),  # a function of each size
    "isotopes": Share(12),
    "partition": Share(2),
    "annotate": Share(40, least=3),
    "merge": Share(2),
    "render": Share(14),
    "status": Share(2, least=5),  # two queues, and one invocation for executions that end
}
"""The shares by function. What runs in maps gets most of it, by how much of a job's time it takes."""

SMALLEST = sum(share.least for share in SHARES.values())
"""The smallest total that can be shared out."""

LARGEST = 20_000
"""The largest total: of more, a map would get more than the 10,000 children that Step Functions runs at once."""


LARGER_PART = 4
"""Each larger size of a function gets a quarter of its share, the ordinary one the rest."""


def by_size(share: int, sizes: int) -> tuple[int, ...]:
    """Return the concurrency of each size of a function, the ordinary one first, out of the function's share."""
    larger = max(1, share // LARGER_PART)
    return (share - (sizes - 1) * larger, *[larger] * (sizes - 1))


def share_out(total: int) -> dict[str, int]:
    """Return the concurrency of each function, by name; their sum is at most `total`, from `SMALLEST` to `LARGEST`."""
    spare = total - SMALLEST
    return {name: share.least + spare * share.percent // 100 for name, share in SHARES.items()}


IN_MAPS = ("sort", "isotopes", "annotate", "render")
"""Functions that run in the maps of a job, the first two at the same time."""

WIDEST = 10_000
"""Children that a map runs at once at most."""


def share_in_turn(total: int) -> dict[str, int]:
    """Return how many of each function one job may run at once, by name, where its stages use the same `total` in turn.

    Functions that are in no map keep their shares, and so does isotopes, which runs while sort does.
    """
    shares = share_out(total)
    rest = total - sum(share for name, share in shares.items() if name not in IN_MAPS)
    in_turn = {"annotate": rest, "render": rest, "sort": rest - shares["isotopes"]}
    return shares | {name: min(WIDEST, share) for name, share in in_turn.items()}
