"""A worker process: lanes that list and enrich ranges, one writer that encodes and delivers data files.

It ends when the pipe of its tasks is closed, whatever it is doing: so none goes on working after its parent is killed.

Four threads, for what waits for different things: the tasks, the network (all lanes), the disk (segments), the
destination (the writer).
"""

from __future__ import annotations

import os
import queue
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection as Pipe
from random import Random
from typing import TypeAlias

import pyarrow as pa

from stocktake.inventory.asking_later import ANSWERED_WITHIN_S, ask_about
from stocktake.inventory.calls import call_plan
from stocktake.inventory.delivery import deliver_group
from stocktake.inventory.enrichment import Enricher
from stocktake.inventory.lanes import Lanes, Pause
from stocktake.inventory.listing import OpenRange, list_range
from stocktake.inventory.messages import (
    AskAbout,
    AskedAbout,
    AskNoMore,
    Begin,
    Failed,
    Listed,
    LookAgain,
    Looked,
    RangeDone,
    Ready,
    Report,
    Split,
    SplitRange,
    Spooled,
    StillThere,
    Stop,
    Task,
    UploadBegun,
    UploadNoted,
    WorkRange,
    WriteFile,
    Written,
)
from stocktake.inventory.ordering import VersionOrder
from stocktake.inventory.reading import PageReader
from stocktake.inventory.recollection import Recollection, recollect
from stocktake.inventory.sealing import seal
from stocktake.inventory.second_look import Memory, Spot, look_again
from stocktake.inventory.spool import Spool
from stocktake.inventory.taking_over import rows_of_file
from stocktake.inventory.telling import Telling
from stocktake.model.errors import InventoryError, SpoolError, StoppedError, StoreError
from stocktake.model.pieces import Segment
from stocktake.model.runs import Counted, Counters
from stocktake.store.connection import Connection
from stocktake.store.destinations import open_destination
from stocktake.store.transport import Transport

# Data files' worth of segments that may wait for the writer before the lanes do: what bounds the spool.
FILES_WAITING_MAX = 2
# How soon a task is noticed while all lanes wait for the network.
TASKS_NOTICED_S = 0.01
SPOTS_REMEMBERED_MAX = 16
# How soon a stop is noticed by a writer that waits until its upload is noted.
NOTED_LOOKED_FOR_S = 0.05
# Each step on the way from a page to its segment costs about as much for a few thousand rows as for one.
ROWS_TOGETHER = 8_000

Kept: TypeAlias = Spooled | AskedAbout | RangeDone


