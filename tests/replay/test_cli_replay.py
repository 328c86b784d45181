"""`ionfleet replay`, and `ionfleet run --chaos`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ionfleet_cli.replay import Replay

from .test_cli_run import Workplace, workplace

EVENTS = Path(__file__).resolve().parents[2] / "events"

__all__ = ["workplace"]


def test_an_event_without_its_dataset_is_told_to_wait(workplace: Workplace) -> None:
    done = workplace.ionfleet("replay", EVENTS / "s3-object-created.json", EVENTS / "stepfunctions-status-change.json")
    assert done.returncode == 0, done.stderr
    lines = [line.strip() for line in done.stdout.splitlines()]
    first = lines.index("1. Object Created: datasets/brain/section 1.imzML")
    assert lines[first + 1 : first + 4] == [
        "rule Ionfleet-RulesUploads → Ionfleet-UploadsQueue",
        "PlannerFunction: ok",
        "inputs/datasets/brain/section 1/status.json: waiting, for section 1.imzML",
    ]
    assert "StatusFunction: ok" in lines[lines.index("PlannerFunction: ok") :]


def test_a_file_that_is_no_event_is_refused(workplace: Workplace) -> None:
    done = workplace.ionfleet("replay", workplace.database)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Error: {workplace.database} is no event")


def test_events_are_sent_twice_and_in_the_order_of_a_seed(tmp_path: Path) -> None:
    template = json.loads((EVENTS / "s3-object-created.json").read_text())
    paths = []
    for number in range(6):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps({**template, "id": str(number)}))
    plain = [recorded.event["id"] for recorded in Replay(tuple(paths), twice=True).read()]
    assert plain == [str(number) for number in range(6) for _ in range(2)]
    one, again, other = (
        [recorded.event["id"] for recorded in Replay(tuple(paths), shuffle=seed).read()] for seed in (1, 1, 2)
    )
    assert one == again != other
    assert sorted(one) == sorted(other) == [str(number) for number in range(6)]


@pytest.mark.parametrize("seed", ["3"])
def test_a_run_with_chaos_gives_the_results_and_tells_what_was_injected(workplace: Workplace, seed: str) -> None:
    done = workplace.ionfleet(
        "run", workplace.dataset, "--database", workplace.database, "--out", "chaos", "--chaos", seed
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (workplace.folder / "chaos" / "annotations.csv").is_file()
    (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"Injected with seed {seed}: ")]
    assert " × " in line
