"""Who gets a place for a handler, and when."""

from __future__ import annotations

import asyncio

import pytest

from ionfleet_replay.memory import MARGIN, SHARE, Expectations, available_mb
from ionfleet_replay.slots import Slots


async def worker(slots, name, order, *, urgent=False, memory_mb=0.0):
    async with slots.place(urgent=urgent, memory=lambda: memory_mb):
        order.append(name)
        await asyncio.sleep(0)
        order.append(f"{name} is done")


def test_urgent_work_goes_before_what_waited_longer_and_each_kind_in_order():
    async def run():
        slots, order = Slots(1), []
        kinds = [("map 1", False), ("map 2", False), ("map 3", False), ("queue 1", True), ("queue 2", True)]
        await asyncio.gather(*(worker(slots, name, order, urgent=urgent) for name, urgent in kinds))
        return [name for name in order if "done" not in name]

    assert asyncio.run(run()) == ["map 1", "queue 1", "queue 2", "map 2", "map 3"]


def test_no_more_hold_a_place_than_there_are():
    async def run():
        slots, held, most = Slots(3), 0, 0

        async def hold():
            nonlocal held, most
            async with slots.place(urgent=False):
                held += 1
                most = max(most, held)
                await asyncio.sleep(0)
                held -= 1

        await asyncio.gather(*(hold() for _ in range(10)))
        return most

    assert asyncio.run(run()) == 3


def test_who_is_cancelled_while_waiting_or_just_served_leaves_the_place_to_others():
    async def run():
        slots, order = Slots(1), []
        async with slots.place(urgent=False):
            waiting, served, last = (
                asyncio.create_task(worker(slots, name, order, urgent=False)) for name in ("waiting", "served", "last")
            )
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.sleep(0)
        served.cancel()  # it has the place now, and does not know yet
        await last
        return order

    assert asyncio.run(run()) == ["last", "last is done"]


def test_those_who_hold_a_place_have_no_more_memory_than_there_is_and_nobody_overtakes():
    async def run():
        slots, order = Slots(8, memory_mb=1000), []
        sizes = {"a": 600, "b": 300, "large": 900, "small": 10}
        await asyncio.gather(*(worker(slots, name, order, memory_mb=size) for name, size in sizes.items()))
        return order

    events = ["a", "b", "a is done", "b is done", "large", "small", "large is done", "small is done"]
    assert asyncio.run(run()) == events


def test_who_needs_more_than_there_is_has_it_alone():
    async def run():
        slots, order = Slots(8, memory_mb=100), []
        await asyncio.gather(*(worker(slots, name, order, memory_mb=500) for name in ("x", "y")))
        return order

    assert asyncio.run(run()) == ["x", "x is done", "y", "y is done"]


def test_who_waits_for_memory_and_is_cancelled_makes_way():
    async def run():
        slots, order = Slots(8, memory_mb=100), []
        async with slots.place(urgent=False, memory=lambda: 60):
            large, small = (
                asyncio.create_task(worker(slots, name, order, memory_mb=size))
                for name, size in (("large", 80), ("small", 30))
            )
            await asyncio.sleep(0)
            large.cancel()
            await small
        return order

    assert asyncio.run(run()) == ["small", "small is done"]


def test_a_function_is_expected_to_take_its_memory_until_it_has_shown_what_it_takes():
    expected = Expectations()
    assert expected.of("sort", 1769) == 1769
    expected.learn("sort", 0.0)
    assert expected.of("sort", 1769) == 1769
    for peak in (400, 300):
        expected.learn("sort", peak)
    assert expected.of("sort", 1769) == MARGIN * 400
    expected.learn("sort", 1700)
    assert (expected.of("sort", 1769), expected.of("annotate", 1769)) == (1769, 1769)


@pytest.mark.parametrize(
    ("limit", "free_mb"), [("max", 800), (f"{700 << 20}", 600), (f"{2000 << 20}", 800), (None, 800)]
)
def test_memory_is_the_machines_or_the_containers(tmp_path, limit, free_mb):
    (tmp_path / "meminfo").write_text(f"MemTotal: 1 kB\nMemAvailable: {800 << 10} kB\n")
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{100 << 20}\n")
    assert available_mb(tmp_path, tmp_path) == pytest.approx(SHARE * free_mb)
