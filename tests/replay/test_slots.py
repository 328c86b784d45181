"""Who gets a place for a handler, and when."""

from __future__ import annotations

import asyncio

from ionfleet_replay.slots import Slots


async def worker(slots, name, order, *, urgent):
    async with slots.place(urgent=urgent):
        order.append(name)
        await asyncio.sleep(0)


def test_urgent_work_goes_before_what_waited_longer_and_each_kind_in_order():
    async def run():
        slots, order = Slots(1), []
        kinds = [("map 1", False), ("map 2", False), ("map 3", False), ("queue 1", True), ("queue 2", True)]
        await asyncio.gather(*(worker(slots, name, order, urgent=urgent) for name, urgent in kinds))
        return order

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

    assert asyncio.run(run()) == ["last"]
