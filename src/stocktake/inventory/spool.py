"""Rows on this machine between being listed and being delivered: Arrow IPC files in a folder of the run's own.

A range is spooled in segments, cut between keys only. A segment is itself a finished KeyRange, so the segments of a
range tile it. Where those of one range add up to a data file, the last of them says so. What is in no data file yet
outlasts the run, for a later one to go on from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.errors import SpoolError
from stocktake.model.keys import KeyRange
from stocktake.model.pieces import Segment
from stocktake.model.runs import Counted, Counters

SEGMENT_ROWS = 100_000
SEGMENT_S = 10.0

# No codec: it would halve the disk that rows take, and double the CPU time that spooling does.
_OPTIONS = pa.ipc.IpcWriteOptions()


def make_spool(folder: Path) -> None:
    """Make the folder, for this user alone, where it is missing in a folder that is not.

    Raises:
        SpoolError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise spool_error(error, folder) from error


def spool_error(error: OSError, folder: Path) -> SpoolError:
    """The error of keeping rows in `folder`, in the user's terms."""
    return SpoolError(
        f"cannot keep rows in {folder}: {error.strerror or error}",
        hint="free some space, or name another folder with --spool-folder",
    )


class Spool:
    """Takes the rows of one range, in order, and gives each segment to `keep` as it is finished. A context manager.

    Memory: one batch. Segments end after SEGMENT_ROWS rows or SEGMENT_S seconds, whatever comes first, so that little
    is lost with a killed run; and where a data file ends, after `file_rows_max` rows.
    """

    def __init__(
        self,
        folder: Path,
        after: str,
        schema: pa.Schema,
        *,
        file_rows_max: int,
        counters: Counters,
        clock: Callable[[], float],
        keep: Callable[[Segment], None],
        segment_rows: int = SEGMENT_ROWS,
    ) -> None:
        self._folder = folder
        self._schema = schema
        self._file_rows_max = file_rows_max
        self._counted = Counted(counters)
        self._of_rows: Counters = Counters()  # what was counted for this segment's rows
        self._clock = clock
        self._segment_rows = segment_rows
        self._keep = keep
        self._after = after
        self._path: Path | None = None
        self._writer: pa.ipc.RecordBatchStreamWriter | None = None
        self._file_rows = 0  # of the data file under way, this segment's included
        self._rows = 0
        self._begun_at = 0.0
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

    def parts(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows of `batch`, nothing of which is counted yet, in parts that belong to one segment each. What is
        counted between one part and the next is counted for that segment, so each must be enriched and added before
        the next is taken.

        Raises:
            SpoolError: no room.
        """
        while batch.num_rows > self._file_rows_max - self._file_rows:
            cut = self._cut(batch.column("key"))
            if cut:
                yield batch.slice(0, cut)
            batch = batch.slice(cut)
            if batch.num_rows == 0:  # one key fills it all, and may go on in the next batch
                return
            self._close(self._last, full=True)
        if self._long_enough() and batch.column("key")[0].as_py() != self._last:
            self._close(self._last)
        yield batch

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep a part, enriched (the report's schema).

        Raises:
            SpoolError: no room.
        """
        self._write(batch)
        self._of_rows.update(self._counted.since())

    def stop(self) -> None:
        """Finish the last segment at the last key kept, all of which must be there. What was counted for rows that were
        never added is lost with them.

        Raises:
            SpoolError: no room.
        """
        if self._rows:
            self._close(self._last)

    def finish(self, upto: str | None) -> None:
        """Finish the last segment, which reaches to the range's end."""
        if self._after != upto:
            self._of_rows.update(self._counted.since())
            self._close(upto)

    def _long_enough(self) -> bool:
        return self._rows >= self._segment_rows or (
            self._rows > 0 and self._clock() - self._begun_at >= SEGMENT_S
        )

    def _cut(self, keys: pa.Array) -> int:
        """How many rows of `keys` still belong to this data file: up to the last key that fits whole, or, where a
        single key is larger than a data file, up to that key's end.
        """
        room = max(self._file_rows_max - self._file_rows, 0)
        beyond = keys[room].as_py()
        start = pc.sum(pc.less(keys, beyond), min_count=0).as_py()
        if start or (self._file_rows and beyond != self._last):
            return int(start)
        return int(pc.sum(pc.less_equal(keys, beyond), min_count=0).as_py())

    def _write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows == 0:
            return
        try:
            if self._writer is None:
                self._path = self._folder / f"{uuid4()}.arrow"
                self._writer = pa.ipc.new_stream(str(self._path), self._schema, options=_OPTIONS)
                self._begun_at = self._clock()
            self._writer.write_batch(batch)
        except OSError as error:
            raise spool_error(error, self._folder) from error
        self._rows += batch.num_rows
        self._file_rows += batch.num_rows
        keys = batch.column("key")
        self._first = keys[0].as_py() if self._rows == batch.num_rows else self._first
        self._last = keys[-1].as_py()

    def _close(self, upto: str | None, *, full: bool = False) -> None:
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                raise spool_error(error, self._folder) from error
        segment = Segment(
            range=KeyRange(self._after, upto),
            rows=self._rows,
            first_key=self._first if self._rows else None,
            last_key=self._last if self._rows else None,
            path=self._path,
            full=full,
            counters=self._of_rows,
        )
        self._writer, self._path, self._rows, self._of_rows = None, None, 0, Counters()
        self._file_rows = 0 if full else self._file_rows
        if upto is not None:
            self._after = upto
        self._keep(segment)


def read_segment(segment: Segment) -> Iterator[pa.RecordBatch]:
    """The rows of a segment, in order. They are read and not mapped: what is mapped stays with the process until the
    segment is closed.
    """
    if segment.path is None:
        return
    with pa.OSFile(str(segment.path)) as source, pa.ipc.open_stream(source) as reader:
        yield from reader


def drop_segment(segment: Segment) -> None:
    """Give the segment's room back."""
    if segment.path is not None:
        segment.path.unlink(missing_ok=True)
