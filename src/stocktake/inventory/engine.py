"""Where ranges are worked: this machine's processes. The parent plans, counts and decides; the workers do the work.

Rows never travel between them; what does are ranges, segments and the facts of data files.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType

from stocktake.inventory.assembly import Group, absorb_empty, group_fragments, group_range
from stocktake.inventory.messages import (
    Begin,
    Failed,
    Listed,
    RangeDone,
    Report,
    Spooled,
    WorkRange,
    WriteFile,
    Written,
)
from stocktake.inventory.processes import WorkerProcess
from stocktake.inventory.spool import Segment
from stocktake.inventory.stopping import STOPPED
from stocktake.model.errors import ContradictionError, StoppedError
from stocktake.model.keys import KeyRange
from stocktake.model.runs import Counters, DataFile, InventoryRun

POLL_S = 0.2
STOP_WITHIN_S = 5.0


@dataclass(slots=True)
class _Range:
    """What is known of one range so far."""

    segments: list[Segment] = field(default_factory=list)
    rows: int = 0
    done: bool = False
    ended_early: bool = False


@dataclass(frozen=True, slots=True)
class WorkPlan:
    """What the engine asks back: `name_file` gives each data file its key before a byte of it exists; `on_progress` is
    told the last key seen, a few times a second.
    """

    name_file: Callable[[], str]
    on_progress: Callable[[str], None]


class Engine:
    """Works the ranges of a run. A context manager: when it ends, no worker is left. `counters` grow as they report."""

    def __init__(self, folder: Path, counters: Counters, stop: threading.Event) -> None:
        self._folder = folder
        self._counters = counters
        self._stop = stop
        self._workers: list[WorkerProcess] = []
        self._ranges: list[_Range] = []
        self._to_write: deque[Group] = deque()
        self._plan: WorkPlan  # from `work` on
        self._key = ""
        self.files: list[DataFile] = []
        self.named: list[str] = []
        self.silent: tuple[str, str | None] | None = None

    def __enter__(self) -> Engine:
        # One worker at least is needed, and it takes longer to start than the survey does to ask.
        self._workers.append(WorkerProcess())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        """Have every worker end, and wait until it has."""
        for worker in self._workers:
            worker.ask_to_stop()
        killer = threading.Timer(STOP_WITHIN_S, self._kill)
        killer.start()
        for worker in self._workers:
            worker.wait()
        killer.cancel()
        self._workers.clear()

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()

    def work(
        self, run: InventoryRun, ranges: Sequence[KeyRange], plan: WorkPlan
    ) -> tuple[DataFile, ...]:
        """List, enrich and deliver `ranges`, which are in key order; the data files, in key order. The workers have
        ended when this returns or raises.

        Raises:
            StoppedError: `stop` was set.
            ContradictionError: the store said that nothing follows a range behind which there are keys.
            InventoryError: whatever a worker met first.
        """
        self._plan = plan
        count = max(1, min(run.limits.processes, len(ranges)))
        self._workers += [WorkerProcess() for _ in range(count - len(self._workers))]
        try:
            for worker in self._workers:
                worker.send(Begin(run, self._folder, max(1, run.limits.concurrency // count)))
            self._list(ranges)
            self._check_ends()
            segments = [each.segments for each in self._ranges]
            self._to_write.extend(group_fragments(segments, run.limits.file_rows_max))
            empty = self._without_empty_groups()
            self._write()
        finally:
            self._end()
        return absorb_empty(self.files, empty)

    def _write(self) -> None:
        """Have every group that waits delivered."""
        while self._to_write or any(worker.files for worker in self._workers):
            for worker in self._workers:
                if not worker.files and self._to_write:
                    self._give(worker, self._to_write.popleft())
            self._listen()

    def _list(self, ranges: Sequence[KeyRange]) -> None:
        """Have every range listed; full segments are delivered meanwhile."""
        self._ranges = [_Range() for _ in ranges]
        waiting = deque(WorkRange(index, keys) for index, keys in enumerate(ranges))
        while not all(each.done for each in self._ranges):
            for worker in self._workers:
                if worker.range_index is None and waiting:
                    task = waiting.popleft()
                    worker.range_index = task.index
                    worker.send(task)
            self._listen()

    def _listen(self) -> None:
        """Take in what the workers have to say, for at most POLL_S."""
        if self._stop.is_set():
            raise StoppedError(STOPPED)
        ready = wait([worker.reports for worker in self._workers], POLL_S)
        for worker in self._workers:
            if worker.reports in ready:
                self._hear(worker, worker.receive())
        self._plan.on_progress(self._key)

    def _hear(self, worker: WorkerProcess, report: Report) -> None:
        match report:
            case Listed(index, counters, key):
                self._count(index, counters)
                self._key = max(self._key, key)
            case Spooled(index, segment):
                self._ranges[index].segments.append(segment)
                if segment.full:
                    self._give(worker, (segment,))
            case RangeDone(index, counters, silent):
                self._count(index, counters)
                self._ranges[index].done = True
                self.silent = self.silent or silent
                worker.range_index = None
            case Written(file, counters):
                worker.files -= 1
                self._counters.update(counters)
                self.files.append(file)
            case Failed(error):
                raise error

    def _count(self, index: int, counters: Counters) -> None:
        self._ranges[index].rows += counters["rows"]
        self._ranges[index].ended_early |= counters.pop("ended_early", 0) > 0
        self._counters.update(counters)

    def _give(self, worker: WorkerProcess, group: Group) -> None:
        key = self._plan.name_file()
        self.named.append(key)
        worker.files += 1
        worker.send(WriteFile(key, group))

    def _check_ends(self) -> None:
        """A listing that ended before its range did contradicts any key found behind it."""
        for index, each in enumerate(self._ranges):
            if each.ended_early and any(later.rows for later in self._ranges[index + 1 :]):
                keys = each.segments[-1].range
                raise ContradictionError(
                    f"the store said that no key follows {keys.after!r}, and listed keys behind {keys.upto!r}"
                )

    def _without_empty_groups(self) -> list[KeyRange]:
        """Take groups without a row out of what is to be written, unless there is nothing else."""
        groups = list(self._to_write)
        filled = [group for group in groups if any(segment.rows for segment in group)]
        if not filled and not self.files and not any(worker.files for worker in self._workers):
            return []
        self._to_write = deque(filled)
        return [group_range(group) for group in groups if group not in filled]
