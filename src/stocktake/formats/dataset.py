"""Rows that an SQL engine pulls as an Arrow dataset, for a format it cannot read by itself: ORC.

The engine says which columns it needs and which rows it can do without. Arrow's own dataset of ORC
files does as much, but goes on reading in threads of its own after the last row was asked for, and
brings the process down when it ends before they do. Here the one who pulls reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

Batches = Callable[[Sequence[str]], Iterator[pa.RecordBatch]]


class PulledDataset(ds.InMemoryDataset):  # type: ignore[misc]  # no types for pyarrow.dataset
    """The rows of `batches`, which is called with the names of columns, for every scan anew.

    Its batches are in `schema`, narrowed to those columns in that order.
    """

    def __init__(self, schema: pa.Schema, batches: Batches) -> None:
        super().__init__(schema.empty_table())
        self._batches = batches

    def scanner(
        self,
        columns: Sequence[str] | None = None,
        filter: pc.Expression | None = None,  # noqa: A002 - Arrow's word
        **_: Any,
    ) -> _Scan:
        """What an engine is to read: these columns (None: all) of the rows that `filter` holds for."""
        return _Scan(self.schema, self._batches, columns, filter)


class _Scan:
    def __init__(
        self,
        schema: pa.Schema,
        batches: Batches,
        columns: Sequence[str] | None,
        condition: pc.Expression | None,
    ) -> None:
        self._batches = batches
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
        for batch in self._batches(self._read):
            kept = batch if self._condition is None else batch.filter(self._condition)
            if kept.num_rows:
                yield kept.select(self._columns)
