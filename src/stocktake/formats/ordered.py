"""A Parquet file in the order of keys, on this machine, read from some key on: only the row groups that may hold it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stocktake.formats.columns import STRING_TYPES, check_types, conform
from stocktake.model.errors import DataFileError
from stocktake.model.fields import BY_COLUMN, TEXT, Field

# Read ahead of each column, so that a row group is never in memory as a whole.
_BUFFER_BYTES = 256 * 2**10


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that lie together: their place in the file and how many they are."""

    number: int
    row: int
    rows: int


class OrderedFile:
    """The file, open. Memory of reading it: a page of each column that is read, about a MiB where its values do not
    repeat, and a batch.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Raises:
        DataFileError: it cannot be read, lacks a column, or has one of another type.
        """
        self._path = path
        self._fields = [BY_COLUMN[name] for name in columns]
        try:
            self._file = pq.ParquetFile(
                path, buffer_size=_BUFFER_BYTES, page_checksum_verification=True
            )
            schema = self._file.schema_arrow
        except (pa.ArrowException, OSError) as error:
            raise DataFileError(f"{path} cannot be read as Parquet: {error}") from error
        try:
            _check(path, schema, self._fields)
        except DataFileError:
            self._file.close()
            raise
        self._key = schema.names.index("key")

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return int(self._file.metadata.num_rows)

    def groups_behind(self, after: str) -> list[RowGroup]:
        """The row groups that may hold keys behind `after`, in order."""
        found, row = [], 0
        for number in range(self._file.num_row_groups):
            group = self._file.metadata.row_group(number)
            statistics = group.column(self._key).statistics
            last = statistics.max if statistics is not None and statistics.has_min_max else None
            if last is None or last > after:
                found.append(RowGroup(number, row, group.num_rows))
            row += group.num_rows
        return found

    def batches(self, group: RowGroup, rows_max: int) -> Iterator[pa.RecordBatch]:
        """The rows of a group, the columns asked for, typed as the table of fields has them.

        Raises:
            DataFileError: they are damaged.
        """
        try:
            for batch in self._file.iter_batches(
                rows_max,
                row_groups=[group.number],
                columns=[field.column for field in self._fields],
                use_threads=False,
            ):
                yield conform(batch, self._fields)
        except (pa.ArrowException, OSError) as error:
            raise DataFileError(f"{self._path} cannot be read as Parquet: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _check(path: Path, found: pa.Schema, fields: Sequence[Field]) -> None:
    if lacking := [field.column for field in fields if field.column not in found.names]:
        raise DataFileError(f"{path} lacks the columns {', '.join(lacking)}")
    check_types(found, fields)
    # Row groups are found by the greatest key that they say they have, which of any other type is no text.
    if (kind := found.field("key").type) not in STRING_TYPES:
        raise DataFileError(f"{path} has keys that are {kind}, expected {TEXT}")
