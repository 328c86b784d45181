"""What a job on the real template costs, and the budget that stops it before it begins."""

from __future__ import annotations

import json

import pytest

from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import Laboratory

STAGES = {"launch": "launcher"}


def test_a_job_is_charged_for_every_invocation_and_the_parts_add_up(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    laboratory.annotate(dataset, database)

    invocations = laboratory.invocations()
    summary = json.loads(laboratory.results("summary.json").popitem()[1])
    for stage, figures in summary["stages"].items():
        # The planner is called for the database and for each file as well, the status function for each stage.
        if stage not in ("plan", "publish"):
            name = STAGES.get(stage, stage)
            assert figures["invocations"] == sum(n for each, n in invocations.items() if name in each.lower()), stage
    assert set(summary["stages"]) == {
        "plan",
        "launch",
        "sort",
        "isotopes",
        "partition",
        "annotate",
        "merge",
        "render",
        "publish",
    }
    cost = summary["cost"]
    assert cost["usd"] == pytest.approx(sum(cost["parts"].values()), abs=1e-5)
    assert cost["usd"] == pytest.approx(sum(each["usd"] for each in summary["stages"].values()), abs=1e-5)
    status = laboratory.job_status()
    assert (status["cost_usd"], status["estimated_usd"]) == (cost["usd"], cost["estimated_usd"])
    assert 0.5 < cost["estimated_usd"] / cost["usd"] < 10


def test_a_job_above_its_budget_is_refused_before_anything_runs_and_runs_with_a_larger_one(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    laboratory.annotate(dataset, database, max_cost_usd=0.0001)

    refused = laboratory.input_status("datasets/small/section")
    assert (refused["state"], refused["error"]) == ("rejected", "OutOfBudgetError")
    assert refused["message"].startswith("To annotate 'section' is estimated at $0.0")
    assert "max_cost_usd allows $0.00010. By stage: " in refused["message"]
    assert "Nothing was started. Give fewer databases, adducts or decoys, or raise max_cost_usd" in refused["message"]
    assert not laboratory.objects("WorkBucket", "plan.json")
    assert {name for name in laboratory.invocations() if "planner" not in name.lower()} == set()

    configuration = {"polarity": "positive", "databases": ["lipids"], "max_cost_usd": 1}
    laboratory.upload("datasets/small/section.job.json", json.dumps(configuration).encode())
    laboratory.wait()
    assert laboratory.job_status()["state"] == "SUCCEEDED"
    assert laboratory.job_status()["attempt"] == 2
