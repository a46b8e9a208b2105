"""Workers beside a server: processes of its own, in its process group, that live as long as it does."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from stocktake.service import house

_log = logging.getLogger("stocktake")

LOOK_EVERY_S = 0.5
AGAIN_S_MIN, AGAIN_S_MAX = 1.0, 60.0  # before one that has ended is started anew
STOP_WITHIN_S = 30.0


@contextmanager
def workers_beside(
    options: Sequence[str], count: int = 1, stopping: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """`count` times `stocktake worker OPTIONS`, while the block runs. One that ends is started anew, after a while that
    grows. At the end, or as soon as `stopping` says so, they give back what they work on; they do so, too, when this
    process is killed, for then their stdin closes.

    `options` are seen by everybody on this machine: a ledger's URL with a password belongs into STOCKTAKE_LEDGER.
    """
    over = threading.Event()

    def ending(within_s: float) -> bool:
        """Whether they are to end, now or within so many seconds."""
        until = house.monotonic() + within_s
        while not (ended := over.is_set() or stopping()) and house.monotonic() < until:
            over.wait(LOOK_EVERY_S)
        return ended

    keepers = [threading.Thread(target=_keep, args=(options, ending)) for _ in range(count)]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        over.set()
        for keeper in keepers:
            keeper.join()


def _keep(options: Sequence[str], ending: Callable[[float], bool]) -> None:
    again_s = AGAIN_S_MIN
    while not ending(0):
        worker = subprocess.Popen(  # noqa: S603 - this program, with words of its own
            [sys.executable, "-m", "stocktake", "worker", "--while-stdin-is-open", *options],
            stdin=subprocess.PIPE,
        )
        while worker.poll() is None and not ending(LOOK_EVERY_S):
            pass
        if worker.poll() is None:
            _end(worker)
            return
        _close(worker)
        # Ctrl-C goes to all of a process group, and a worker may have heeded it first.
        if ending(LOOK_EVERY_S):
            return
        # It ends with 0 where somebody has asked it to, and that is no error.
        _log.log(
            logging.ERROR if worker.returncode else logging.INFO,
            "a worker has ended with %s; the next one begins in %g s",
            worker.returncode,
            again_s,
        )
        ending(again_s)
        again_s = min(2 * again_s, AGAIN_S_MAX)


def _close(worker: subprocess.Popen[bytes]) -> None:
    assert worker.stdin is not None
    worker.stdin.close()


def _end(worker: subprocess.Popen[bytes]) -> None:
    _close(worker)
    try:
        worker.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
