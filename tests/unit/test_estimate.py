"""What a job is expected to cost, and the budget that refuses it."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionfleet.coefficients import COEFFICIENTS
from ionfleet.costs import STATES
from ionfleet.errors import OutOfBudgetError
from ionfleet.estimate import (
    LAMBDA,
    LOCAL,
    Estimate,
    PlanFacts,
    check_budget,
    drivers,
    estimate,
    expect_unseen,
    expected,
    ranges_read,
    times_read,
    to_estimate,
    use_of,
)
from ionfleet.planning import expected_segments

from .memory_cloud import DEPLOYMENT

FACTS = PlanFacts(
    imzml_bytes=5_000_000,
    spectra=2_000,
    points=430_000,
    pixels=2_304,
    formulas=3_774,
    ions=86_802,
    targets=11_322,
    sort_points=430_000,
    sort_tasks=1,
    isotope_ions=86_802,
    isotope_tasks=8,
    runs=1,
    chunks=8,
    annotate_tasks=2,
    hits=1.3e6,
    span=900.0,
    shown=340,
    compared=340,
    render_tasks=6,
    peaks=4,
)
COUNTS = [field.name for field in fields(PlanFacts)]
USED = {"cpu_seconds": 10.0, "reads": 20.0, "writes": 30.0, "bytes_in": 75e6, "bytes_out": 75e6, "peak_mb": 400.5}


def usd(facts: PlanFacts) -> float:
    return estimate(facts, DEPLOYMENT).usd


def test_every_stage_of_a_success_is_estimated() -> None:
    stages = estimate(FACTS, DEPLOYMENT).stages
    assert set(stages) == {"plan", "launch", *STATES} - {"report"}
    assert all(stage.usd > 0 and stage.invocations > 0 for stage in stages.values())


def test_every_driver_of_the_table_is_counted() -> None:
    counts = drivers(FACTS)
    assert set(COEFFICIENTS) == set(counts)
    for stage, quantities in COEFFICIENTS.items():
        assert {name for terms in quantities.values() for name in terms} <= set(counts[stage])
        assert set(quantities) == set(USED)


@given(st.sampled_from(COUNTS), st.integers(2, 1000))
def test_more_of_anything_never_costs_less(name: str, times: int) -> None:
    more = replace(FACTS, **{name: getattr(FACTS, name) * times})
    assert usd(more) >= usd(FACTS)


def test_runs_and_centroids_that_are_there_cost_nothing() -> None:
    known = replace(FACTS, sort_points=0, sort_tasks=0, isotope_ions=0, isotope_tasks=0)
    stages = estimate(known, DEPLOYMENT).stages
    assert (stages["sort"].invocations, stages["isotopes"].invocations) == (0, 0)
    assert stages["isotopes"].usd < estimate(FACTS, DEPLOYMENT).stages["isotopes"].usd / 2


def test_time_is_computing_waiting_moving_and_starting() -> None:
    use = use_of("sort", 2, USED, DEPLOYMENT)
    starts = 2 * 2.0
    expected_seconds = 10 * LAMBDA.cpu_factor + 50 * LAMBDA.request_seconds + 150e6 / LAMBDA.bytes_per_second + starts
    assert use.billed_seconds == pytest.approx(expected_seconds)
    assert use.gb_seconds == pytest.approx(expected_seconds * 1769 / 1024)


def test_a_function_with_less_memory_computes_more_slowly() -> None:
    half = DEPLOYMENT.model_copy(update={"memory_mb": {**DEPLOYMENT.memory_mb, "sort": 1769 // 2}})
    computing = USED | {"reads": 0, "writes": 0, "bytes_in": 0, "bytes_out": 0}
    slow, fast = (use_of("sort", 0, computing, deployment) for deployment in (half, DEPLOYMENT))
    assert slow.billed_seconds == pytest.approx(2 * fast.billed_seconds, rel=1e-3)
    assert slow.gb_seconds == pytest.approx(fast.gb_seconds, rel=1e-3)


@pytest.mark.parametrize(
    ("targets", "points", "spectra", "annotations"),
    [(1000, 10**9, 10, 150), (10**6, 2000, 10, 300), (10**6, 0, 0, 0), (0, 10, 1, 0)],
)
def test_unseen_annotations_are_bounded_by_the_targets_and_by_the_peaks_of_a_spectrum(
    targets: int, points: int, spectra: int, annotations: int
) -> None:
    assert expect_unseen(points, spectra, 0, targets, 4, 3.0).shown == annotations


def test_unseen_hits_grow_with_peaks_ions_and_windows() -> None:
    hits = expect_unseen(1000, 10, 100, 10, 4, 3.0).hits
    others = ((2000, 10, 100, 10, 4, 3.0), (1000, 10, 200, 10, 4, 3.0), (1000, 10, 100, 10, 4, 6.0))
    assert [expect_unseen(*other).hits for other in others] == pytest.approx([2 * hits] * 3)


def test_what_is_expected_is_linear_in_the_drivers_and_memory_that_of_one_task() -> None:
    once = expected("sort", {"tasks": 1, "points": 1000, "rows": 10})
    twice = expected("sort", {"tasks": 2, "points": 2000, "rows": 20})
    assert twice == {
        quantity: pytest.approx(value if quantity == "peak_mb" else 2 * value) for quantity, value in once.items()
    }


def test_local_time_is_computing_alone() -> None:
    assert use_of("sort", 2, USED, DEPLOYMENT, LOCAL).billed_seconds == 10


class TestBudget:
    def made(self) -> Estimate:
        return to_estimate(estimate(FACTS, DEPLOYMENT), DEPLOYMENT)

    def test_a_job_within_its_budget_or_without_one_may_run(self) -> None:
        made = self.made()
        check_budget(made, "brain", None, None)
        check_budget(made, "brain", made.usd, made.usd)

    def test_a_dearer_job_is_refused_with_the_estimate_by_stage_dearest_first(self) -> None:
        made = Estimate(usd=0.42, stages={"sort": 0.02, "render": 0.4}, retention_days=30)
        with pytest.raises(OutOfBudgetError) as raised:
            check_budget(made, "brain", 0.1, 0.2)
        message = str(raised.value)
        assert message.startswith("To annotate 'brain' is estimated at $0.42; max_cost_usd allows $0.10.")
        assert "By stage: render $0.40, sort $0.020." in message
        assert "raise max_cost_usd" in message

    def test_what_a_deployment_allows_a_configuration_cannot_raise(self) -> None:
        made = Estimate(usd=0.42, stages={"sort": 0.42}, retention_days=30)
        for own in (None, 0.4, 100):
            with pytest.raises(OutOfBudgetError, match=r"this deployment, for any job, allows \$0\.30.*maxJobCostUsd"):
                check_budget(made, "brain", own, 0.3)


class TestSegments:
    @pytest.mark.parametrize(
        ("peaks", "ions", "expected_count"),
        [(1, 1, 1), (1_000_000, 100_000, 3), (32_000_000, 0, 17), (1_000_000_000, 0, 65)],
    )
    def test_segments_are_as_many_as_weight_and_memory_ask_for(
        self, peaks: int, ions: int, expected_count: int
    ) -> None:
        assert expected_segments(peaks, ions, 0, 1769, None, 900.0, 4) == expected_count

    @pytest.mark.parametrize(
        ("segments", "times", "ranges"), [(1, 1, 1), (2, 1.0067, 1), (90, 1.301, 1), (890, 3.976, 1), (1800, 4, 4)]
    )
    def test_narrow_segments_read_what_others_read_as_well(self, segments: int, times: float, ranges: int) -> None:
        assert times_read(segments, 900.0, 4) == pytest.approx(times, rel=1e-3)
        assert ranges_read(segments, 900.0, 4) == ranges

    def test_segments_that_read_more_are_more_of_them(self) -> None:
        narrow, wide = (expected_segments(10**10, 0, 0, 1769, None, span, 4) for span in (100.0, 100_000.0))
        assert narrow == pytest.approx(4 * wide, rel=0.1)

    def test_a_chosen_size_is_followed(self) -> None:
        assert expected_segments(1_000, 0, 0, 1769, 100, 900.0, 4) == 11
