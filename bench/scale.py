"""How long jobs of any size would take in the cloud, and at what cost: a simulation of what its services allow.

The planner's own functions cut the work of an imagined dataset; what a task needs follows from the calibration
(`ionfleet.coefficients`) and from Lambda as it is assumed to be (`ionfleet.estimate.LAMBDA`). Every invocation is an
event: it waits for its start, for a function to be free and for its turn with S3, takes longer or less long by chance,
fails now and then and is tried again. Everything random follows from a seed.
"""

from __future__ import annotations

import argparse
import heapq
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ionfleet.colocalization import most_compared
from ionfleet.costs import STATES, JobCost, count_transitions, in_dollars, price_stages
from ionfleet.estimate import (
    LAMBDA,
    Deployment,
    Machine,
    PlanFacts,
    Work,
    drivers,
    expect_unseen,
    expected,
    function_of,
    work_of,
)
from ionfleet.forecast import CONCURRENT, cheapest
from ionfleet.identity import RUN_PREFIXES
from ionfleet.planning import ISOTOPE_TASK_FORMULAS, cut_range, cut_spectra, expected_segments, render_task_ions
from ionfleet.telemetry import StageUse, init_ms
from ionfleet_cli.estimate import deployment_of
from ionfleet_cli.local_cloud import REPOSITORY
from ionfleet_infrastructure.node import use_installed_node
from ionfleet_infrastructure.synthesis import make_app

POINT_BYTES = 12
"""Of an ibd: m/z in 8, an intensity in 4."""

IMZML_BYTES = 2_280
"""Of an imzML for each spectrum, as the simulator writes them."""

PEAKS, PPM = 4, 3.0
"""Of an isotope pattern, and the half width of the window around each."""

ORDER = ("plan", "launch", "sort", "isotopes", "partition", "annotate", "merge", "render", "publish")


@dataclass(frozen=True)
class Limits:
    """What the services allow, and how they fail.

    Attributes
    ----------
    child_starts
        Executions that a distributed map begins in a second.
    transitions, transition_burst
        State transitions of the account in a second, and how many more it may save up.
    lambda_burst, lambda_ramp_seconds
        Environments that a function may have at once, and the time after which it may have as many more.
    run_prefixes
        Prefixes of sorted runs that S3 serves apart: all, once load has made it divide them, or 1 in a new bucket.
    writes
        Requests to one prefix of S3 in a second.
    item_seconds
        From a child's start to the call of its function.
    spread
        Standard deviation of the logarithm of a task's time.
    failures
        Share of invocations that are lost, somewhere on their way, and tried again.

    """

    child_starts: float = 300
    transitions: float = 1_500
    transition_burst: float = 5_000
    lambda_burst: int = 1_000
    lambda_ramp_seconds: float = 10
    run_prefixes: int = RUN_PREFIXES
    writes: float = 3_500
    item_seconds: float = 0.15
    spread: float = 0.15
    failures: float = 0.002


@dataclass
class Bucket:
    """A token bucket: so many a second, and at most `burst` saved up."""

    rate: float
    burst: float
    empty_at: float = -math.inf

    def take(self, now: float, number: float) -> float:
        """Return when `number` tokens that are asked for now have all been given out."""
        self.empty_at = max(self.empty_at, now - self.burst / self.rate) + number / self.rate
        return max(now, self.empty_at)


@dataclass(frozen=True)
class Need:
    """What one task needs: seconds of work, requests."""

    work: Work
    reads: float
    writes: float


@dataclass
class Account:
    """What the invocations of a stage came to."""

    ended: float
    invocations: int = 0
    cold: int = 0
    billed: float = 0.0
    failed: int = 0


class Stage:
    """A stage of a job: its tasks, one after the other called as soon as everything allows it."""

    def __init__(self, name: str, need: Need, width: int, limits: Limits, rng: np.random.Generator) -> None:
        self._need, self._width, self._limits, self._rng = need, width, limits, rng
        self._init = init_ms(name) / 1000
        reads = LAMBDA.prefix_reads_per_second * (limits.run_prefixes if name == "annotate" else 1)
        self._reads, self._writes = Bucket(reads, reads), Bucket(limits.writes, limits.writes)
        self._free: list[float] = []

    def run(self, begin: float, tasks: int) -> Account:
        """Run so many tasks from a time on."""
        limits, account = self._limits, Account(begin)
        starts = Bucket(limits.child_starts, 1)
        transitions = Bucket(limits.transitions, limits.transition_burst)
        waiting = []
        for task in range(tasks):
            child = transitions.take(starts.take(begin, 1), 2)
            waiting.append((child + limits.item_seconds, task, 1))
        heapq.heapify(waiting)
        while waiting:
            ready, task, attempt = heapq.heappop(waiting)
            ended, failed = self._invoke(ready, begin, account)
            if failed:
                pause = self._rng.uniform(0, min(60, 2**attempt))
                heapq.heappush(waiting, (ended + pause, task, attempt + 1))
            account.ended = max(account.ended, ended)
        return account

    def _invoke(self, ready: float, begin: float, account: Account) -> tuple[float, bool]:
        """Call the function when one is free; return when that ended and whether it was lost."""
        start, cold = self._environment(ready, begin)
        work = start + (self._init if cold else 0)
        need, chance = self._need, self._rng.lognormal(0, self._limits.spread)
        served = max(self._reads.take(work, need.reads), self._writes.take(work, need.writes))
        ended = max(work + need.work.seconds * chance, served)
        failed = bool(self._rng.random() < self._limits.failures)
        if failed:
            ended = work + (ended - work) * self._rng.random()
        heapq.heappush(self._free, ended)
        account.invocations += 1
        account.cold += cold
        account.failed += failed
        account.billed += ended - start
        return ended, failed

    def _environment(self, ready: float, begin: float) -> tuple[float, bool]:
        """Return from when on an environment can be had, and whether it is a new one."""
        if self._free and self._free[0] <= ready:
            heapq.heappop(self._free)
            return ready, False
        limits, there = self._limits, len(self._free)
        if there < self._width:
            ramps = max(0, math.ceil((there + 1) / limits.lambda_burst) - 1)
            return max(ready, begin + ramps * limits.lambda_ramp_seconds), True
        return max(ready, heapq.heappop(self._free)), False


