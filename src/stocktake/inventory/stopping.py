"""What `stop` being set means to the parent: the requests under way end, and no silent store is waited for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from typing import TypeVar

from stocktake.model.errors import StoppedError
from stocktake.store.transport import Transport

T = TypeVar("T")

LOOK_EVERY_S = 0.2
PATIENCE_S = 2.0
STOPPED = "stopped before the report was complete; nothing was published"


@contextmanager
def stopping(stop: threading.Event, transport: Transport) -> Iterator[None]:
    """While this lasts, `stop` being set also ends what `transport` is doing."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(LOOK_EVERY_S):
            if stop.is_set():
                transport.stop()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def unless_stopped(stop: threading.Event, ask: Callable[[], T]) -> T:
    """What `ask` returns or raises. It is asked in a thread of its own, which is left to itself where the store does
    not answer within PATIENCE_S of `stop` being set: boto3 waits for minutes, and nothing can make it leave off.

    Raises:
        StoppedError: `stop` is set, and there is no answer yet.
    """
    outcome: Future[T] = Future()

    def fulfil() -> None:
        try:
            outcome.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that asked
            outcome.set_exception(error)

    threading.Thread(target=fulfil, daemon=True).start()
    while not wait([outcome], LOOK_EVERY_S).done:
        if stop.is_set() and not wait([outcome], PATIENCE_S).done:
            raise StoppedError(STOPPED)
    return outcome.result()
