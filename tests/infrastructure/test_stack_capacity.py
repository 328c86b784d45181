"""The deployment's concurrency: how it is shared out, and that nothing can ask for more."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ionfleet.estimate import Deployment
from ionfleet_infrastructure.capacity import (
    IN_MAPS,
    LARGEST,
    SHARES,
    SMALLEST,
    by_size,
    share_in_turn,
    share_out,
)
from ionfleet_infrastructure.settings import Settings
from ionfleet_infrastructure.specification import FUNCTIONS

from .conftest import TEST_DEPLOYMENT, read_template

if TYPE_CHECKING:
    from .conftest import Template

ORDINARY_QUOTA = 1000
SIZED = ("sort", "annotate")
UNRESERVED_AT_LEAST = 100
"""What Lambda keeps for functions without a reservation."""


def reserved(template: Template) -> dict[str, int]:
    """Return what each function reserves, in all its sizes."""
    shares: Counter[str] = Counter()
    for logical_id, function in template.of_type("AWS::Lambda::Function").items():
        name = logical_id.partition("Function")[0].lower()
        shares[name] += function.get("ReservedConcurrentExecutions", 0)
    return {name: share for name, share in shares.items() if share}


def maps(template: Template) -> dict[str, int]:
    """Return MaxConcurrency of each map by the name of its function."""
    top = template.definition["States"]
    branches = [branch["States"] for branch in top["Sort and isotopes"]["Branches"]]
    states = {name: state for machine in (top, *branches) for name, state in machine.items()}
    found = {name.lower(): state for name, state in states.items() if state["Type"] == "Map"}
    for name in SIZED:
        assert found.pop(name)["MaxConcurrencyPath"] == f"$.{name}.width"
    return {name: state["MaxConcurrency"] for name, state in found.items()}


def test_every_function_has_a_share() -> None:
    assert SHARES.keys() == {function.name for function in FUNCTIONS}
    assert sum(share.percent for share in SHARES.values()) == 100


@pytest.mark.parametrize("total", [SMALLEST, SMALLEST + 1, 40, 100, 399, 900, 5000, LARGEST])
def test_shares_never_exceed_the_total_and_are_never_nothing(total: int) -> None:
    shares = share_out(total)
    assert total - len(SHARES) < sum(shares.values()) <= total
    assert all(shares[name] >= SHARES[name].least >= 1 for name in SHARES)


def test_no_share_is_more_than_a_map_or_a_queue_can_use() -> None:
    largest = share_out(LARGEST)
    assert max(largest.values()) <= 10_000
    assert max(largest["planner"], largest["launcher"]) <= 1000


def test_two_deployments_fit_an_ordinary_account() -> None:
    assert 2 * Settings().max_concurrency <= ORDINARY_QUOTA - UNRESERVED_AT_LEAST


def test_every_function_reserves_its_share(template: Template, disposable: Template) -> None:
    assert reserved(template) == share_out(400)
    assert reserved(disposable) == share_out(40)


def test_a_map_starts_no_more_children_than_its_function_may_run(template: Template, disposable: Template) -> None:
    for each in (template, disposable):
        shares = reserved(each)
        assert maps(each) == {name: shares[name] for name in ("isotopes", "render")}


def test_a_map_whose_function_has_sizes_is_as_wide_as_the_one_that_was_planned_for(template: Template) -> None:
    variables = template["PlannerFunction"]["Environment"]["Variables"]
    deployment = Deployment.model_validate_json(variables["DEPLOYMENT"])
    for name in SIZED:
        for choice in deployment.choices(name):
            memory_mb = choice.memory_mb[name]
            (function,) = (
                each
                for logical_id, each in template.of_type("AWS::Lambda::Function").items()
                if logical_id.startswith(name.capitalize()) and each["MemorySize"] == memory_mb
            )
            assert choice.concurrency[name] == function["ReservedConcurrentExecutions"]
        assert len(deployment.choices(name)) == 3


@pytest.mark.parametrize(("share", "sizes"), [(3, 3), (4, 3), (100, 3), (101, 2), (7, 1)])
def test_the_sizes_of_a_function_have_its_share_together_and_each_has_some(share: int, sizes: int) -> None:
    shares = by_size(share, sizes)
    assert (len(shares), sum(shares)) == (sizes, share)
    assert shares[0] == max(shares)
    assert min(shares) >= 1


def test_a_queue_is_read_by_no_more_than_its_reader_may_run(template: Template, disposable: Template) -> None:
    for each in (template, disposable):
        shares, mappings = reserved(each), each.of_type("AWS::Lambda::EventSourceMapping")
        readers = {name: mappings[name]["ScalingConfig"]["MaximumConcurrency"] for name in mappings}
        assert readers["PlannerUploadsMapping"] == shares["planner"]
        assert readers["LauncherManifestsMapping"] == shares["launcher"]
        # One invocation more, for the state machine and the ends of executions.
        assert readers["StatusUploadsMapping"] + readers["StatusManifestsMapping"] < shares["status"]


@pytest.mark.parametrize("total", [SMALLEST, 40, 900, LARGEST])
def test_stages_that_come_one_after_the_other_may_use_the_same_concurrency(total: int) -> None:
    shares, in_turn = share_out(total), share_in_turn(total)
    assert all(shares[name] <= in_turn[name] <= 10_000 for name in SHARES)
    others = sum(share for name, share in in_turn.items() if name not in IN_MAPS)
    assert others + in_turn["sort"] + in_turn["isotopes"] <= total
    assert others + max(in_turn["annotate"], in_turn["render"]) <= total


def test_without_concurrency_to_reserve_a_job_may_use_all_of_it_stage_by_stage(
    assembly_of: Callable[..., Path],
) -> None:
    template = read_template(assembly_of(**TEST_DEPLOYMENT, reserveConcurrency="false"))
    assert reserved(template) == {}
    in_turn = share_in_turn(40)
    assert maps(template) == {name: in_turn[name] for name in ("isotopes", "render")}
    variables = template["PlannerFunction"]["Environment"]["Variables"]
    deployment = Deployment.model_validate_json(variables["DEPLOYMENT"])
    for name in SIZED:
        assert [choice.concurrency[name] for choice in deployment.choices(name)] == [in_turn[name]] * 3


def test_the_shares_are_documented_as_they_are(root: Path) -> None:
    text = (root / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (\w+) \| (\d+) \| (\d+) % \| (\d+) \|$", text, re.MULTILINE)
    default = share_out(Settings().max_concurrency)
    assert {name: (int(least), int(percent), int(of)) for name, least, percent, of in rows} == {
        name: (share.least, share.percent, default[name]) for name, share in SHARES.items()
    }
