"""Engine calls that a signal can end.

Python hears a signal only when the call it waits for returns, and a query returns when its first rows are there. So the
engine works in a thread of its own, and the one that waits for it tells it to stop.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from threading import Event
from typing import TypeVar

from stocktake.model.errors import StoppedError

_T = TypeVar("_T")
# A wait without an end does not hear signals while the engine works; and an engine that has not begun yet forgets that
# it was told to stop.
_TICK_S = 0.1


class Interruptible(AbstractContextManager["Interruptible"]):
    """Runs calls one at a time. `interrupt` makes the one that is under way end, with an error. So does `stop`,
    once it is set, for threads that hear no signal.
    """

    def __init__(self, interrupt: Callable[[], None], stop: Event | None = None) -> None:
        self._interrupt = interrupt
        self._stop = stop or Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="stocktake-query")

    def run(self, work: Callable[[], _T]) -> _T:
        """What `work` returns or raises.

        Raises:
            StoppedError: `stop` is set; `work` has ended then.
            KeyboardInterrupt: or whatever else a signal raises here; `work` has ended then.
        """
        future = self._thread.submit(work)
        try:
            while not wait([future], timeout=_TICK_S).done:
                if self._stop.is_set():
                    raise StoppedError("stopped before the answer was there")
        finally:
            while not future.done():  # a second signal ends the wait
                self._interrupt()
                wait([future], timeout=_TICK_S)
        return future.result()

    def close(self) -> None:
        """Wait for the call under way, and end the thread."""
        self._thread.shutdown()

    def __exit__(self, *_: object) -> None:
        self.close()
