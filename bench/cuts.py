"""How the dollars and the time of a job change when it is cut otherwise than the planner cuts it.

For datasets of several sizes: the planner's cut, every other pair of sizes of the sort and the annotate function, and
tasks a quarter to four times as large. Estimated as `ionfleet estimate` does, at a cold start of every task.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

from scale import Imagined, deployed

from ionfleet.costs import in_dollars
from ionfleet.estimate import Deployment
from ionfleet.forecast import Forecast, cheapest, forecast

FACTORS = (0.25, 0.5, 2, 4)
"""Sizes of tasks, in those of the planner."""


def cuts(dataset: Imagined, deployment: Deployment) -> Iterator[tuple[str, Forecast]]:
    """Yield the planner's cut of a dataset and others, each with what it would take."""
    chosen, made = cheapest(deployment, dataset.cut_for)
    yield f"the planner's: {_sizes(chosen)}", made
    for sorting in deployment.choices("sort"):
        for other in sorting.choices("annotate"):
            if other != chosen:
                yield _sizes(other), forecast(dataset.cut_for(other), other, 1)
    facts = dataset.cut_for(chosen)
    sorted_by, weight = dataset.points / facts.sort_tasks, dataset.points + 30 * facts.ions
    for factor in FACTORS:
        tasks = replace(dataset, sort_task_peaks=int(sorted_by * factor))
        yield f"sort tasks × {factor:g}", forecast(tasks.cut_for(chosen), chosen, 1)
        tasks = replace(dataset, segment_peaks=int(weight / facts.annotate_tasks * factor))
        yield f"segments × {factor:g}", forecast(tasks.cut_for(chosen), chosen, 1)


def _sizes(deployment: Deployment) -> str:
    return " / ".join(f"{deployment.memory_mb[name]:,}" for name in ("sort", "annotate")) + " MB"


def main() -> None:
    """Weigh and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[0.78, 64, 1000], help="of the ibd")
    parser.add_argument("--formulas", type=int, default=11_592, help="of the databases (3 adducts, 20 decoys each)")
    parser.add_argument("--concurrency", type=int, default=900, help="context maxConcurrency of the deployment")
    arguments = parser.parse_args()
    deployment = deployed(arguments.concurrency, retention_days=1)
    print("| ibd | cut | sort tasks | segments | seconds | dollars | weight |\n|---|---|---|---|---|---|---|")
    for gigabytes in arguments.gigabytes:
        least = None
        for name, made in cuts(Imagined(gigabytes, arguments.formulas), deployment):
            least = least or made.weight
            tasks = [f"{made.stages[stage].tasks:,}" for stage in ("sort", "annotate")]
            figures = [f"{made.cloud_seconds:.0f}", in_dollars(made.cost.usd), f"{made.weight / least:.2f}"]
            print(f"| {gigabytes:g} GB | {' | '.join([name, *tasks, *figures])} |")


if __name__ == "__main__":
    main()
