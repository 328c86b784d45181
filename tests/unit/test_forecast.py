"""What a plan will take: times from the same figures as the dollars."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ionfleet.estimate import LAMBDA, LOCAL, Deployment, PlanFacts, Size
from ionfleet.forecast import cheapest, forecast, stage_seconds

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


class TestSizes:
    LARGE = Size(memory_mb=7076, concurrency=5)
    SIZED = DEPLOYMENT.model_copy(update={"larger": {"sort": (LARGE,), "annotate": (LARGE,)}})

    def test_sizes_are_chosen_among_all_pairs_by_the_least_weight(self) -> None:
        seen = []

        def cut_for(deployment: Deployment) -> PlanFacts:
            seen.append((deployment.memory_mb["sort"], deployment.memory_mb["annotate"]))
            # As of a dataset that takes so many segments while functions are small.
            return replace(FACTS, annotate_tasks=10 if deployment.memory_mb["annotate"] == 7076 else 5_000)

        chosen, made = cheapest(self.SIZED, cut_for)
        assert sorted(seen) == [(1769, 1769), (1769, 7076), (7076, 1769), (7076, 7076)]
        assert (chosen.memory_mb["sort"], chosen.memory_mb["annotate"]) == (1769, 7076)
        assert chosen.concurrency == {"annotate": 5}
        assert made.weight == min(forecast(cut_for(each), each, 1).weight for each in self.SIZED.choices("annotate"))

    def test_among_equals_the_smallest_win(self) -> None:
        nothing = replace(FACTS, sort_tasks=0, sort_points=0)
        chosen, _ = cheapest(self.SIZED, lambda _: nothing)
        assert chosen == self.SIZED

    def test_a_chosen_size_leaves_those_above_it_for_what_needs_more(self) -> None:
        middle = Size(memory_mb=3538, concurrency=9)
        deployment = DEPLOYMENT.model_copy(update={"larger": {"sort": (middle, self.LARGE)}})
        assert [each.sizes_mb("sort") for each in deployment.choices("sort")] == [
            (1769, 3538, 7076),
            (3538, 7076),
            (7076,),
        ]
        assert deployment.sizes_mb("merge") == (1769,)
        assert deployment.choices("merge") == (deployment,)


def test_fewer_functions_at_a_time_take_longer() -> None:
    narrow = DEPLOYMENT.model_copy(update={"concurrency": {"isotopes": 2}})
    times = [forecast(FACTS, each, 1).stages["isotopes"].cloud_seconds for each in (DEPLOYMENT, narrow)]
    assert times[0] < times[1]


def test_no_more_functions_annotate_than_s3_can_answer() -> None:
    many = replace(FACTS, annotate_tasks=5_000, runs=1_000)
    wide = DEPLOYMENT.model_copy(update={"concurrency": {"annotate": 4_000, "sort": 7}})
    chosen, made = cheapest(wide, lambda _: many)
    width = chosen.concurrency["annotate"]
    assert chosen.concurrency["sort"] == 7
    assert 1 < width < 4_000
    assert made.weight < forecast(many, wide, 1).weight
    stage = made.stages["annotate"]
    asked = stage.cost.reads / LAMBDA.reads_per_second("annotate")
    assert asked <= stage.cloud_seconds <= 1.1 * asked + 10
    assert cheapest(wide, lambda _: FACTS)[0].concurrency == wide.concurrency
