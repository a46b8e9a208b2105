"""A worker says that it is there, whether it has a run or not."""

from __future__ import annotations

import logging
import threading
from uuid import uuid4

from stocktake import __version__
from stocktake.model.errors import InventoryError
from stocktake.model.scheduled import WORKER_BEAT
from stocktake.state.owners import this_process
from stocktake.state.workers import Workers

_log = logging.getLogger("stocktake")


def beat_until(stop: threading.Event, workers: Workers) -> None:
    """Note in the ledger that this process is there, until `stop` is set; then, that it is there no more. A ledger that
    cannot be used is told with the next beat.
    """
    identity, process = uuid4().hex, this_process()
    while not stop.is_set():
        try:
            workers.beat(identity, process.host, process.pid, __version__)
        except InventoryError as error:
            _log.warning("the ledger is not told that this worker is there: %s", error)
        stop.wait(WORKER_BEAT.total_seconds())
    try:
        workers.ended(identity)
    except InventoryError as error:  # it is taken for gone a minute later
        _log.warning("the ledger is not told that this worker has ended: %s", error)
