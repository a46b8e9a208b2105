"""Where ranges are worked: this machine's processes. The parent plans, counts and decides; the workers do the work.

Rows never travel between them; what does are ranges, facts of pages, segments and the facts of data files. Which range
ends where, only the worker that lists it knows at any moment: so the parent asks it to split, and it may refuse.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType

from stocktake.inventory.asking_later import AskingLater
from stocktake.inventory.assembly import Group, absorb_empty, group_range, group_segments
from stocktake.inventory.calls import call_plan
from stocktake.inventory.journal import Journal
from stocktake.inventory.looking import SecondLooks
from stocktake.inventory.messages import (
    AskedAbout,
    Begin,
    Failed,
    Listed,
    Looked,
    RangeDone,
    Ready,
    Report,
    Split,
    SplitRange,
    Spooled,
    UploadBegun,
    UploadNoted,
    WorkRange,
    WriteFile,
    Written,
)
from stocktake.inventory.processes import WorkerProcess, WorkerProcesses
from stocktake.inventory.ranges import Ranges
from stocktake.inventory.shares import lanes_per_process, process_count, share
from stocktake.inventory.splitting import Splitter, Take
from stocktake.inventory.spool import drop_segment
from stocktake.inventory.stopping import STOPPED
from stocktake.inventory.watching import Watch
from stocktake.model.capabilities import Walk
from stocktake.model.errors import InventoryError, MarkerIgnoredError, StoppedError
from stocktake.model.histogram import StoredHistogram
from stocktake.model.keys import KeyRange
from stocktake.model.pieces import Kept, Segment
from stocktake.model.remembering import Memory
from stocktake.model.runs import (
    Counters,
    DataFile,
    InventoryRun,
    ListedRange,
    Progress,
    RunStage,
)
from stocktake.store.connection import Way

POLL_S = 0.2
STOP_WITHIN_S = 5.0


class Engine:
    """Works the ranges of a run. A context manager: when it ends, no worker is left. `counters` grow as they report;
    `on_progress` is told how far the listing is, a few times a second.

    On a serial `walk`, one lane of one process does all of it.
    """

    def __init__(
        self,
        run: InventoryRun,
        kept: Kept,
        folder: Path,
        *,
        counters: Counters,
        journal: Journal,
        stop: threading.Event,
        on_progress: Callable[[Progress], None],
        walk: Walk = Walk.PARALLEL,
        memory: Memory | None = None,
        now: Callable[[], datetime],
    ) -> None:
        self._serial = walk is Walk.SERIAL
        self._run = replace(run, limits=replace(run.limits, processes=1)) if self._serial else run
        self._kept = kept
        self._memory = memory
        self._now = now
        self._later: AskingLater
        self._folder = folder
        self._counters = counters
        self._journal = journal
        self._stop = stop
        self._on_progress = on_progress
        self._watch = Watch(now)
        self._processes: WorkerProcesses
        self._workers: tuple[WorkerProcess, ...] = ()
        self._to_write: deque[Group] = deque()
        self._full: deque[tuple[WorkerProcess, Group]] = deque()
        self._writing: dict[str, Group] = {}
        self._ranges = Ranges()
        pieces = sorted(self._pieces_before(), key=lambda piece: piece.range.after)
        self._looks = SecondLooks(
            self._ranges, serial=self._serial, page_rows_max=self._run.limits.page_rows_max,
            kept=[piece.last_key for piece in pieces if piece.last_key is not None],
        )  # fmt: skip
        self._splitter: Splitter
        self._way: Way
        self._name_file: Callable[[], str] | None = None
        self._files = [each.file for each in kept.files]
        self._before = kept.counters
        self.silent = kept.silent

    def __enter__(self) -> Engine:
        # They take longer to start than anything else does before they are needed.
        self._processes = WorkerProcesses(process_count(self._run.limits))
        self._workers = self._processes.workers
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Have every worker end, and wait until it has; what it finishes on the way is kept."""
        if not self._workers:
            return
        self._processes.ask_to_stop()
        killer = threading.Timer(STOP_WITHIN_S, self._processes.kill)
        killer.start()
        for worker in self._workers:
            with suppress(InventoryError):  # what cannot be noted is listed again
                for segment in worker.last_segments():
                    self._journal.spooled(segment)
        self._processes.wait()
        killer.cancel()
        self._workers = ()

    # -- the course of a run -----------------------------------------------------------------------

    def survey(self, splitter: Splitter, way: Way) -> None:
        """Begin with the first page, the `way` to which every worker goes, and return once it has come: so it is known
        that the bucket can be listed.

        Raises:
            StoppedError: `stop` was set.
            MarkerIgnoredError: as `work`.
            InventoryError: it cannot.
        """
        self._splitter = splitter
        self._way = way
        self._begin(self._workers[0])
        if splitter.hinted:
            self._begin_others()
        while not self._ranges.pages and not (self._ranges.all_done and self._assign()):
            self._listen()

    def work(self, name_file: Callable[[], str]) -> tuple[DataFile, ...]:
        """List, enrich and deliver; the data files, in key order. The workers have ended when this returns or raises.
        `name_file` gives each data file its key before a byte of it exists.

        Raises:
            StoppedError: `stop` was set.
            MarkerIgnoredError: a page begins too soon; where it says that the store is `unable` to do better, another
                engine can go on with a serial walk.
            ContradictionError: what the store says of the bucket cannot all be true.
            InventoryError: whatever a worker met first.
        """
        self._name_file = name_file
        try:
            self._give_full()
            self._list()
            self._looks.begin(self._workers)
            waiting = [*self._kept.segments, *self._ranges.waiting_segments()]
            segments = self._asked_later(sorted(waiting, key=lambda each: each.range.after))
            self._to_write.extend(group_segments(segments, self._run.limits.file_rows_max))
            empty = self._without_empty_groups()
            self._write()
        finally:
            self._end()
        return absorb_empty(self._files, empty)

    def listed_ranges(self) -> tuple[ListedRange, ...]:
        """What was listed, now and before, in key order."""
        before = self._pieces_before()
        ranges = [
            *(ListedRange(each.range, each.rows, each.first_key, each.last_key) for each in before),
            *self._ranges.listed_ranges(),
        ]
        return tuple(sorted(ranges, key=lambda each: each.range.after))

    def histogram(self) -> StoredHistogram:
        """Where the keys lie, for the next run to begin from."""
        histogram = self._ranges.histogram
        for piece in self._pieces_before():
            if piece.last_key is not None:
                histogram.add(piece.last_key, piece.rows)
        return histogram.stored()

    def _pieces_before(self) -> list[DataFile | Segment]:
        return [*(each.file for each in self._kept.files), *self._kept.segments]

    def _list(self) -> None:
        """Have every range listed; full data files are delivered meanwhile."""
        if not self._ranges.all_done:
            self._begin_others()
        while not (self._ranges.all_done and self._assign()):
            self._listen()

    def _asked_later(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """The segments once their rows were asked about that wait, as far as the run may."""
        if not (self._run.remembering.bounded and call_plan(self._run.fields).asks):
            return segments
        # A deadline ends all that workers ask, and these looks must come to their end.
        while self._looks.under_way:
            self._listen()
        before = [each.counters for each in self._kept.files]
        self._later = AskingLater(self._run.remembering, before, segments)
        return self._later.work(self._workers, self._listen, self._now)

    def _write(self) -> None:
        """Have every group that waits delivered, and the second look come to its end."""
        while (
            self._to_write or self._looks.under_way or any(worker.files for worker in self._workers)
        ):
            for worker in self._workers:
                if worker.ready and not worker.files and self._to_write:
                    self._give(worker, self._to_write.popleft())
            self._listen()

    # -- giving ------------------------------------------------------------------------------------

    def _begin(self, worker: WorkerProcess) -> None:
        limits = self._run.limits
        run = replace(self._run, limits=share(limits))
        worker.send(Begin(run, self._folder, self._way, self._memory))

    def _begin_others(self) -> None:
        for worker in self._workers:
            if not worker.begun:
                self._begin(worker)

    def _assign(self) -> bool:
        """Give work to the lanes that have none; whether there is nothing to give, now or later."""
        remembers = self._memory is not None
        most = 1 if self._serial else lanes_per_process(self._run, remembers=remembers)
        while True:
            free = [worker for worker in self._workers if worker.ready and worker.lanes < most]
            idle = sum(most - worker.lanes for worker in free)
            if idle <= len(self._ranges.splitting):
                return False
            action = self._splitter.next_action()
            if action is None:
                self._looks.begin_early(self._workers, self._splitter.progress)
                return self._ranges.all_done and not self._ranges.splitting
            if isinstance(action, Take):
                worker = min(free, key=lambda each: each.lanes)
                self._ranges.begin(action.gap, action.keys, worker)
                worker.lanes += 1
                worker.send(WorkRange(action.gap, action.keys, self._serial))
            else:
                self._ranges.splitting.add(action.gap)
                self._ranges.worker_of(action.gap).send(SplitRange(action.gap, action.pivot))

    def _give(self, worker: WorkerProcess, group: Group) -> None:
        assert self._name_file is not None
        key = self._name_file()
        self._journal.named(key)
        self._writing[key] = group
        worker.files += 1
        worker.send(WriteFile(key, group))

    def _without_empty_groups(self) -> list[KeyRange]:
        """Take groups without a row out of what is to be written, unless there is nothing else."""
        filled = [group for group in self._to_write if any(segment.rows for segment in group)]
        empty = [group for group in self._to_write if not any(segment.rows for segment in group)]
        if not filled and not self._files and not any(worker.files for worker in self._workers):
            return []
        self._to_write = deque(filled)
        return [group_range(group) for group in empty]

    # -- hearing -----------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Take in what the workers have to say, for at most POLL_S, and give them more to do."""
        if self._stop.is_set():
            raise StoppedError(STOPPED)
        ready = wait([worker.reports for worker in self._workers], POLL_S)
        for worker in self._workers:
            while worker.reports in ready or worker.reports.poll():
                ready = [pipe for pipe in ready if pipe is not worker.reports]
                self._hear(worker, worker.receive())
        self._assign()
        self._tell(self._watch.look(self._workers))

    def _tell(self, note: str) -> None:
        """Say how far it is: rows as they are listed, for what is counted of them comes a segment at a time."""
        listed = {
            name: self._before[name] + getattr(self._ranges, name)
            for name in ("rows", "object_bytes")
        }
        counters = Counter({**self._counters, **listed})
        key = self._ranges.last_key
        if self._name_file is None:
            told = Progress(RunStage.SURVEY, counters, None, key, note)
        else:
            told = Progress(RunStage.LIST, counters, self._splitter.progress, key, note)
        self._on_progress(told)

    def _hear(self, worker: WorkerProcess, report: Report) -> None:
        match report:
            case Ready(pid):
                worker.ready, worker.pid = True, pid
            case Listed():
                self._counters.update(report.spent)
                for page in report.pages:
                    self._ranges.listed(page)
                    self._splitter.page(page.index, page.facts)
            case Split(index, pivot, granted):
                self._hear_split(index, pivot, granted=granted)
            case Spooled(index, segment):
                self._hear_spooled(worker, index, segment)
            case RangeDone(index, spent):
                self._counters.update(spent)
                self._ranges.finish(index)
                worker.lanes -= 1
            case Looked(unseen, spent):
                self._counters.update(spent)
                self._counters["unseen"] += unseen
                self._looks.under_way -= 1
            case AskedAbout() | UploadBegun() | Written():
                self._hear_of_files(worker, report)
            case Failed(error):
                raise self._judged(error)

    def _judged(self, error: InventoryError) -> InventoryError:
        """The error, saying whether the store has ever done better."""
        if isinstance(error, MarkerIgnoredError):
            error.unable = not self._serial and self._ranges.never_honoured(error)
        return error

    def _hear_spooled(self, worker: WorkerProcess, index: int, segment: Segment) -> None:
        self._journal.spooled(segment)
        self._counters.update(segment.counters)
        self.silent = self.silent or segment.silent
        if not segment.full:
            self._ranges.keep(index, segment)
            return
        # Who listed it must write it: that lane waits for its writer when it is too far ahead.
        group = (*self._ranges.take_waiting(index), segment)
        self._full.append((worker, group))
        self._give_full()

    def _give_full(self) -> None:
        while self._full and self._name_file is not None:
            self._give(*self._full.popleft())

    def _hear_of_files(
        self, worker: WorkerProcess, report: AskedAbout | UploadBegun | Written
    ) -> None:
        match report:
            case UploadBegun(key, upload_id):
                self._journal.uploading(key, upload_id)
                worker.send(UploadNoted())
            case AskedAbout():
                worker.asking -= 1
                self._later.heard(report, self._journal, self._counters)
                self.silent = self.silent or report.segment.silent
            case Written(file, spent):
                worker.files -= 1
                self._hear_written(file, spent)

    def _hear_written(self, file: DataFile, spent: Counters) -> None:
        self._counters.update(spent)
        self._files.append(file)
        group = self._writing.pop(file.file.key)
        self._journal.delivered(file, group, spent)
        for segment in group:
            drop_segment(segment)

    def _hear_split(self, index: int, pivot: str, *, granted: bool) -> None:
        self._ranges.splitting.discard(index)
        if granted:
            self._ranges.split(index, pivot)
            self._splitter.granted(index, pivot)
        else:
            self._splitter.refused(index, pivot)
