"""Workers beside a server: processes of its own, in its process group, that live as long as it does."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

_log = logging.getLogger("stocktake")

LOOK_EVERY_S = 0.5
AGAIN_S_MIN, AGAIN_S_MAX = 1.0, 60.0  # before one that has ended is started anew
STOP_WITHIN_S = 30.0


@contextmanager
def workers_beside(options: Sequence[str], count: int = 1) -> Iterator[None]:
    """`count` times `stocktake worker OPTIONS`, while the block runs. One that ends is started anew, after a while that
    grows. At the end they give back what they work on; they do so, too, when this process is killed, for then their
    stdin closes.

    `options` are seen by everybody on this machine: a ledger's URL with a password belongs into STOCKTAKE_LEDGER.
    """
    over = threading.Event()
    keepers = [threading.Thread(target=_keep, args=(options, over)) for _ in range(count)]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        over.set()
        for keeper in keepers:
            keeper.join()


def _keep(options: Sequence[str], over: threading.Event) -> None:
    again_s = AGAIN_S_MIN
    while not over.is_set():
        worker = subprocess.Popen(  # noqa: S603 - this program, with words of its own
            [sys.executable, "-m", "stocktake", "worker", "--while-stdin-is-open", *options],
            stdin=subprocess.PIPE,
        )
        while worker.poll() is None and not over.wait(LOOK_EVERY_S):
            pass
        if worker.poll() is None:
            _end(worker)
            return
        _close(worker)
        _log.error(
            "a worker has ended with %s; the next one begins in %g s", worker.returncode, again_s
        )
        over.wait(again_s)
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
