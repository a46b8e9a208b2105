"""How old the answers in a report are: a Parquet file of ours with a row for each of the report's rows, in their order.

So it needs no keys: where a row stands says whose it is. A row takes four bytes for the hash of its key and a few bits
for all else, as days repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from stocktake.model.errors import DataFileError
from stocktake.model.remembering import AGES_SCHEMA, ENRICHED_AT, KEY_HASH

GROUP_ROWS = 131_072


def write_ages(pieces: Iterable[pa.RecordBatch], path: Path) -> None:
    """Write rows (AGES_SCHEMA), in pieces of any size, as one file.

    Raises:
        OSError: the disk does not take it.
    """
    with pq.ParquetWriter(
        path,
        AGES_SCHEMA,
        compression={**dict.fromkeys(AGES_SCHEMA.names, "zstd"), KEY_HASH: "none"},
        use_dictionary=[ENRICHED_AT],
        write_page_checksum=True,
        store_schema=False,
    ) as writer:
        held: list[pa.RecordBatch] = []
        rows = 0
        for piece in pieces:
            held.append(piece)
            rows += piece.num_rows
            if rows >= GROUP_ROWS:
                writer.write_table(pa.Table.from_batches(held), row_group_size=GROUP_ROWS)
                held, rows = [], 0
        if rows:
            writer.write_table(pa.Table.from_batches(held), row_group_size=GROUP_ROWS)


class Ages:
    """The file, open to be read by the numbers of rows, which ascend as a rule. Memory: one group of rows."""

    def __init__(self, source: Path | BinaryIO, *, name: str = "the file of ages") -> None:
        try:
            self._file = pq.ParquetFile(source, page_checksum_verification=True)
            found = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise DataFileError(f"{name} cannot be read as Parquet: {error}") from error
        if not found.equals(AGES_SCHEMA):
            raise DataFileError(
                f"{name} has the columns {found.names}, expected {AGES_SCHEMA.names}"
            )
        self._starts = [0]
        for number in range(self._file.num_row_groups):
            self._starts.append(self._starts[-1] + self._file.metadata.row_group(number).num_rows)
        self._held: tuple[int, pa.Table] | None = None

    @property
    def rows(self) -> int:
        """How many there are."""
        return self._starts[-1]

    def slice(self, first: int, rows: int) -> pa.Table:
        """So many rows, from the number `first` on.

        Raises:
            DataFileError: they are damaged, or not there.
        """
        parts = [AGES_SCHEMA.empty_table()]
        for number, start in enumerate(self._starts[:-1]):
            end = self._starts[number + 1]
            if start < first + rows and first < end:
                low = max(first, start)
                parts.append(self._group(number).slice(low - start, min(first + rows, end) - low))
        found = pa.concat_tables(parts)
        if found.num_rows != rows:
            raise DataFileError(f"there are only {self.rows} ages, expected {first + rows}")
        return found

    def groups(self) -> Iterator[pa.Table]:
        """All rows, a group at a time."""
        for number in range(self._file.num_row_groups):
            yield self._group(number)

    def _group(self, number: int) -> pa.Table:
        if self._held is None or self._held[0] != number:
            try:
                self._held = (number, self._file.read_row_group(number))
            except (pa.ArrowException, OSError) as error:
                raise DataFileError(f"ages of a report cannot be read: {error}") from error
        return self._held[1]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
