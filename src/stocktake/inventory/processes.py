"""One worker process as its parent sees it: started, never forked; told tasks, heard, ended.

The parent alone holds the other ends of its pipes: when the parent is gone, whatever ended it, so is the worker.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe
from os import close, pipe

from stocktake.inventory.messages import Begin, Report, Spooled, Stop, Task
from stocktake.model.errors import InventoryError
from stocktake.model.pieces import Segment

# How long a worker that lost its pipe may take to end.
END_WITHIN_S = 5.0


class WorkerProcess:
    """A worker. `ready` once it takes ranges; `lanes` are those it lists, `files` those it has yet to deliver."""

    def __init__(self) -> None:
        tasks_in, tasks_out = pipe()
        reports_in, reports_out = pipe()
        module = "stocktake.inventory"
        # A process group of its own: Ctrl-C is for the parent, who decides what it means.
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", module, str(tasks_in), str(reports_out)],
            pass_fds=(tasks_in, reports_out),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )
        close(tasks_in)
        close(reports_out)
        self._tasks = Pipe(tasks_out, readable=False)
        self.reports = Pipe(reports_in, writable=False)
        self._begun = False
        self.ready = False
        self.lanes = 0
        self.files = 0

    def send(self, task: Task) -> None:
        """Give it a task; the first one is a Begin.

        Raises:
            InventoryError: it is gone.
        """
        self._begun = self._begun or isinstance(task, Begin)
        try:
            self._tasks.send(task)
        except OSError as error:
            raise self._lost() from error

    def receive(self) -> Report:
        """What it has to say next.

        Raises:
            InventoryError: it is gone.
        """
        try:
            report: Report = self.reports.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        return report

    def last_segments(self) -> Iterator[Segment]:
        """The segments that it still finishes, until it has ended."""
        with suppress(EOFError, OSError):
            while True:
                report = self.reports.recv()
                if isinstance(report, Spooled):
                    yield report.segment

    def ask_to_stop(self) -> None:
        """Have it end soon; one that has not begun ends at once. That it is gone already is fine."""
        if not self._begun:
            self.process.kill()
            return
        try:
            self._tasks.send(Stop())
        except OSError:
            return

    def wait(self) -> None:
        """Wait until it has ended, and close the pipes."""
        self.process.wait()
        self._tasks.close()
        self.reports.close()

    def _lost(self) -> InventoryError:
        try:
            status = self.process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            return InventoryError("a worker process closed its pipes and does not end")
        cause = f"by signal {-status}" if status < 0 else f"with status {status}"
        return InventoryError(
            f"a worker process ended unexpectedly, {cause}",
            hint="was it killed, or short of memory? try fewer --processes",
        )
