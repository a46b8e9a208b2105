"""A worker process: one lane that lists and enriches ranges, one writer that encodes and delivers data files.

Started by the engine as `python -m stocktake.inventory.worker TASKS_FD REPORTS_FD`, never forked. It ends when the pipe
its tasks come through is closed, whatever it is doing: so no process goes on working after its parent was killed.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection as Pipe

from stocktake.inventory.calls import call_plan
from stocktake.inventory.delivery import deliver_group, open_destination
from stocktake.inventory.enrichment import Enricher
from stocktake.inventory.listing import list_range
from stocktake.inventory.messages import (
    Begin,
    Failed,
    Listed,
    RangeDone,
    Report,
    Spooled,
    Stop,
    Task,
    WorkRange,
    WriteFile,
    Written,
)
from stocktake.inventory.ordering import order_versions
from stocktake.inventory.spool import Segment, Spool
from stocktake.model.errors import InventoryError, StoppedError
from stocktake.model.fields import report_schema
from stocktake.model.runs import Counters
from stocktake.store.connection import Connection
from stocktake.store.transport import Transport

# Full segments that may wait for the writer before the lane does: what bounds the spool.
SEGMENTS_WAITING_MAX = 2


class Worker:
    """What one process does with its tasks. `say` sends a report; it is called from both threads."""

    def __init__(self, begin: Begin, say: Callable[[Report], None]) -> None:
        self._run = replace(
            begin.run, limits=replace(begin.run.limits, concurrency=begin.concurrency)
        )
        self._folder = begin.folder
        self._say = say
        self._ranges: queue.SimpleQueue[WorkRange | None] = queue.SimpleQueue()
        self._files: queue.SimpleQueue[WriteFile | None] = queue.SimpleQueue()
        self._room = threading.Semaphore(SEGMENTS_WAITING_MAX)
        self._stopping = threading.Event()
        self._transport: Transport | None = None

    def take(self, task: Task) -> None:
        """Accept a task from the parent; returns at once."""
        match task:
            case WorkRange():
                self._ranges.put(task)
            case WriteFile():
                self._files.put(task)
            case Stop():
                self._stopping.set()
                if self._transport is not None:
                    self._transport.stop()
                self._ranges.put(None)
                self._files.put(None)
                self._room.release()
            case Begin():
                raise ValueError("a worker begins once")

    def work(self) -> None:
        """Do what comes, until a Stop or the first failure of either thread, which is said to the parent."""
        writer = threading.Thread(target=self._guarded, args=(self._write_files,), daemon=True)
        writer.start()
        self._guarded(self._list_ranges)
        writer.join()

    def _guarded(self, part: Callable[[], None]) -> None:
        try:
            part()
        except StoppedError:
            pass  # the parent asked for it and knows
        except InventoryError as error:
            self._say(Failed(error))
        except Exception as error:  # noqa: BLE001 - a defect here must fail the run, not hang it
            self._say(
                Failed(
                    InventoryError(f"internal error in a worker: {type(error).__name__}: {error}")
                )
            )

    def _list_ranges(self) -> None:
        connection = Connection.open(self._run.source, region=self._run.region)
        counters = Counters()
        with Transport(connection, self._run.limits, counters) as transport:
            self._transport = transport
            counted = _Counted(counters)
            while not self._stopping.is_set() and (task := self._ranges.get()) is not None:
                self._list_one(task, transport, counters, counted)

    def _list_one(
        self, task: WorkRange, transport: Transport, counters: Counters, counted: _Counted
    ) -> None:
        run, key = self._run, task.range.after

        def tell() -> None:
            self._say(Listed(task.index, counted.since(), key))

        transport.on_tick = tell
        plan = call_plan(run.fields)
        enricher = Enricher(run, plan, transport, counters)
        listed = list_range(run, plan, task.range, transport, counters)
        if run.configuration.all_versions:
            listed = order_versions(listed, counters)
        schema = report_schema(run.fields)
        with Spool(
            self._folder,
            task.range,
            schema,
            run.limits.file_rows_max,
            self._segment_sayer(task.index),
        ) as spool:
            for batch in listed:
                rows = enricher.enrich(batch)
                spool.add(rows)
                if self._stopping.is_set():
                    raise StoppedError("stopped")
                key = batch.column("key")[-1].as_py()
                tell()
            spool.finish()
        self._say(RangeDone(task.index, counted.since(), enricher.silent))

    def _segment_sayer(self, index: int) -> Callable[[Segment], None]:
        def say(segment: Segment) -> None:
            self._say(Spooled(index, segment))
            if segment.full:
                self._room.acquire()

        return say

    def _write_files(self) -> None:
        counters = Counters()
        counted = _Counted(counters)
        with open_destination(self._run, counters) as destination:
            while (task := self._files.get()) is not None:
                file = deliver_group(
                    self._run,
                    task.key,
                    task.group,
                    folder=self._folder,
                    destination=destination,
                    stopping=self._stopping,
                )
                self._say(Written(file, counted.since()))
                if task.group[0].full:
                    self._room.release()


class _Counted:
    """Tells what was counted since it was last asked. Nothing is reset: others compare counts of before and after."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._told = Counters()

    def since(self) -> Counters:
        news = self._counters - self._told
        self._told = Counters(self._counters)
        return news


def main(tasks_fd: int, reports_fd: int) -> None:
    """Serve one run over two pipes; end when the tasks end."""
    tasks, reports = Pipe(tasks_fd, writable=False), Pipe(reports_fd, readable=False)
    lock = threading.Lock()

    def say(report: Report) -> None:
        with lock:
            reports.send(report)

    try:
        begin = tasks.recv()
    except (EOFError, OSError):
        return
    worker = Worker(begin, say)

    def listen() -> None:
        try:
            while True:
                worker.take(tasks.recv())
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    worker.work()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