class Worker:
    """What one process does with its tasks. `say` sends a report; it is called from several threads."""

    def __init__(self, begin: Begin, say: Callable[[Report], None]) -> None:
        self.run, self.folder = begin.run, begin.folder
        self._way = begin.way
        self.memory = begin.memory
        self.say = say
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._files: queue.SimpleQueue[WriteFile | None] = queue.SimpleQueue()
        self._kept: queue.SimpleQueue[Kept | None] = queue.SimpleQueue()
        self._files_waiting = 0
        self._noted = threading.Event()
        self._stopping = threading.Event()

    def take(self, task: Task) -> None:
        """Accept a task from the parent; returns at once."""
        match task:
            case WriteFile():
                self._files.put(task)
            case UploadNoted():
                self._noted.set()
            case StillThere():
                self.say(Listed((), Counter()))
            case Stop():
                self._stopping.set()
                self._files.put(None)
            case _:
                self._tasks.put(task)

    def work(self) -> None:
        """Do what comes, until a Stop or the first failure of any thread, which is said to the parent."""
        threads = [
            threading.Thread(target=self._guarded, args=(part,), daemon=True)
            for part in (self._write_files, self._keep_segments)
        ]
        for thread in threads:
            thread.start()
        self._guarded(self._list_ranges)
        self._kept.put(None)
        for thread in threads:
            thread.join()

    def _guarded(self, part: Callable[[], None]) -> None:
        try:
            part()
        except StoppedError:
            pass  # the parent asked for it and knows
        except InventoryError as error:
            self.say(Failed(error))
        except Exception as error:  # noqa: BLE001 - a defect here must fail the run, not hang it
            what = f"internal error in a worker: {type(error).__name__}: {error}"
            self.say(Failed(InventoryError(what)))

    def _list_ranges(self) -> None:
        connection = Connection.resume(self.run.source, self._way)
        spent: Counters = Counter()
        with (
            Transport(connection, self.run.limits, spent) as transport,
            closing(Lanes(transport)) as lanes,
        ):
            listing = _Listing(self, transport, lanes, spent)
            self.say(Ready(os.getpid()))
            try:
                while not self._stopping.is_set():
                    self._turn(listing, lanes)
            except InventoryError:
                listing.tell()  # what it means hangs on the pages before
                raise

    def _turn(self, listing: _Listing, lanes: Lanes) -> None:
        while (task := self._next_task(wait=not len(lanes))) is not None:
            listing.take(task)
        if lanes.turn(0.0):
            listing.tell_if_due()
        elif len(lanes):
            listing.tell_waiting()  # while all wait for the network, there is time to speak
            lanes.turn(TASKS_NOTICED_S)
        else:
            listing.tell()

    def _next_task(self, *, wait: bool) -> Task | None:
        if not wait and self._tasks.empty():
            return None  # as nearly always; an exception costs more
        try:
            return self._tasks.get(timeout=TASKS_NOTICED_S)
        except queue.Empty:
            return None

    def _keep_segments(self) -> None:
        """Say that a segment or a range is finished once that is true whatever happens to this machine."""
        while (report := self._kept.get()) is not None:
            if not isinstance(report, RangeDone):
                report = replace(report, segment=seal(report.segment))
            self.say(report)

    def _write_files(self) -> None:
        if (task := self._files.get()) is None:
            return  # the door to a bucket is opened only by who has something to deliver
        spent: Counters = Counter()
        counted = Counted(spent)
        with open_destination(self.run, spent, self._tell_upload) as destination:
            while task is not None:
                file = deliver_group(
                    self.run,
                    task.key,
                    task.group,
                    folder=self.folder,
                    destination=destination,
                    stopping=self._stopping,
                )
                self.say(Written(file, counted.since()))
                if task.group[-1].full:
                    self._files_waiting -= 1
                task = self._files.get()

    def _tell_upload(self, key: str, upload_id: str) -> None:
        """Have the parent note an upload, and wait until it has; one that is stopped aborts it in any case."""
        self._noted.clear()
        self.say(UploadBegun(key, upload_id))
        while not (self._noted.wait(NOTED_LOOKED_FOR_S) or self._stopping.is_set()):
            pass

    # -- for the lanes -----------------------------------------------------------------------------

    def keep(self, spooled: Spooled) -> None:
        """Take a finished segment."""
        self._files_waiting += spooled.segment.full
        self._kept.put(spooled)

    def finish(self, done: RangeDone | AskedAbout) -> None:
        """Take note that a range is finished, its segments were all taken before; or what a segment has become."""
        self._kept.put(done)

    def room(self) -> Pause:
        """Waits until the writer has caught up."""
        return Pause(lambda: self._files_waiting < FILES_WAITING_MAX)


