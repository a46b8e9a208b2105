"""Rows that an SQL engine pulls as an Arrow dataset, of files it cannot read by itself: ORC, CSV with CRLF.

The engine says which columns it needs and which rows it can do without. Arrow's own dataset of ORC
files does as much, but goes on reading in threads of its own after the last row was asked for, and
brings the process down when it ends before they do. Here the one who pulls reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from pyarrow import fs

Batches = Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows that are read together or not at all: those of a file. `keys` are the first and the last of its column `key`
    in the order of UTF-8, where they are known: an engine that can do without these does without the file.
    """

    batches: Batches
    keys: tuple[str, str] | None = None


class PulledDataset(ds.InMemoryDataset):  # type: ignore[misc]  # no types for pyarrow.dataset
    """The rows of `pieces`, in their order, whose `batches` are called with the names of columns, for every scan anew.

    Their batches are in `schema`, narrowed to those columns in that order.
    """

    def __init__(self, schema: pa.Schema, pieces: Sequence[Piece]) -> None:
        super().__init__(schema.empty_table())
        self._pieces = pieces

    def scanner(
        self,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002 - Arrow's word
        **_: Any,
    ) -> _Scan:
        """What an engine is to read: these columns (None: all) of the rows that `filter` holds for."""
        pieces = self._pieces if filter is None else _needed(self._pieces, self.schema, filter)
        return _Scan(self.schema, pieces, columns, filter)


def _needed(
    pieces: Sequence[Piece], schema: pa.Schema, condition: pc.Expression
) -> Sequence[Piece]:
    """The pieces that may hold a row for which `condition` holds; Arrow works out which, as it does for partitions."""
    if not any(piece.keys for piece in pieces):
        return pieces
    # Nothing is opened: a fragment's path is only its number here.
    here, form = fs.LocalFileSystem(), ds.IpcFileFormat()
    fragments = [
        form.make_fragment(str(number), here, partition_expression=_holds(piece))
        for number, piece in enumerate(pieces)
    ]
    found = ds.FileSystemDataset(fragments, schema, form, here).get_fragments(condition)
    needed = {int(fragment.path) for fragment in found}
    return [piece for number, piece in enumerate(pieces) if number in needed]


def _holds(piece: Piece) -> pc.Expression:
    """What is true of all its rows."""
    if piece.keys is None:
        return pc.scalar(True)  # noqa: FBT003 - the value itself
    first, last = piece.keys
    return (pc.field("key") >= first) & (pc.field("key") <= last)


class _Scan:
    def __init__(
        self,
        schema: pa.Schema,
        pieces: Sequence[Piece],
        columns: Sequence[str] | None,
        condition: pc.Expression | None,
    ) -> None:
        self._pieces = pieces
        self._condition = condition
        self._columns = schema.names if columns is None else list(columns)
        # An expression does not tell its columns; every name that occurs in its text is one at most.
        text = "" if condition is None else str(condition)
        asked = [name for name in schema.names if name in self._columns or name in text]
        self._read = asked or schema.names[:1]  # rows without any column cannot be counted
        self.projected_schema = pa.schema([schema.field(name) for name in self._columns])

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._rows())

    def _rows(self) -> Iterator[pa.RecordBatch]:
        for piece in self._pieces:
            for batch in piece.batches(self._read):
                kept = batch if self._condition is None else batch.filter(self._condition)
                if kept.num_rows:
                    yield kept.select(self._columns)