@dataclass(frozen=True)
class Result:
    """A simulated job: how many tasks each stage had, how long it took (s), what all of it cost."""

    facts: PlanFacts
    needs: Mapping[str, Need]
    tasks: Mapping[str, int]
    seconds: Mapping[str, float]
    cost: JobCost

    @property
    def total(self) -> float:
        """From the upload to the published results."""
        both = max(self.seconds[stage] for stage in CONCURRENT)
        return both + sum(seconds for stage, seconds in self.seconds.items() if stage not in CONCURRENT)


@dataclass(frozen=True)
class Imagined:
    """A dataset of so many gigabytes (10**9 bytes of ibd), and the number of formulas it is annotated with.

    Larger datasets have more spectra, of more peaks each: 100,000 of 1,700 in 2 GB, 4 million of 21,000 in 1 TB. The
    sizes of tasks are the planner's, unless they are given.
    """

    gigabytes: float
    formulas: int
    sort_task_peaks: int | None = None
    segment_peaks: int | None = None

    @property
    def points(self) -> int:
        """Peaks."""
        return int(self.gigabytes * 1e9 / POINT_BYTES)

    @property
    def spectra(self) -> int:
        """Measured pixels."""
        return min(int(2_250 * math.sqrt(self.points / 1e5)) + self.points // 25_000, 4_000_000)

    def cut_for(self, deployment: Deployment) -> PlanFacts:
        """Return what the planner would know, and how it would cut the work."""
        points, spectra = self.points, self.spectra
        ions, targets, pixels = self.formulas * 23, self.formulas * 3, spectra * 10 // 9
        lengths = np.full(spectra, points // spectra, np.int64)
        sort_tasks = len(cut_spectra(lengths, deployment.memory_mb["sort"], self.sort_task_peaks))
        chunks = len(cut_range(self.formulas, ISOTOPE_TASK_FORMULAS))
        annotate_mb = deployment.memory_mb["annotate"]
        expectation = expect_unseen(points, spectra, ions, targets, peaks=PEAKS, ppm=PPM)
        return PlanFacts(
            imzml_bytes=spectra * IMZML_BYTES,
            spectra=spectra,
            points=points,
            pixels=pixels,
            formulas=self.formulas,
            ions=ions,
            targets=targets,
            sort_points=points,
            sort_tasks=sort_tasks,
            isotope_ions=ions,
            isotope_tasks=chunks,
            runs=sort_tasks,
            chunks=chunks,
            annotate_tasks=expected_segments(
                points, ions, spectra, annotate_mb, self.segment_peaks, expectation.span, PEAKS
            ),
            hits=expectation.hits,
            span=expectation.span,
            shown=expectation.shown,
            compared=min(expectation.shown, most_compared(pixels)),
            render_tasks=math.ceil(expectation.shown / render_task_ions(pixels)),
            peaks=PEAKS,
        )


def need_of(stage: str, used: Mapping[str, float], tasks: int, memory_mb: int, machine: Machine) -> Need:
    """Return what each of so many tasks needs that use the quantities of the calibration together."""
    each = {quantity: value / tasks for quantity, value in used.items()}
    return Need(work_of(stage, 1, each, memory_mb, machine), each["reads"], each["writes"])


def simulate(facts: PlanFacts, deployment: Deployment, limits: Limits, seed: int, machine: Machine = LAMBDA) -> Result:
    """Run a job from its upload to its results."""
    rng = np.random.default_rng(seed)
    uses: dict[str, StageUse] = {}
    seconds: dict[str, float] = {}
    needs: dict[str, Need] = {}
    tasks: dict[str, int] = {}
    for stage, counts in sorted(drivers(facts).items(), key=lambda item: ORDER.index(item[0])):
        used, memory = expected(stage, counts), deployment.memory_mb[function_of(stage)]
        tasks[stage] = int(counts["tasks"])
        needs[stage] = need_of(stage, used, tasks[stage], memory, machine)
        width = deployment.concurrency[function_of(stage)]
        account = Stage(stage, needs[stage], width, limits, rng).run(machine.stage_seconds, tasks[stage])
        seconds[stage] = account.ended
        uses[stage] = _use(account, used, memory)
    transitions = count_transitions(STATES.keys() - {"report"}, uses)
    return Result(facts, needs, tasks, seconds, price_stages(uses, transitions, deployment.retention_days))


def _use(account: Account, used: Mapping[str, float], memory_mb: int) -> StageUse:
    again = account.invocations / (account.invocations - account.failed)
    return StageUse(
        invocations=account.invocations,
        cold_starts=account.cold,
        billed_seconds=account.billed,
        gb_seconds=account.billed * memory_mb / 1024,
        peak_mb=math.ceil(used["peak_mb"]),
        bytes_in=math.ceil(used["bytes_in"] * again),
        bytes_out=math.ceil(used["bytes_out"]),
        reads=math.ceil(used["reads"] * again),
        writes=math.ceil(used["writes"] * again),
        cpu_seconds=used["cpu_seconds"] * again,
    )


def show(gigabytes: float, deployment: Deployment, result: Result) -> None:
    """Print a row of the table, and what its longest stage waits for."""
    seconds, facts, dollars = result.seconds, result.facts, result.cost.dollars
    cells = [
        f"{gigabytes:g} GB",
        f"{facts.spectra:,}",
        *(f"{result.tasks[stage]:,} × {deployment.memory_mb[stage]:,} MB" for stage in ("sort", "annotate")),
        *(f"{seconds[stage]:.0f}" for stage in ORDER if stage not in ("launch", "publish")),
        f"**{result.total:.0f}**",
        *map(in_dollars, (dollars.compute, dollars.requests, dollars.transitions + dollars.logs)),
        f"**{in_dollars(dollars.total - dollars.storage)}**",
        in_dollars(dollars.storage),
        limit_of(result),
    ]
    print(f"| {' | '.join(cells)} |")


def limit_of(result: Result) -> str:
    """Say which stage takes longest, and what a task of it does most of the time."""
    stage = max(result.seconds, key=result.seconds.__getitem__)
    work = result.needs[stage].work
    parts = {"computing": work.computing, "waiting for S3": work.waiting, "moving bytes": work.moving}
    what = max(parts, key=parts.__getitem__)
    return f"{stage}: {what}, {parts[what]:.0f} of {work.seconds:.0f} s a task"


def deployed(concurrency: int, retention_days: int, *, reserve: bool = True) -> Deployment:
    """Return what the planner of a deployment with these settings plans for."""
    context = {"maxConcurrency": concurrency, "workRetentionDays": retention_days}
    context |= {"reserveConcurrency": str(reserve).lower()}
    with tempfile.TemporaryDirectory() as folder:
        use_installed_node()
        make_app(REPOSITORY, Path(folder), context=context).synth()
        return deployment_of(Path(folder))


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, nargs="+", default=[2, 20, 64, 1000], help="of the ibd")
    parser.add_argument("--formulas", type=int, default=11_592, help="of the databases (3 adducts, 20 decoys each)")
    parser.add_argument("--concurrency", type=int, default=900, help="context maxConcurrency of the deployment")
    parser.add_argument("--in-turn", action="store_true", help="context reserveConcurrency=false")
    parser.add_argument("--retention-days", type=int, default=1, help="context workRetentionDays")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--failures", type=float, default=Limits.failures, help="share of invocations that are lost")
    parser.add_argument(
        "--request-seconds", type=float, default=LAMBDA.request_seconds, help="that a request to S3 takes a task"
    )
    parser.add_argument("--run-prefixes", type=int, default=Limits.run_prefixes, help="of runs that S3 serves apart")
    arguments = parser.parse_args()
    machine = replace(LAMBDA, request_seconds=arguments.request_seconds)
    deployment = deployed(arguments.concurrency, arguments.retention_days, reserve=not arguments.in_turn)
    limits = replace(Limits(), failures=arguments.failures, run_prefixes=arguments.run_prefixes)
    names = ("plan", "sort", "isotopes", "partition", "annotate", "merge", "render")
    heads = ("ibd", "spectra", "sort tasks", "annotate tasks", *names, "**seconds**")
    heads += ("Lambda", "S3 requests", "transitions, logs", "**dollars**", "storage", "longest stage")
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for gigabytes in arguments.gigabytes:
        dataset = Imagined(gigabytes, arguments.formulas)
        chosen, _ = cheapest(deployment, dataset.cut_for)
        show(gigabytes, chosen, simulate(dataset.cut_for(chosen), chosen, limits, arguments.seed, machine))


if __name__ == "__main__":
    main()
