"""`ionfleet estimate`: the planner's own plan, made without a cloud, and what it says."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from ionfleet.forecast import forecast
from ionfleet.stages.plan import facts_of
from ionfleet_cli.estimate import Estimated, deployment_of, planned, show
from ionfleet_cli.failures import CommandError, ExitCode
from ionfleet_cli.run import prepare

from .imzml_files import SMALL
from .memory_cloud import DATABASE, DEPLOYMENT


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    (tmp_path / "brain.ibd").write_bytes(SMALL.ibd)
    (tmp_path / "brain.imzML").write_text(SMALL.imzml)
    (tmp_path / "small.tsv").write_bytes(DATABASE)
    return tmp_path / "brain.imzML"


def estimate(dataset: Path, **overrides: object) -> Estimated:
    plan = planned(prepare(dataset, [dataset.with_name("small.tsv")], None, overrides), DEPLOYMENT)
    return Estimated(plan, forecast(facts_of(plan), plan.deployment, 2), 2)


def test_the_plan_is_that_of_the_planner_with_the_configuration_of_the_command(dataset: Path) -> None:
    plan = estimate(dataset, adducts=["+H"], planning={"sort_task_peaks": 2, "isotope_task_formulas": 1}).plan
    assert (plan.dataset.name, plan.dataset.spectra) == ("brain", 3)
    assert (plan.configuration.adducts, plan.configuration.databases) == (("+H",), ("small",))
    assert (plan.sort.tasks, plan.isotopes.tasks) == (3, 2)


def test_nothing_is_written_beside_the_dataset(dataset: Path) -> None:
    before = {path.name: path.read_bytes() for path in dataset.parent.iterdir()}
    estimate(dataset)
    assert {path.name: path.read_bytes() for path in dataset.parent.iterdir()} == before


def test_every_figure_is_told_by_stage_and_the_dollars_add_up(dataset: Path) -> None:
    document = json.loads(estimate(dataset).to_json())
    assert list(document["stages"])[:2] == ["plan", "launch"]
    assert document["stages"]["sort"]["tasks"] == 1
    assert document["stages"]["sort"]["memory_mb"] == DEPLOYMENT.memory_mb["sort"]
    for figures in document["stages"].values():
        assert figures["peak_mb"] > 0
        assert figures["cloud_seconds"] > figures["local_seconds"] > 0
        assert figures["usd"] == pytest.approx(sum(figures["parts"].values()), abs=5e-6)
    total = sum(figures["usd"] for figures in document["stages"].values())
    assert document["cost"]["usd"] == pytest.approx(total, abs=2e-5)


def test_it_is_shown_for_people_with_the_date_of_the_prices(dataset: Path) -> None:
    console = Console(file=io.StringIO(), width=120)
    show(estimate(dataset), console)
    text = console.file.getvalue()
    assert "S3 requests" in text
    assert "brain: 3 spectra, 5 peaks" in text
    assert "us-east-1, 2026-" in text
    assert "2 functions at a time" in text


def test_what_the_planner_would_reject_is_refused_with_its_reason(dataset: Path) -> None:
    with pytest.raises(CommandError, match=r"OutOfBudgetError.*max_cost_usd"):
        estimate(dataset, max_cost_usd=1e-9)
    dataset.with_name("small.tsv").write_text("id\tname\tformula\n1\tA\tXyz\n")
    with pytest.raises(CommandError, match=r"small\.tsv") as raised:
        estimate(dataset)
    assert raised.value.exit_code == ExitCode.INVALID_INPUT
    dataset.with_name("small.tsv").write_bytes(DATABASE)
    dataset.with_suffix(".ibd").write_bytes(SMALL.ibd[:30])
    with pytest.raises(CommandError, match="InvalidDatasetError") as raised:
        estimate(dataset)
    assert raised.value.exit_code == ExitCode.INVALID_INPUT


def test_a_template_that_tells_no_function_what_to_plan_for_is_named(tmp_path: Path) -> None:
    stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "t.json"}}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"S": stack}}))
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {}}))
    with pytest.raises(CommandError, match="synthesize the template anew"):
        deployment_of(tmp_path)
    variables = {"Environment": {"Variables": {"DEPLOYMENT": DEPLOYMENT.model_dump_json()}}}
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {"F": {"Properties": variables}}}))
    assert deployment_of(tmp_path) == DEPLOYMENT
