"""One upload is planned once, whatever the order and number of messages."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionfleet.errors import TransientError
from ionfleet.identity import timestamp
from ionfleet.jobs import End, end_attempt, end_message
from ionfleet.plan import Stores
from ionfleet.stages import planner
from ionfleet.stages.planner import take_up

from .imzml_files import SMALL
from .memory_cloud import CONFIGURATION, DATABASE, DEPLOYMENT, NOON, after, empty_cloud, upload_dataset
from .planner_desk import BRAIN, deliver, document, plans, status_of, stocked


@pytest.fixture
def cloud() -> Stores:
    return stocked()


class TestExactlyOnce:
    @pytest.mark.parametrize("order", list(itertools.permutations(["imzML", "ibd", "job.json"])), ids="-".join)
    def test_files_may_come_in_any_order_each_with_its_message(self, cloud: Stores, order: tuple[str, ...]) -> None:
        contents = {"imzML": SMALL.imzml.encode(), "ibd": SMALL.ibd, "job.json": CONFIGURATION}
        for number, extension in enumerate(order):
            cloud.input.replace(f"{BRAIN}.{extension}", contents[extension])
            deliver(cloud, f"{BRAIN}.{extension}", f"m{number}", number)
        assert len({plan.job for plan in plans(cloud)}) == 1
        assert len(plans(cloud)) == 1
        assert status_of(cloud)["state"] == "planned"

    def test_a_second_message_about_the_same_upload_leaves_it_to_the_first(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        assert deliver(cloud, f"{BRAIN}.imzML", "m1").state == "planned"
        assert deliver(cloud, f"{BRAIN}.ibd", "m2", 1).state == "elsewhere"

    def test_a_message_that_comes_again_gives_the_same(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        first = deliver(cloud, f"{BRAIN}.imzML", "m1")
        objects = [dict(store.objects) for store in (cloud.work, cloud.results)]  # type: ignore[attr-defined]
        assert deliver(cloud, f"{BRAIN}.imzML", "m1", 5) == first
        assert [store.objects for store in (cloud.work, cloud.results)] == objects  # type: ignore[attr-defined]

    def test_a_late_duplicate_undoes_neither_a_later_upload_nor_an_end(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.imzML", "m1")
        job = status_of(cloud)["job"]
        key = f"results/{status_of(cloud)['dataset']}/{job}/status.json"
        cloud.results.replace(key, document_as(document(cloud, key), state="FAILED"))
        end_attempt(cloud.work, job, End(state="FAILED", at=timestamp(after(1)), by="x"))
        upload_dataset(cloud)
        assert deliver(cloud, f"{BRAIN}.imzML", "m2", 2).execution == f"{job}-2"
        objects = dict(cloud.results.objects)  # type: ignore[attr-defined]
        deliver(cloud, f"{BRAIN}.imzML", "m1", 3)
        assert cloud.results.objects == objects  # type: ignore[attr-defined]
        assert status_of(cloud)["execution"] == f"{job}-2"
        assert document(cloud, key)["state"] == "RUNNING"

    def test_a_message_that_comes_again_does_not_undo_the_end_of_its_job(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.imzML", "m1")
        job = status_of(cloud)["job"]
        key = f"results/{status_of(cloud)['dataset']}/{job}/status.json"
        cloud.results.replace(key, document_as(document(cloud, key), state="FAILED"))
        end_attempt(cloud.work, job, End(state="FAILED", at=timestamp(after(1)), by="x"))
        assert deliver(cloud, f"{BRAIN}.imzML", "m1", 2).execution == job
        assert document(cloud, key)["state"] == "FAILED"

    def test_a_job_that_succeeded_is_not_run_again(self, cloud: Stores) -> None:
        upload_dataset(cloud)
        deliver(cloud, f"{BRAIN}.imzML", "m1")
        job = status_of(cloud)["job"]
        key = f"results/{status_of(cloud)['dataset']}/{job}/status.json"
        cloud.results.replace(key, document_as(document(cloud, key), state="SUCCEEDED"))
        upload_dataset(cloud)
        assert deliver(cloud, f"{BRAIN}.imzML", "m2", 2).execution == job
        assert len(plans(cloud)) == 1
        assert document(cloud, key)["state"] == "SUCCEEDED"

    def test_an_upload_waits_while_another_one_is_planned_as_the_same_job(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud.input.replace("datasets/other/job.json", CONFIGURATION)
        upload_dataset(cloud)
        upload_dataset(cloud, "datasets/other/brain")
        with monkeypatch.context() as patch:
            patch.setattr(planner, "write_plan", failing(TransientError("no luck")))
            with pytest.raises(TransientError, match="no luck"):
                deliver(cloud, f"{BRAIN}.imzML", "m1")
        with pytest.raises(TransientError, match="is being planned for another upload"):
            deliver(cloud, "datasets/other/brain.imzML", "m2")
        first = deliver(cloud, f"{BRAIN}.imzML", "m1")
        assert deliver(cloud, "datasets/other/brain.imzML", "m2").execution == first.execution

    def test_an_upload_after_a_dead_message_is_planned(self, cloud: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
        upload_dataset(cloud)
        with monkeypatch.context() as patch:
            patch.setattr(planner, "write_plan", failing(TransientError("no luck")))
            for _ in range(3):
                with pytest.raises(TransientError):
                    deliver(cloud, f"{BRAIN}.imzML", "m1")
        end_message(cloud.work, "m1", End(state="FAILED", at=timestamp(after(1)), by="m1"))
        assert deliver(cloud, f"{BRAIN}.imzML", "m2", 2).state == "planned"
        assert [plan.attempt for plan in plans(cloud)] == [2]

    def test_a_file_replaced_while_it_is_read_is_read_again(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        upload_dataset(cloud)
        read_range = cloud.input.get_range

        def read_then_replace(key: str, start: int, length: int) -> bytes:
            data = read_range(key, start, length)
            cloud.input.replace(f"{BRAIN}.ibd", SMALL.ibd)
            return data

        with monkeypatch.context() as patch:
            patch.setattr(cloud.input, "get_range", read_then_replace)
            with pytest.raises(TransientError, match="replaced"):
                deliver(cloud, f"{BRAIN}.imzML", "m1")
        assert list(cloud.work.list("datasets/")) == []
        assert deliver(cloud, f"{BRAIN}.imzML", "m1").state == "planned"

    def test_the_pair_may_be_completed_while_it_is_found_incomplete(
        self, cloud: Stores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud.input.replace(f"{BRAIN}.imzML", SMALL.imzml.encode())
        create = cloud.results.create

        def create_then_complete(key: str, data: bytes) -> bool:
            cloud.input.replace(f"{BRAIN}.ibd", SMALL.ibd)
            return create(key, data)

        monkeypatch.setattr(cloud.results, "create", create_then_complete)
        assert deliver(cloud, f"{BRAIN}.imzML").state == "planned"
        assert status_of(cloud)["state"] == "planned"

    @settings(deadline=None, max_examples=60)
    @given(
        messages=st.permutations([f"{BRAIN}.imzML", f"{BRAIN}.ibd", f"{BRAIN}.job.json"] * 2),
        faults=st.lists(st.integers(1, 60), max_size=4),
    )
    def test_whatever_fails_and_comes_again_one_job_is_planned_once(
        self, messages: list[str], faults: list[int]
    ) -> None:
        stores = empty_cloud()
        stores.input.replace("databases/small.tsv", DATABASE)
        deliver(stores, "databases/small.tsv", "db")
        upload_dataset(stores)
        stores.input.replace(f"{BRAIN}.job.json", CONFIGURATION)
        fuse = Fuse(faults)
        flaky = Stores(*(FlakyStore(store, fuse) for store in (stores.input, stores.work, stores.results)))
        queue = [(f"m{number}", key) for number, key in enumerate(messages)]
        while queue:
            message, key = queue.pop(0)
            try:
                take_up(flaky, key, message, NOON, DEPLOYMENT)
            except TransientError:
                queue.append((message, key))
        (plan,) = plans(stores)
        assert plan.attempt == 1
        status = status_of(stores)
        assert (status["state"], status["execution"]) == ("planned", plan.execution)
        assert document(stores, f"{plan.results_prefix}status.json")["state"] == "RUNNING"


class Fuse:
    """Blows at the operations whose numbers it is given, each time before or after the operation is done."""

    def __init__(self, faults: list[int]) -> None:
        self.faults = set(faults)
        self.count = 0

    def blows(self) -> bool:
        self.count += 1
        return self.count in self.faults


class FlakyStore:
    """A store some of whose operations fail, half of them after they were done."""

    def __init__(self, store: object, fuse: Fuse) -> None:
        self._store = store
        self._fuse = fuse

    def __getattr__(self, name: str) -> Callable[..., Any]:
        operation = getattr(self._store, name)

        def attempt(*arguments: object) -> object:
            if not self._fuse.blows():
                return operation(*arguments)
            if self._fuse.count % 2:
                operation(*arguments)
            raise TransientError(f"{name} failed")

        return attempt


def failing(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def document_as(document: dict[str, Any], **changes: str) -> bytes:
    return json.dumps(document | changes).encode()
