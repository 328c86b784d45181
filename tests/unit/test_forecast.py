"""What a plan will take: times from the same figures as the dollars."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ionfleet.estimate import LAMBDA, LOCAL
from ionfleet.forecast import forecast, stage_seconds

from .memory_cloud import DEPLOYMENT
from .test_estimate import FACTS

USED = {"cpu_seconds": 40.0, "reads": 0.0, "writes": 0.0, "bytes_in": 0.0, "bytes_out": 0.0}


@pytest.mark.parametrize(("width", "rounds"), [(1, 4), (2, 2), (3, 2), (4, 1), (9, 1)])
def test_a_stage_takes_as_many_rounds_as_its_tasks_need(width: int, rounds: int) -> None:
    assert stage_seconds("sort", 4, USED, 1769, width, LOCAL) == LOCAL.stage_seconds + rounds * 10


def test_lambda_starts_first_and_computes_at_its_own_speed() -> None:
    expected = LAMBDA.stage_seconds + 2.0 + 10 * LAMBDA.cpu_factor
    assert stage_seconds("sort", 4, USED, 1769, 4, LAMBDA) == pytest.approx(expected)


def test_sort_and_isotopes_run_side_by_side_in_the_cloud_only() -> None:
    made = forecast(FACTS, DEPLOYMENT, 1)
    cloud = {stage: each.cloud_seconds for stage, each in made.stages.items()}
    assert made.cloud_seconds == pytest.approx(sum(cloud.values()) - min(cloud["sort"], cloud["isotopes"]))
    assert made.local_seconds == pytest.approx(sum(each.local_seconds for each in made.stages.values()))


def test_a_stage_without_tasks_takes_no_time() -> None:
    made = forecast(replace(FACTS, sort_tasks=0, sort_points=0), DEPLOYMENT, 1)
    assert (made.stages["sort"].tasks, made.stages["sort"].cloud_seconds, made.stages["sort"].local_seconds) == (
        0,
        0,
        0,
    )


def test_fewer_functions_at_a_time_take_longer() -> None:
    narrow = DEPLOYMENT.model_copy(update={"concurrency": {"isotopes": 2}})
    times = [forecast(FACTS, each, 1).stages["isotopes"].cloud_seconds for each in (DEPLOYMENT, narrow)]
    assert times[0] < times[1]