class _Listing:
    """What the lanes of a worker share, and the ranges they list."""

    def __init__(self, worker: Worker, transport: Transport, lanes: Lanes, spent: Counters) -> None:
        self._worker = worker
        self._transport = transport
        self._lanes = lanes
        self._spent = Counted(spent)
        self._run = worker.run
        self._plan = call_plan(self._run.fields)
        self._enricher = Enricher(self._run, self._plan, transport)
        self._reader = PageReader(versions=self._run.configuration.all_versions)
        prefix = self._run.configuration.prefix
        self._memory = Memory(SPOTS_REMEMBERED_MAX, Random(), prefix)  # noqa: S311 - no secret hangs on it
        self._ranges: dict[int, OpenRange] = {}
        # Of pages that only report what listing told, so many rows are worked on together; a page where objects are
        # asked about one by one.
        self._file_rows_max = rows_of_file(self._run)
        asks_of_all = self._plan.asks and worker.memory is None
        self._rows_together = 1 if asks_of_all else ROWS_TOGETHER
        self._telling = Telling(worker.say, self._spent, transport.now)
        self.tell, self.tell_if_due = self._telling.tell, self._telling.tell_if_due
        self.tell_waiting = self._telling.tell_waiting

    def take(self, task: Task) -> None:
        """Begin with a task that has to do with the source."""
        match task:
            case WorkRange(index, keys, serial):
                self._ranges[index] = OpenRange(keys, serial=serial)
                self._lanes.start(self._list(index, self._ranges[index]))
            case SplitRange(index, pivot):
                self.tell()
                open_range = self._ranges.get(index)
                granted = open_range is not None and open_range.split(pivot)
                self._worker.say(Split(index, pivot, granted))
            case LookAgain():
                self._look_again(task)
            case AskAbout():
                self._lanes.start(self._ask_about(task))
            case AskNoMore():
                self._transport.end(ANSWERED_WITHIN_S)
            case _:
                raise ValueError(f"not a task for a lane: {task}")

    async def _list(self, index: int, keys: OpenRange) -> None:
        """The lane of one range: list, put in order, enrich, spool."""
        found: Counters = Counter()
        order = VersionOrder(found) if self._run.configuration.all_versions else None
        in_order = (lambda rows: (rows,)) if order is None else order.add
        with Spool(
            self._worker.folder,
            keys.after,
            self._enricher.schema,
            file_rows_max=self._file_rows_max,
            counters=found,
            clock=self._transport.now,
            keep=lambda segment: self._keep(index, segment),
        ) as spool:
            held: list[pa.RecordBatch] = []
            recollection = recollect(self._run, self._worker.memory, keys.after, found)
            spooled = partial(self._spool, spool, found, recollection)
            try:
                async for rows in self._gathered(index, keys, held):
                    await spooled(in_order(rows))
                    await self._worker.room()
                await spooled(order.finish() if order is not None else ())
            except (GeneratorExit, StoreError):
                # Who goes on with the run need not list again what is here. What is held needs no further request.
                with suppress(SpoolError, StoreError):
                    if held:
                        await spooled(in_order(pa.concat_batches(held)))
                    if order is None or order.between_keys:
                        spool.stop()
                raise
            finally:
                if recollection is not None:
                    recollection.close()
            spool.finish(keys.upto)
        del self._ranges[index]
        self.tell()
        self._worker.finish(RangeDone(index, self._spent.since()))

    async def _spool(
        self,
        spool: Spool,
        found: Counters,
        recollection: Recollection | None,
        ordered: Iterable[pa.RecordBatch],
    ) -> None:
        for rows in ordered:
            for part in spool.parts(rows):
                spool.add(await self._enricher.enrich(part, found, recollection))

    async def _gathered(
        self, index: int, keys: OpenRange, held: list[pa.RecordBatch]
    ) -> AsyncIterator[pa.RecordBatch]:
        """The rows of the range, those of several pages together; `held` are those that are not given yet. Each page is
        told, and may be looked at again.
        """
        after = keys.after
        pages = list_range(
            self._run,
            self._plan,
            keys,
            self._transport,
            self._reader,
            remembers=self._worker.memory is not None,
        )
        async for page in pages:
            self._memory.add(after, page, keys.upto, serial=keys.serial)
            self._telling.note(index, page)
            after = keys.kept
            if page.rows.num_rows:
                held.append(page.rows)
            if held and (keys.done or sum(rows.num_rows for rows in held) >= self._rows_together):
                together = pa.concat_batches(held)
                held.clear()
                yield together

    def _keep(self, index: int, segment: Segment) -> None:
        self.tell()
        silent, since_s = self._enricher.silent, self._enricher.since_s
        segment = replace(segment, silent=silent if segment.rows else None, since_s=since_s)
        self._worker.keep(Spooled(index, segment))

    async def _ask_about(self, task: AskAbout) -> None:
        """The lane of a segment whose rows are asked about after all is listed."""
        segment, left = await ask_about(
            task.segment,
            task.todo,
            self._enricher,
            folder=self._worker.folder,
            over=lambda: self._transport.ended,
        )
        self._worker.finish(AskedAbout(task.number, segment, left, self._spent.since()))

    def _look_again(self, task: LookAgain) -> None:
        """List all spots again, side by side."""
        spots = [*task.spots, *self._memory.spots(task.own_max)]
        spots += self._memory.suspects() if task.suspects else []
        seen: list[bool] = []

        async def look_at(spot: Spot) -> None:
            since_s = self._enricher.since_s
            seen.append(await look_again(self._run, spot, self._transport, since_s=since_s))
            if len(seen) == len(spots):
                self._worker.say(Looked(seen.count(False), self._spent.since()))

        for spot in spots:
            self._lanes.start(look_at(spot))
        if not spots:
            self._worker.say(Looked(0, self._spent.since()))


def serve(tasks_fd: int, reports_fd: int) -> None:
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
