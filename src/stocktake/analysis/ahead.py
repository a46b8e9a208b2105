"""Reading ahead: what is read and what is made of it, on two cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def read_ahead(source: Iterator[_T], most: int) -> Iterator[_T]:
    """What `source` yields, which a thread of its own makes, at most `most` of it before it is taken. What goes wrong
    there goes wrong here, at its place.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="stocktake-ahead") as thread:
        coming = deque(thread.submit(next, source, None) for _ in range(most))
        try:
            while (made := coming.popleft().result()) is not None:
                coming.append(thread.submit(next, source, None))
                yield made
        finally:
            for each in coming:
                each.cancel()
