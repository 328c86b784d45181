"""What stages cost: what they used and the states they took, in dollars."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ionfleet.costs import (
    FAILED_TASK_STATES,
    GB,
    LOG_BYTES_PER_INVOCATION,
    LOG_BYTES_PER_TRANSITION,
    STATES,
    Dollars,
    count_transitions,
    in_dollars,
    price_stages,
)
from ionfleet.jobs import STATE_MACHINE, End, Failure
from ionfleet.prices import US_EAST_1, Prices
from ionfleet.summary import job_cost
from ionfleet.telemetry import StageUse

NOTHING = StageUse.nothing()
FREE = Prices("nowhere", "never", 0, 0, 0, 0, 0, 0, 0, 0)
AT = "2026-05-04T12:00:00.000Z"
WHOLE_WAY = dict.fromkeys(("sort", "isotopes", "partition", "annotate", "merge", "render", "publish"), AT)


def price(use: StageUse, transitions: int = 0, stage: str = "sort", days: int = 30, **prices: float) -> float:
    return price_stages({stage: use}, {stage: transitions}, days, replace(FREE, **prices)).usd


def called(times: int) -> StageUse:
    return replace(NOTHING, invocations=times)


class TestPrices:
    def test_every_price_applies_to_what_it_is_for(self) -> None:
        assert price(replace(NOTHING, gb_seconds=30.0), gb_second=2) == 60
        assert price(called(3), invocation=2) == 6
        assert price(replace(NOTHING, reads=3), read_request=2) == 6
        assert price(replace(NOTHING, writes=3), write_request=2) == 6
        assert price(NOTHING, 3, transition=2) == 6

    def test_logs_come_with_invocations_and_transitions(self) -> None:
        expected = (2 * LOG_BYTES_PER_INVOCATION + 3 * LOG_BYTES_PER_TRANSITION) / GB
        assert price(called(2), 3, log_gb=1e6) == pytest.approx(expected * 1e6)

    def test_writes_to_the_work_bucket_are_events_and_are_kept_for_the_retention(self) -> None:
        written = replace(NOTHING, writes=2, bytes_out=GB)
        assert price(written, event=5) == 10
        assert price(written, days=15, storage_gb_month=4) == 2

    @pytest.mark.parametrize("stage", ["render", "publish", "report"])
    def test_what_is_written_to_the_results_bucket_sends_no_events_and_is_nobodys_storage(self, stage: str) -> None:
        assert price(replace(NOTHING, writes=2, bytes_out=GB), stage=stage, event=5, storage_gb_month=4) == 0

    def test_a_write_costs_what_twelve_reads_do(self) -> None:
        assert US_EAST_1.write_request / US_EAST_1.read_request == pytest.approx(12.5)

    @given(st.lists(st.integers(0, 10**6), min_size=5, max_size=5), st.integers(0, 10**5), st.integers(1, 400))
    def test_the_parts_and_the_stages_add_up_to_the_total(self, figures: list[int], steps: int, days: int) -> None:
        use = StageUse(figures[0], 0, 0.0, float(figures[1]), 0, 0, figures[2], figures[3], figures[4])
        cost = price_stages({"sort": use, "render": use}, {"sort": steps, "publish": 3}, days)
        assert cost.usd == pytest.approx(sum(stage.usd for stage in cost.stages.values()), abs=2e-6)
        assert cost.usd == pytest.approx(sum(asdict(cost.dollars).values()), abs=1e-6)
        assert {stage: each.transitions for stage, each in cost.stages.items()} == {
            "publish": 3,
            "render": 0,
            "sort": steps,
        }

    def test_a_cost_tells_its_prices(self) -> None:
        document = price_stages({"sort": called(1)}, {}, 30).to_dict()
        assert document["prices"] == {"region": US_EAST_1.region, "date": US_EAST_1.date}
        assert set(document["parts"]) == set(asdict(Dollars()))  # type: ignore[call-overload]
        json.dumps(document, allow_nan=False)


class TestTransitions:
    def test_each_call_of_a_function_is_one_more_and_the_choice_of_its_size_another(self) -> None:
        counts = count_transitions(["sort", "merge", "annotate"], {"sort": called(7), "merge": called(1)})
        assert counts == {"sort": STATES["sort"] + 14, "merge": STATES["merge"] + 1, "annotate": STATES["annotate"]}

    def test_a_stage_without_tasks_is_passed_by_in_one(self) -> None:
        entered = [*WHOLE_WAY]
        with_render = count_transitions(entered, {})
        entered.remove("render")
        assert count_transitions(entered, {})["publish"] == with_render["publish"] + 1

    def test_a_failed_task_is_written_down(self) -> None:
        counts = count_transitions(["sort", "isotopes"], {}, failed="sort")
        assert counts == {"sort": STATES["sort"] + FAILED_TASK_STATES, "isotopes": STATES["isotopes"]}


class TestEnds:
    def cost(self, end: End) -> dict[str, int]:
        uses = {"plan": called(1), "sort": called(4), "publish" if end.state == "SUCCEEDED" else "report": called(1)}
        return {stage: each.transitions for stage, each in job_cost(uses, end, 30).stages.items()}

    def test_a_success_goes_the_whole_way(self) -> None:
        counts = self.cost(End(state="SUCCEEDED", at=AT, by=STATE_MACHINE, stages=WHOLE_WAY))
        assert sum(counts.values()) == sum(STATES.values()) - STATES["report"] + 2 * 4 + 1
        assert counts["plan"] == 0

    def test_a_failure_ends_in_its_report(self) -> None:
        failure = Failure(error="X", message="y", stage="sort", task=2)
        stages = {"sort": AT, "isotopes": AT}
        counts = self.cost(End(state="FAILED", at=AT, by=STATE_MACHINE, failure=failure, stages=stages))
        assert counts == {
            "plan": 0,
            "isotopes": STATES["isotopes"],
            "sort": STATES["sort"] + 2 * 4 + FAILED_TASK_STATES,
            "report": STATES["report"] + 1,
        }

    def test_a_stopped_execution_never_reported_and_is_counted_by_what_it_called(self) -> None:
        counts = self.cost(End(state="ABORTED", at=AT, by="event-1"))
        assert counts == {"plan": 0, "sort": STATES["sort"] + 2 * 4, "report": 0}


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "$0.00"), (0.0000123, "$0.000012"), (0.0123, "$0.012"), (0.5, "$0.50"), (1234.5, "$1,234.50")],
)
def test_dollars_keep_two_digits(usd: float, text: str) -> None:
    assert in_dollars(usd) == text
