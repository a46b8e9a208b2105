"""Questions that somebody other than the owner writes: checked, and answered in a process of their own.

Five fences, each of which would do alone for what it is for. The SQL is one SELECT over the reports' tables, by
functions of values (`guard.py`; the process itself checks that, for a parser, too, can take long). The engine can reach
nothing but the data files, and its settings are locked (`session.py`). The reports lie on this machine, so that nobody
waits for a network (`staging.py`). The process has no secret in its environment, nothing in its folder, and hard limits
of memory, files and time. Rows and bytes of the answer are counted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass
from typing import IO, Any

import pyarrow as pa

from stocktake.analysis.rows import PulledRows
from stocktake.analysis.staging import is_staged
from stocktake.analysis.tables import Table
from stocktake.model import errors
from stocktake.model.errors import InventoryError, QueryError, UsageError
from stocktake.store.passing import passing_folder

_SAID_BYTES_MAX = 2**20
_CHILD = "stocktake.analysis.guarded_child"


@dataclass(frozen=True, slots=True)
class GuardedLimits:
    """What one question may use; beyond it, it is ended."""

    time_s_max: float = 60.0
    memory_bytes_max: int = 2**30  # of the engine; the process may have half a GiB more
    spill_bytes_max: int = 8 * 2**30
    threads: int = 2
    rows_max: int = 100_000  # of the answer, which is cut there
    answer_bytes_max: int = 256 * 2**20


DEFAULT_GUARDED_LIMITS = GuardedLimits()


class GuardedAnswer(PulledRows):
    """The rows of a guarded question. They can be taken once; `truncated` says afterwards whether there were more."""

    def __init__(
        self,
        reader: pa.RecordBatchReader,
        child: _Child,
        limits: GuardedLimits,
        warnings: Sequence[str],
    ) -> None:
        super().__init__(reader, tuple(warnings))
        self.truncated = False
        self._child = child
        self._limits = limits

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, at most `rows_max`, in the order the question gives them.

        Raises:
            QueryError: the question took too long or too much, or failed on a row.
            DataFileError: a data file is missing, short or damaged.
        """
        rows = 0
        while (batch := self._child.next_batch(self._reader)) is not None:
            kept = batch.slice(0, self._limits.rows_max - rows)
            rows += batch.num_rows
            if kept.num_rows:
                yield kept
        self.truncated = rows > self._limits.rows_max

    def close(self) -> None:
        """End the question and its process."""
        self._child.close()


def run_guarded(
    tables: Sequence[Table], sql: str, *, limits: GuardedLimits = DEFAULT_GUARDED_LIMITS
) -> GuardedAnswer:
    """Start `sql`, which a stranger may have written, over `tables`, whose reports lie on this machine.

    Raises:
        QueryError: the SQL is not one SELECT over these tables, cannot run, or took too much before its first row.
        UsageError: a report lies elsewhere. DataFileError: a data file is missing, short or damaged.
    """
    if far := [report for table in tables for report in table.reports if not is_staged(report)]:
        raise UsageError(
            f"{far[0].address} is not on this machine; expected a copy made by stage_report"
        )
    with ExitStack() as resources:
        child = resources.enter_context(_Child(_request(tables, sql, limits), limits.time_s_max))
        reader, warnings = child.begin()
        resources.pop_all()
        return GuardedAnswer(reader, child, limits, warnings)


def _request(tables: Sequence[Table], sql: str, limits: GuardedLimits) -> bytes:
    document = {
        "sql": sql,
        "limits": asdict(limits),
        "tables": [
            {
                "name": table.name,
                "dated": table.dated,
                "aged": table.aged,
                "manifests": [report.address for report in table.reports],
            }
            for table in tables
        ],
    }
    return json.dumps(document).encode()


class _Child(AbstractContextManager["_Child"]):
    """The process that answers. It is ended when its time is over, whatever it does."""

    def __init__(self, request: bytes, time_s_max: float) -> None:
        self._time_s_max = time_s_max
        self._late = False
        self._resources = ExitStack()
        folder = self._resources.enter_context(passing_folder("guarded"))
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-I", "-m", _CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            cwd=folder,
            env={"PATH": os.defpath, "TMPDIR": str(folder), "LC_ALL": "C.UTF-8"},
            start_new_session=True,  # a terminal's Ctrl-C is for whoever asked, who ends it then
        )
        self._timer = threading.Timer(time_s_max, self._expire)
        self._timer.daemon = True
        self._timer.start()
        try:
            self._pipe(self._process.stdin).write(request)
            self._pipe(self._process.stdin).close()
        except BrokenPipeError:
            pass  # it says why on stderr
        self._output = self._pipe(self._process.stdout)

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe

    def _expire(self) -> None:
        self._late = True
        self._process.kill()

    def begin(self) -> tuple[pa.RecordBatchReader, list[str]]:
        """The stream of rows, and what to warn of."""
        head = self._output.readline(_SAID_BYTES_MAX)
        if not head.endswith(b"\n"):
            raise self._failure()
        try:
            return pa.ipc.open_stream(self._output), json.loads(head)["warnings"]
        except (pa.ArrowException, OSError) as error:
            raise self._failure() from error

    def next_batch(self, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        """The next rows; None at the end of a question that ended well."""
        try:
            batch: pa.RecordBatch = reader.read_next_batch()
        except StopIteration:
            if self._process.wait() != 0:
                raise self._failure() from None
            return None
        except (pa.ArrowException, OSError) as error:
            raise self._failure() from error
        return batch

    def _failure(self) -> InventoryError:
        """Why it ended before it should."""
        code = self._process.wait()
        if self._late:
            return QueryError(
                f"the question took longer than {self._time_s_max:g} seconds", hint="ask for less"
            )
        self._said.seek(0)
        said = self._said.read(_SAID_BYTES_MAX)
        try:
            told: dict[str, Any] = json.loads(said.splitlines()[-1])
            kind = getattr(errors, told["kind"])
            assert issubclass(kind, InventoryError)
            failure: InventoryError = kind(told["message"], hint=told["hint"])
        except (ValueError, IndexError, KeyError, AttributeError, TypeError):
            return QueryError(
                f"the question ended its process (exit {code}): it needs more than it may use",
                hint="ask for less",
            )
        return failure

    def close(self) -> None:
        self._timer.cancel()
        self._process.kill()
        self._process.wait()
        self._output.close()
        self._said.close()
        self._resources.close()

    def __exit__(self, *_: object) -> None:
        self.close()
