"""From the small batches of listing to the large pieces that files are written in, and to an end or none at all.

What the three formats share: how many rows are held before they are encoded, and that a file which is given up, or
whose sink fails, never gets the end that would make it look whole.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

import pyarrow as pa


class Encoder(Protocol):
    """One data file in one format. `encode` comes any number of times, then either `finish` or `abandon`, once."""

    def encode(self, rows: pa.Table) -> None:
        """Write `rows`, which are in the schema of the file and never none."""

    def finish(self) -> None:
        """Write what makes the file whole."""

    def abandon(self) -> None:
        """Let go of what is held; nothing more reaches the sink."""


@dataclass(frozen=True, slots=True)
class PieceLimits:
    """When the rows held so far become one piece: whichever bound is met first.

    `bytes_max` counts the Arrow buffers, so that rows with long values (ACLs, metadata) do not multiply the memory.
    A writer holds at most `bytes_max` plus one batch.
    """

    rows_max: int
    bytes_max: int


class GatheringWriter:
    """A `ReportWriter`: gathers batches into pieces and has `encoder` write them."""

    def __init__(self, encoder: Encoder, schema: pa.Schema, limits: PieceLimits) -> None:
        self._encoder = encoder
        self._schema = schema
        self._limits = limits
        self._held: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0
        self._closed = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Take `batch`; what does not fit the piece under way starts the next one.

        Raises:
            ValueError: the batch has another schema or a null where none may stand, or the writer is closed.
        """
        if self._closed:
            raise ValueError("this data file is closed")
        self._check(batch)
        while batch.num_rows:
            part = batch.slice(0, self._limits.rows_max - self._rows)
            batch = batch.slice(part.num_rows)
            self._held.append(part)
            self._rows += part.num_rows
            self._bytes += part.nbytes
            if self._rows >= self._limits.rows_max or self._bytes >= self._limits.bytes_max:
                self._encode_held()

    def close(self) -> None:
        """Write the rest and the end of the file. Does nothing the second time, or after a failure."""
        if self._closed:
            return
        self._encode_held()
        self._closed = True
        try:
            self._encoder.finish()
        except BaseException:
            self._encoder.abandon()
            raise

    def abandon(self) -> None:
        """Give the file up: what the sink got so far stays without an end."""
        if not self._closed:
            self._closed = True
            self._held.clear()
            self._encoder.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def _check(self, batch: pa.RecordBatch) -> None:
        if batch.schema != self._schema:
            raise ValueError(f"a batch of {batch.schema.names}; expected {self._schema}")
        for field, column in zip(self._schema, batch.columns, strict=True):
            if not field.nullable and column.null_count:
                raise ValueError(f"`{field.name}` is null in {column.null_count} rows")

    def _encode_held(self) -> None:
        if not self._rows:
            return
        piece = pa.Table.from_batches(self._held, self._schema)
        self._held, self._rows, self._bytes = [], 0, 0
        try:
            self._encoder.encode(piece)
        except BaseException:
            self.abandon()
            raise


class ForwardSink:
    """The sink as pyarrow sees it, which gets bytes through only while its owner says so.

    pyarrow's writers write the end of the file whenever they are closed, even by the garbage
    collector: outside of `passing` and `keeping` everything written is dropped. And an exception
    within a write aborts the whole process while ORC's writer closes: so it waits until pyarrow is
    done.
    """

    closed = False  # a file's attributes, as far as pyarrow looks for them

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._take: Callable[[bytes], object] | None = None
        self._failure: BaseException | None = None

    def opened(self) -> pa.PythonFile:
        """The form pyarrow's writers take."""
        return pa.PythonFile(cast("io.IOBase", self), mode="w")

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Let bytes through to the sink; raise at the end what it raised, if anything."""
        self._take = self._sink.write
        try:
            yield
        finally:
            self._take = None
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def keeping(self) -> Iterator[bytearray]:
        """Gather in memory what is written meanwhile."""
        kept = bytearray()
        self._take = kept.extend
        try:
            yield kept
        finally:
            self._take = None

    def write(self, data: bytes) -> int:
        """Take `data` as the context says. Never raises."""
        if self._take is not None and self._failure is None:
            try:
                self._take(data)
            except BaseException as error:  # noqa: BLE001 - a signal's too; `passing` raises it
                self._failure = error
        return len(data)

    def flush(self) -> None:
        """Nothing is buffered here."""

    def close(self) -> None:
        """The sink belongs to whoever gave it."""


class WatchedSource:
    """The source as pyarrow sees it; remembers what reading it raised.

    pyarrow's ORC reader turns any exception into the text of another.
    """

    closed = False

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.failure: BaseException | None = None

    def read(self, size: int = -1) -> bytes:
        """The next bytes of the source."""
        try:
            return self._source.read(size)
        except BaseException as error:
            self.failure = error
            raise

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the source."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """Where the source stands."""
        return self._source.tell()

    def close(self) -> None:
        """The source belongs to whoever gave it."""
