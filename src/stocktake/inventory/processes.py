"""The worker processes as their parent sees them: started, told tasks, heard, ended.

One process is started, loads what all of them need and, before it does anything else, forks the others, which so cost
next to nothing; it is a worker itself. The parent alone holds the other ends of their pipes: when the parent is gone,
whatever ended it, so are they.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing.connection import Connection as Pipe

import pyarrow as pa

from stocktake.inventory.messages import AskedAbout, Begin, Report, Spooled, Stop, Task
from stocktake.model.errors import WorkerLostError
from stocktake.model.pieces import Segment

# How long a worker that lost its pipe may take to end.
END_WITHIN_S = 5.0
# How long it may take a worker to make room for one more task.
TAKEN_WITHIN_S = 600.0
# Where the workers' Arrow gets its memory. Those of a large bucket list pages and encode files at once, and its usual
# allocator keeps much more of what both gave back than jemalloc does, which given only its usual second for it costs up
# to a tenth of the CPU time.
_MEMORY_POOL = "jemalloc"
_MEMORY_SETTINGS = {
    "ARROW_DEFAULT_MEMORY_POOL": _MEMORY_POOL,
    "JE_ARROW_MALLOC_CONF": "dirty_decay_ms:5000,muzzy_decay_ms:0",
}
# And where all else gets it: glibc would hand a page's bytes back to the system after each page, and get them again,
# zeroed, for the next one, which costs as much as a tenth of the CPU time.
_GLIBC_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(128 * 2**20),
}


class WorkerProcesses:
    """The `workers` of a run. They take tasks at once, though it is a while until they are `ready`."""

    def __init__(self, count: int) -> None:
        tasks = [os.pipe() for _ in range(count)]
        reports = [os.pipe() for _ in range(count)]
        theirs = [
            number
            for (tasks_in, _), (_, reports_out) in zip(tasks, reports, strict=True)
            for number in (tasks_in, reports_out)
        ]
        settings = _settings()
        # A process group of its own: Ctrl-C is for the parent, who decides what it means.
        self._first = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "stocktake.inventory", ",".join(settings), *map(str, theirs)],
            pass_fds=theirs,
            stdin=subprocess.DEVNULL,
            process_group=0,
            env=settings | os.environ,  # noqa: TID251 - handed on, and not read
        )
        for number in theirs:
            os.close(number)
        self.workers = tuple(
            WorkerProcess(Pipe(tasks_out, readable=False), Pipe(reports_in, writable=False))
            for (_, tasks_out), (reports_in, _) in zip(tasks, reports, strict=True)
        )
        self.workers[0].process = self._first

    def ask_to_stop(self) -> None:
        """Have them end soon, at once where none has begun. That one is gone already is fine."""
        if not any(worker.begun for worker in self.workers):
            self.kill()
        for worker in self.workers:
            worker.ask_to_stop()

    def kill(self) -> None:
        """End them, whatever they do."""
        if self._first.poll() is None:  # for so long, nobody else's group can have its number
            with suppress(ProcessLookupError):
                os.killpg(self._first.pid, signal.SIGKILL)

    def wait(self) -> None:
        """Wait until they have ended, and close the pipes."""
        self._first.wait()
        for worker in self.workers:
            worker.close()


class WorkerProcess:
    """A worker. `begun` once it was told which run it works for, `ready` once it takes ranges; `lanes` are those it
    lists, `files` those it has yet to deliver, `asking` the segments whose rows it asks about. `silent_s` is how long
    it has said nothing, as far as its parent listened, and `asked` whether it was asked meanwhile if it is there.
    `process` is that of the one that the parent started itself, `pid` the number of any.
    """

    def __init__(self, tasks: Pipe, reports: Pipe) -> None:
        self._tasks = tasks
        self.reports = reports
        self.process: subprocess.Popen[bytes] | None = None
        self.begun = False
        self.ready = False
        self.lanes = 0
        self.files = 0
        self.asking = 0
        self.silent_s = 0.0
        self.asked = False
        self.pid: int | None = None

    def send(self, task: Task) -> None:
        """Give it a task; the first one is a Begin.

        Raises:
            WorkerLostError: it is gone, or takes none.
        """
        self.begun = self.begun or isinstance(task, Begin)
        if not self._has_room(TAKEN_WITHIN_S):
            raise self.unanswering(TAKEN_WITHIN_S)
        try:
            self._tasks.send(task)
        except OSError as error:
            raise self._lost() from error

    def receive(self) -> Report:
        """What it has to say next.

        Raises:
            WorkerLostError: it is gone.
        """
        try:
            report: Report = self.reports.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        self.silent_s, self.asked = 0.0, False
        return report

    def last_segments(self) -> Iterator[Segment]:
        """The segments that it still finishes, until it has ended."""
        with suppress(EOFError, OSError):
            while True:
                report = self.reports.recv()
                if isinstance(report, (Spooled, AskedAbout)):
                    yield report.segment

    def ask_to_stop(self) -> None:
        """Have it end soon. That it is gone already, or cannot be told, is fine."""
        with suppress(OSError):
            if not self.begun:
                self._tasks.close()
            elif self._has_room(0.0):
                self._tasks.send(Stop())

    def close(self) -> None:
        """Close the pipes."""
        self._tasks.close()
        self.reports.close()

    def _has_room(self, within_s: float) -> bool:
        """Whether a task can be sent without waiting for the worker any longer than so."""
        room = select.poll()
        room.register(self._tasks.fileno(), select.POLLOUT)
        return bool(room.poll(within_s * 1000))

    @property
    def name(self) -> str:
        """What it is called where people read of it."""
        return "a worker process" if self.pid is None else f"the worker process {self.pid}"

    def unanswering(self, silent_s: float) -> WorkerLostError:
        """The error that it has not answered for so long."""
        return WorkerLostError(
            f"{self.name} has not answered for {silent_s:.0f} s",
            hint="was it halted, or is this machine short of memory? try fewer --processes",
        )

    def _lost(self) -> WorkerLostError:
        return WorkerLostError(
            f"{self.name} ended unexpectedly{self._how()}",
            hint="was it killed, or short of memory? try fewer --processes",
        )

    def _how(self) -> str:
        """How it ended, as far as its parent can know."""
        if self.process is None:
            return ""
        try:
            status = self.process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            return ": it closed its pipes and does not end"
        return f", by signal {-status}" if status < 0 else f", with status {status}"


def forget_settings(names: str) -> None:
    """Have what a worker starts, such as a program of the user's that knows the credentials, not find in its
    environment what only the worker was to find in its own.
    """
    pa.allocate_buffer(1)  # only then does Arrow heed it
    for name in filter(None, names.split(",")):
        os.environ.pop(name, None)  # noqa: TID251 - put there for this process


def _settings() -> dict[str, str]:
    """What the workers have in their environment beside this process's own. Arrow without that allocator would warn;
    what somebody has set stands.
    """
    memory = _MEMORY_SETTINGS if _MEMORY_POOL in pa.supported_memory_backends() else {}
    taken = os.environ.keys()  # noqa: TID251 - their names, and no value
    return {name: text for name, text in (memory | _GLIBC_SETTINGS).items() if name not in taken}
