"""Where ranges are worked: this machine's processes. The parent plans, counts and decides; the workers do the work.

Workers are started, never forked, and hold one end of a pipe whose other end only the parent has: when the parent is
gone, whatever ended it, so are they. Rows never travel; what does are ranges, segments and the facts of data files.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from os import close, pipe
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
    Stop,
    Task,
    WorkRange,
    WriteFile,
    Written,
)
from stocktake.inventory.spool import Segment
from stocktake.model.errors import ContradictionError, InventoryError, StoppedError
from stocktake.model.keys import KeyRange
from stocktake.model.runs import Counters, DataFile, InventoryRun

POLL_S = 0.2
STOP_WITHIN_S = 5.0


@dataclass(slots=True)
class _Process:
    """A worker and what it was given."""

    process: subprocess.Popen[bytes]
    tasks: Pipe
    reports: Pipe
    range_index: int | None = None
    files: int = 0

    def send(self, task: Task) -> None:
        try:
            self.tasks.send(task)
        except OSError as error:
            raise self.lost() from error

    def receive(self) -> Report:
        try:
            report: Report = self.reports.recv()
        except (EOFError, OSError) as error:
            raise self.lost() from error
        return report

    def lost(self) -> InventoryError:
        status = self.process.wait(STOP_WITHIN_S)
        cause = f"by signal {-status}" if status < 0 else f"with status {status}"
        return InventoryError(
            f"a worker process ended unexpectedly, {cause}",
            hint="was it killed, or short of memory? try fewer --processes",
        )


@dataclass(slots=True)
class _Range:
    """What is known of one range so far."""

    segments: list[Segment] = field(default_factory=list)
    rows: int = 0
    done: bool = False
    ended_early: bool = False


class Engine:
    """Works the ranges of a run. A context manager: when it ends, no worker is left.

    `name_file` gives each data file its key before a byte of it exists. `on_progress(key)` is called a few times a
    second with the last key seen. `counters` grow as the workers report.
    """

    def __init__(
        self,
        run: InventoryRun,
        folder: Path,
        counters: Counters,
        *,
        name_file: Callable[[], str],
        on_progress: Callable[[str], None],
        stop: threading.Event,
    ) -> None:
        self._run = run
        self._folder = folder
        self._counters = counters
        self._name_file = name_file
        self._on_progress = on_progress
        self._stop = stop
        self._processes: list[_Process] = []
        self._ranges: list[_Range] = []
        self._to_write: deque[Group] = deque()
        self._key = ""
        self.files: list[DataFile] = []
        self.named: list[str] = []
        self.silent: tuple[str, str | None] | None = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._processes:
            with suppress(OSError):  # it may be gone already, which is what is wanted
                worker.tasks.send(Stop())
        killer = threading.Timer(STOP_WITHIN_S, self._kill)
        killer.start()
        for worker in self._processes:
            worker.process.wait()
            worker.tasks.close()
            worker.reports.close()
        killer.cancel()

    def _kill(self) -> None:
        for worker in self._processes:
            worker.process.kill()

    def work(self, ranges: Sequence[KeyRange]) -> tuple[DataFile, ...]:
        """List, enrich and deliver `ranges`, which are in key order; the data files, in key order.

        Raises:
            StoppedError: `stop` was set.
            ContradictionError: the store said that nothing follows a range behind which there are keys.
            InventoryError: whatever a worker met first.
        """
        self._ranges = [_Range() for _ in ranges]
        waiting = deque(WorkRange(index, keys) for index, keys in enumerate(ranges))
        for _ in range(min(self._run.limits.processes, len(ranges))):
            self._processes.append(self._start(min(self._run.limits.processes, len(ranges))))
        while not all(each.done for each in self._ranges):
            for worker in self._processes:
                if worker.range_index is None and waiting:
                    task = waiting.popleft()
                    worker.range_index = task.index
                    worker.send(task)
            self._listen()
        self._check_ends()
        self._to_write.extend(
            group_fragments(
                [each.segments for each in self._ranges], self._run.limits.file_rows_max
            )
        )
        empty = self._without_empty_groups()
        while self._to_write or any(worker.files for worker in self._processes):
            for worker in self._processes:
                if not worker.files and self._to_write:
                    self._give(worker, self._to_write.popleft())
            self._listen()
        return absorb_empty(self.files, empty)

    def _start(self, processes: int) -> _Process:
        tasks_in, tasks_out = pipe()
        reports_in, reports_out = pipe()
        command = [
            sys.executable,
            "-m",
            "stocktake.inventory.worker",
            str(tasks_in),
            str(reports_out),
        ]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, pass_fds=(tasks_in, reports_out), stdin=subprocess.DEVNULL, process_group=0
        )
        close(tasks_in)
        close(reports_out)
        worker = _Process(
            process, Pipe(tasks_out, readable=False), Pipe(reports_in, writable=False)
        )
        worker.send(
            Begin(self._run, self._folder, max(1, self._run.limits.concurrency // processes))
        )
        return worker

    def _listen(self) -> None:
        """Take in what the workers have to say, for at most POLL_S."""
        if self._stop.is_set():
            raise StoppedError("stopped before the report was complete; nothing was published")
        ready = wait([worker.reports for worker in self._processes], POLL_S)
        for worker in self._processes:
            if worker.reports in ready:
                self._hear(worker, worker.receive())
        self._on_progress(self._key)

    def _hear(self, worker: _Process, report: Report) -> None:
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

    def _give(self, worker: _Process, group: Group) -> None:
        key = self._name_file()
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
        if not filled and not self.files and not any(worker.files for worker in self._processes):
            return []
        self._to_write = deque(filled)
        return [group_range(group) for group in groups if group not in filled]
