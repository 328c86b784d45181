"""A deployment that may run one invocation of each stage at once, and more jobs than that."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from ionfleet_infrastructure.node import use_installed_node
from ionfleet_replay import Cloud, Nursery
from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import ROOT, Laboratory

STAGES = tuple(f"{stage}Function" for stage in ("Sort", "Isotopes", "Partition", "Annotate", "Merge", "Render"))


@pytest.fixture
def narrow(tmp_path: Path) -> Path:
    """The assembly of the smallest deployment there is."""
    use_installed_node()
    from ionfleet_infrastructure.synthesis import make_app

    make_app(ROOT, tmp_path / "assembly", context={"maxConcurrency": 19}).synth()
    return tmp_path / "assembly"


def most_at_once(cloud: Cloud) -> dict[str, int]:
    """Return how many invocations of each function ran at one time, at most."""
    changes: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    for each in cloud.invocations():
        changes[each.function] += [(each.started, 1), (each.started + each.duration, -1)]
    most = {}
    for function, moments in changes.items():
        running = [0]
        for _, change in sorted(moments):
            running.append(running[-1] + change)
        most[function] = max(running)
    return most


def test_jobs_at_once_wait_for_their_turn_and_all_succeed(
    narrow: Path, tmp_path: Path, warm_nursery: Nursery, dataset: SimulatedDataset, database: bytes
) -> None:
    with Cloud(narrow, tmp_path / "cloud", workers=4, nursery=warm_nursery) as cloud:
        laboratory = Laboratory(cloud)
        laboratory.upload("databases/lipids.tsv", database)
        laboratory.wait()
        for number in range(2):
            laboratory.upload_dataset(
                dataset, f"datasets/{number}", polarity="positive", databases=["lipids"], ppm=3 + number
            )
        laboratory.wait()
        states = [body for key, body in laboratory.results("status.json").items() if key.startswith("results/")]
        assert [b'"SUCCEEDED"' in body for body in states] == [True] * 2
        most = most_at_once(cloud)
        assert {stage: most[stage] for stage in STAGES} == dict.fromkeys(STAGES, 1)
        assert cloud.denials() == []
