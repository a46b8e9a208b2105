"""Floor 1: the only door to file formats: CSV, ORC and Parquet data files, exactly as AWS's.

A writer takes record batches of `model.fields.report_schema(fields)`, rows in the report's order, and
writes strictly forward, so that a checksum can be taken on the way. A reader gives the same rows back,
whatever the format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

import pyarrow as pa

from stocktake.formats.columns import encode, encoded_schema, write_out
from stocktake.formats.gathering import Encoder, GatheringWriter, PieceLimits, WatchedSource
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError, UnknownFieldError
from stocktake.model.fields import Field

__all__ = [
    "ReportWriter",
    "describe",
    "encoded_schema",
    "ends_rows_with_crlf",
    "number_types",
    "open_writer",
    "read_batches",
    "write_out",
]


class ReportWriter(Protocol):
    """One data file being written.

    As a context manager it closes itself, or abandons the file on an exception.
    """

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows. They reach the sink when enough are held; a failure abandons the file.

        Raises:
            ValueError: another schema than the file's, a null in a required column, a closed file.
            OSError: the sink does not take the bytes; whatever else the sink raises.
        """

    def close(self) -> None:
        """Write what is held and the end of the file. Harmless when repeated, or after a failure."""

    def abandon(self) -> None:
        """Give the file up: nothing more reaches the sink, and what did is no whole file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...


@dataclass(frozen=True, slots=True)
class _Implementation:
    encoder: Callable[[BinaryIO, pa.Schema], Encoder]
    limits: PieceLimits
    read: Callable[[BinaryIO, Sequence[Field], Sequence[Field]], Iterator[pa.RecordBatch]]
    describe: Callable[[BinaryIO], tuple[int, str]]


# What each format is called here, and its encoder.
_NAMES = {
    Format.CSV: ("csv", "CsvEncoder"),
    Format.ORC: ("orc", "OrcEncoder"),
    Format.PARQUET: ("parquet", "ParquetEncoder"),
}


def _implementation(report_format: Format) -> _Implementation:
    """The format, imported when it is wanted: a question to DuckDB waits for none of them."""
    name, encoder = _NAMES[report_format]
    module = import_module(f"stocktake.formats.{name}")
    return _Implementation(
        getattr(module, encoder), module.PIECE_LIMITS, module.read, module.describe
    )


def open_writer(report_format: Format, sink: BinaryIO, schema: pa.Schema) -> ReportWriter:
    """A writer of one data file into `sink`, which is written strictly forward and never closed.

    `schema` is `report_schema(fields)`. Memory: about twice one piece of rows, 64 MiB of them for
    Parquet and 16 MiB for CSV and ORC, beside ORC's stripe of 64 MiB.
    """
    implementation = _implementation(report_format)
    return GatheringWriter(implementation.encoder(sink, schema), schema, implementation.limits)


def read_batches(
    report_format: Format,
    source: BinaryIO,
    fields: Sequence[Field],
    columns: Sequence[str] | None = None,
    *,
    name: str = "the data file",
    encoded: bool = False,
) -> Iterator[pa.RecordBatch]:
    """The rows of the data file in `source` (seekable, at its start), in file order.

    `fields` are all columns of the file, in its order; `columns` names those to read, at least one, in
    the order wanted (None: all). The schema of every batch is `report_schema` of the chosen fields:
    moments are UTC milliseconds, keys decoded, empty CSV values null. With `encoded` it is
    `encoded_schema` of them, whatever the format. A file without rows gives no batch. Memory: a row
    group, a stripe, or a few times 4 MiB of CSV text.

    Raises:
        DataFileError: truncated, damaged, or with other columns than `fields`; says `name` and what.
        StoreError: or whatever else the source raises.
        UnknownFieldError: `columns` names a column the report does not have.
    """
    known = {field.column: field for field in fields}
    wanted = list(fields) if columns is None else [_chosen(known, column) for column in columns]
    shaped = encode if encoded else write_out
    with _readable(report_format, source, name) as watched:
        for batch in _implementation(report_format).read(watched, fields, wanted):
            yield shaped(batch, wanted)


def describe(
    report_format: Format, source: BinaryIO, *, name: str = "the data file"
) -> tuple[int, str]:
    """How many rows the data file in `source` holds, and its schema in the manifest's form.

    Parquet and ORC say both in their footers, so only those are read; the schema compares equal to a
    genuine manifest's `fileSchema`. CSV files have no schema (the text is empty), and their rows are
    counted by reading them whole.

    Raises:
        DataFileError: truncated, damaged or of another format; says `name` and what.
    """
    with _readable(report_format, source, name) as watched:
        return _implementation(report_format).describe(watched)


def ends_rows_with_crlf(source: BinaryIO, *, name: str = "the data file") -> bool | None:
    """Whether the first row of the CSV file in `source` ends with CRLF and not, as AWS's do, with LF; None where there
    is no row. Little more than that row is read.

    Raises:
        DataFileError: truncated or damaged; says `name` and what.
    """
    from stocktake.formats import csv  # noqa: PLC0415 - as the others

    with _readable(Format.CSV, source, name) as watched:
        return csv.ends_rows_with_crlf(watched)


def number_types(
    source: BinaryIO, fields: Sequence[Field], *, name: str = "the data file"
) -> tuple[str, ...]:
    """Which types the Parquet file in `source` has for those of `fields` that are numbers, such as `size: double`, but
    for integers that always fit: what differs between two files cannot be read by one cast. Only the footer is read.

    Raises:
        DataFileError: truncated or damaged; says `name` and what.
    """
    from stocktake.formats import parquet  # noqa: PLC0415 - as the others

    with _readable(Format.PARQUET, source, name) as watched:
        return parquet.number_types(watched, fields)


def _chosen(known: dict[str, Field], column: str) -> Field:
    if column not in known:
        raise UnknownFieldError(f"the report has no column `{column}`; it has {', '.join(known)}")
    return known[column]


@contextmanager
def _readable(report_format: Format, source: BinaryIO, name: str) -> Iterator[BinaryIO]:
    """The source, watched. Everything that says it cannot be read becomes a DataFileError.

    What the source itself raised comes through as it is, such as a StoreError; unless it is an
    OSError, which is this machine's way to say the same. A damaged name of a column is no UTF-8.
    """
    watched = WatchedSource(source)
    try:
        yield cast("BinaryIO", watched)
    except (DataFileError, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if watched.failure is not None and not isinstance(watched.failure, OSError):
            raise watched.failure from None
        raise DataFileError(f"{name} cannot be read as {report_format}: {error}") from error
