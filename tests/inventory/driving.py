"""Drives one coroutine of a lane to its end, in the test's own thread."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from stocktake.inventory.lanes import Lanes
from stocktake.store.transport import Transport

T = TypeVar("T")


def drive(transport: Transport, lane: Coroutine[Any, Any, T]) -> T:
    """What `lane` returns, or raises."""
    returned: list[T] = []

    async def run() -> None:
        returned.append(await lane)

    lanes = Lanes(transport)
    try:
        lanes.start(run())
        while len(lanes):
            lanes.turn(0.01)
    finally:
        lanes.close()
    return returned[0]


async def gather(items: AsyncIterator[T]) -> list[T]:
    """All of `items`."""
    return [item async for item in items]
