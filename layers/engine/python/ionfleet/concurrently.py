"""Calls that wait for others, made several at a time: requests to an object store while results are worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

AT_ONCE = 16
"""Calls under way at one time. A client needs as many connections."""
BYTES_AT_ONCE = 32 << 20
"""What calls may hold that are under way or wait to be taken, unless one alone holds more."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    call: Callable[[Item], Result],
    items: Iterable[Item],
    size: Callable[[Item], int] = lambda _: 0,
    at_once: int = AT_ONCE,
) -> Iterator[Result]:
    """Yield `call(item)` for each item, in the order of the items, while calls for later items are under way.

    Items are taken one by one in the caller's thread, no earlier than a call can be made for them; calls are made in
    threads of their own. When the iterator ends, fails or is closed, no call is under way any more.

    Parameters
    ----------
    call
        What to call; it must bear being called by several threads.
    items
        Its arguments.
    size
        Bytes that the call for an item holds; together at most `BYTES_AT_ONCE`, unless one alone holds more.
    at_once
        Calls that are under way, or whose results wait to be taken, at most.

    Raises
    ------
    Exception
        What the first of the calls that fail raises, in the order of the items. Calls not begun by then never are.

    """
    waiting: deque[tuple[Future[Result], int]] = deque()
    with ThreadPoolExecutor(at_once) as pool:
        try:
            for item in items:
                more = size(item)
                while waiting and (len(waiting) == at_once or more + sum(held for _, held in waiting) > BYTES_AT_ONCE):
                    yield waiting.popleft()[0].result()
                waiting.append((pool.submit(call, item), more))
            while waiting:
                yield waiting.popleft()[0].result()
        finally:
            for future, _ in waiting:
                future.cancel()
