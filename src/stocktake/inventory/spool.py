"""Rows on this machine between being listed and being delivered: Arrow IPC files in a folder of the run's own.

A range is spooled in segments of at most one data file's rows, cut between keys only. A segment is itself a finished
KeyRange, so the segments of a range tile it. The folder goes when the run ends; a folder whose run was killed is
removed by the next run, which can tell because the kernel released its lock.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.errors import SpoolError
from stocktake.model.keys import KeyRange

_PREFIX = "stocktake-spool-"
# A fast codec: rows compress to a third, and the disk is slower than the codec.
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True, slots=True)
class Segment:
    """Finished rows: `range` is complete, its rows are in the file at `path` (None when there are none)."""

    range: KeyRange
    rows: int
    first_key: str | None
    last_key: str | None
    path: Path | None
    full: bool = False


@contextmanager
def spool_folder(above: Path | None) -> Iterator[Path]:
    """A fresh folder in the folder `above` (None: the system's temporary one), removed at the end.

    Raises:
        SpoolError: it cannot be made.
    """
    parent = above if above is not None else Path(tempfile.gettempdir())
    folder = parent / f"{_PREFIX}{uuid4()}"
    lock_path = folder.with_suffix(".lock")
    try:
        _remove_abandoned(parent)
        lock = lock_path.open("w")
    except OSError as error:
        raise spool_error(error, parent) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder.mkdir(mode=0o700)
        except OSError as error:
            lock_path.unlink(missing_ok=True)
            raise spool_error(error, parent) from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            lock_path.unlink(missing_ok=True)


def _remove_abandoned(above: Path) -> None:
    """Remove the folders of runs that are no more: nobody holds their lock."""
    for lock_path in above.glob(f"{_PREFIX}*.lock"):
        with suppress(OSError), lock_path.open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock_path.with_suffix(""), ignore_errors=True)
            lock_path.unlink(missing_ok=True)


def spool_error(error: OSError, folder: Path) -> SpoolError:
    """The error of keeping rows in `folder`, in the user's terms."""
    return SpoolError(
        f"cannot keep rows in {folder}: {error.strerror or error}",
        hint="free some space, or name another folder with --spool-folder",
    )


class Spool:
    """Takes the rows of one range, in order, and says each segment as it is finished. A context manager."""

    def __init__(
        self,
        folder: Path,
        keys: KeyRange,
        schema: pa.Schema,
        rows_max: int,
        say: Callable[[Segment], None],
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._schema = schema
        self._rows_max = rows_max
        self._say = say
        self._after = keys.after
        self._path: Path | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        self._rows = 0
        self._first: str | None = None
        self._last: str | None = None

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            with suppress(OSError):
                self._writer.close()

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep the rows of `batch` (the report's schema), cutting segments between keys.

        Raises:
            SpoolError: no room.
        """
        while batch.num_rows > self._rows_max - self._rows:
            cut = self._cut(batch.column("key"))
            self._write(batch.slice(0, cut))
            batch = batch.slice(cut)
            if batch.num_rows == 0:  # one key fills it all, and may go on in the next batch
                return
            self._close(self._last, full=True)
        self._write(batch)

    def finish(self) -> None:
        """Say the last segment, which reaches to the range's end."""
        if self._after != self._keys.upto:
            self._close(self._keys.upto, full=False)

    def _cut(self, keys: pa.Array) -> int:
        """How many rows of `keys` still belong to this segment: up to the last key that fits whole, or, where a
        single key is larger than a data file, up to that key's end.
        """
        room = max(self._rows_max - self._rows, 0)
        beyond = keys[room].as_py()
        start = pc.sum(pc.less(keys, beyond), min_count=0).as_py()
        if start or (self._rows and beyond != self._last):
            return int(start)
        return int(pc.sum(pc.less_equal(keys, beyond), min_count=0).as_py())

    def _write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows == 0:
            return
        try:
            if self._writer is None:
                self._path = self._folder / f"{uuid4()}.arrow"
                self._writer = pa.ipc.new_stream(str(self._path), self._schema, options=_OPTIONS)
            self._writer.write_batch(batch)
        except OSError as error:
            raise spool_error(error, self._folder) from error
        self._rows += batch.num_rows
        keys = batch.column("key")
        self._first = keys[0].as_py() if self._first is None else self._first
        self._last = keys[-1].as_py()

    def _close(self, upto: str | None, *, full: bool) -> None:
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                raise spool_error(error, self._folder) from error
        segment = Segment(
            KeyRange(self._after, upto), self._rows, self._first, self._last, self._path, full
        )
        self._writer, self._path = None, None
        self._rows, self._first, self._last = 0, None, None
        if upto is not None:
            self._after = upto
        self._say(segment)


def read_segment(segment: Segment) -> Iterator[pa.RecordBatch]:
    """The rows of a segment, in order, without copying them into memory first."""
    if segment.path is None:
        return
    with pa.memory_map(str(segment.path)) as source, pa.ipc.open_stream(source) as reader:
        yield from reader


def drop_segment(segment: Segment) -> None:
    """Give the segment's room back."""
    if segment.path is not None:
        segment.path.unlink(missing_ok=True)
