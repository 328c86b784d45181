"""Calls made several at a time: their order, how many there are at once, and what is left when something fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ionfleet import concurrently
from ionfleet.concurrently import AT_ONCE, in_order

WAIT_SECONDS = 20


class Calls:
    """Counts calls that are under way; each ends once it is let go."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun: list[int] = []
        self.running = self.most = 0

    def __call__(self, number: int) -> int:
        with self.lock:
            self.begun.append(number)
            self.running += 1
            self.most = max(self.most, self.running)
        try:
            return self.answer(number)
        finally:
            with self.lock:
                self.running -= 1

    def answer(self, number: int) -> int:
        return number * number


class Gathering(Calls):
    """Calls that end only when so many of them are under way at the same time."""

    def __init__(self, together: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(together, timeout=WAIT_SECONDS)

    def answer(self, number: int) -> int:
        self.barrier.wait()
        return number * number


class Failing(Calls):
    def answer(self, number: int) -> int:
        if number in (3, 5):
            raise RuntimeError(f"call {number}")
        return number


def test_results_come_in_the_order_of_the_items() -> None:
    released = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert released.wait(WAIT_SECONDS)
        if number == 5:
            released.set()
        return -number

    assert list(in_order(call, range(6))) == [0, -1, -2, -3, -4, -5]
    assert list(in_order(call, [])) == []


def test_calls_are_under_way_together_and_no_more_than_may_be() -> None:
    calls = Gathering(together=4)
    assert list(in_order(calls, range(12), at_once=4)) == [number * number for number in range(12)]
    assert calls.most == 4
    assert concurrently.AT_ONCE == AT_ONCE >= 4


def test_what_waits_to_be_taken_counts_as_under_way() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(9):
            assert number - len(taken) <= 3
            yield number

    taken.extend(in_order(lambda number: number, items(), at_once=3))
    assert taken == list(range(9))


def test_together_they_hold_no_more_than_may_be_held_unless_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(concurrently, "BYTES_AT_ONCE", 10)
    sizes = [4, 4, 4, 30, 1, 9, 2]
    taken: list[int] = []

    def size(number: int) -> int:
        return sizes[number]

    def held(number: int) -> int:
        under_way = sum(sizes[len(taken) : number + 1])
        assert under_way <= 10 or number == len(taken)
        return number

    taken.extend(in_order(held, range(len(sizes)), size))
    assert taken == list(range(len(sizes)))


def test_the_first_failure_in_order_is_raised_and_nothing_is_left_under_way() -> None:
    calls = Failing()
    before = threading.active_count()
    found: list[int] = []
    with pytest.raises(RuntimeError, match="call 3"):
        found.extend(in_order(calls, range(100), at_once=4))
    assert found == [0, 1, 2]
    assert (calls.running, threading.active_count()) == (0, before)
    assert max(calls.begun) <= 6


def test_an_iterator_that_is_closed_leaves_nothing_under_way() -> None:
    calls = Calls()
    before = threading.active_count()
    results = in_order(calls, range(100), at_once=4)
    assert next(results) == 0
    results.close()
    assert (calls.running, threading.active_count()) == (0, before)
    assert max(calls.begun) <= 4


def test_items_that_cannot_be_made_end_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no second item")

    with pytest.raises(LookupError, match="no second item"):
        list(in_order(lambda number: number, items()))
