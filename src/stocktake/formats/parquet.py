"""Parquet as AWS writes it: format 1.0, data page v1, Snappy, root message `s3.inventory`.

Genuine files carry dictionaries, min/max statistics on every column, a column and an offset index,
and no key-value metadata; bucket and key are required, moments are INT64 TIMESTAMP(MILLIS, adjusted
to UTC).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from stocktake.formats.columns import READ_ROWS_MAX, REPEATING, check_columns, conform
from stocktake.formats.gathering import ForwardSink, PieceLimits
from stocktake.model.errors import DataFileError
from stocktake.model.fields import NUMBER, Field

# A piece is a row group. From 50,000 to 200,000 rows neither the CPU a row nor the size of the file
# changes much (measured on 1 M rows of 8 columns), so readers decide: DuckDB's unit of parallel work
# is of this order, and a full data file gives it ten.
PIECE_LIMITS = PieceLimits(rows_max=100_000, bytes_max=64 * 2**20)

# A dictionary above this size is given up for plain values. pyarrow's own 1 MiB costs half as much
# CPU again, and makes files of nearly unique sizes and dates 8 % larger.
_DICTIONARY_BYTES_MAX = 2**16

# Columns whose values hardly repeat: trying a dictionary first costs time and never pays.
_UNIQUE = frozenset({"key", "version_id", "e_tag", "checksum_value"})

_MAGIC = b"PAR1"
_TAIL_BYTES = 8  # the footer's length, 4 bytes, and the magic
_THEIR_ROOT = b"\x06schema"  # Thrift's compact protocol: the length, then the text
_OUR_ROOT = b"\x0cs3.inventory"
_ROOT_BYTES_MAX = 64  # the root's name stands among the first bytes of the footer


class ParquetEncoder:
    """Writes one Parquet file, a row group a piece, strictly forward."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = ForwardSink(sink)
        repeating: Any = [name for name in schema.names if name not in _UNIQUE]
        with self._sink.passing():
            self._writer = pq.ParquetWriter(
                self._sink.opened(),
                schema,
                version="1.0",
                data_page_version="1.0",
                compression="snappy",
                use_dictionary=repeating,
                dictionary_pagesize_limit=_DICTIONARY_BYTES_MAX,
                write_statistics=True,
                write_page_index=True,
                write_page_checksum=True,
                store_schema=False,
            )

    def encode(self, rows: pa.Table) -> None:
        """Write `rows` as one row group."""
        with self._sink.passing():
            # In one chunk, so that the bytes do not depend on the batches the rows came in.
            self._writer.write_table(rows.combine_chunks(), row_group_size=rows.num_rows)

    def finish(self) -> None:
        """Write the indexes and the footer, with the root message renamed."""
        with self._sink.keeping() as end:
            self._writer.close()
        with self._sink.passing():
            self._sink.write(_renamed_root(bytes(end)))

    def abandon(self) -> None:
        """Close pyarrow's writer without its footer reaching the sink."""
        self._writer.close()


def _renamed_root(end: bytes) -> bytes:
    """`end` of a file, footer included, with the root message named as AWS names it.

    pyarrow cannot be told to. Every offset in the footer counts from the start of the file, and the
    footer is its last part: so it may grow.
    """
    footer_bytes = int.from_bytes(end[-_TAIL_BYTES : -len(_MAGIC)], "little")
    start = len(end) - _TAIL_BYTES - footer_bytes
    name = end.find(_THEIR_ROOT, start, start + _ROOT_BYTES_MAX)
    if start < 0 or name < 0:
        raise RuntimeError("pyarrow's Parquet footer no longer starts with a root named `schema`")
    footer = end[start:name] + _OUR_ROOT + end[name + len(_THEIR_ROOT) : -_TAIL_BYTES]
    return end[:start] + footer + len(footer).to_bytes(4, "little") + _MAGIC


def read(
    source: BinaryIO, fields: Sequence[Field], wanted: Sequence[Field]
) -> Iterator[pa.RecordBatch]:
    """The rows of a file whose columns are `fields`: those of `wanted`, texts that repeat by the file's dictionaries.

    One row group is held at a time.
    """
    footer = pq.ParquetFile(source)
    check_columns(footer.schema_arrow, fields)
    file = pq.ParquetFile(
        source,
        metadata=footer.metadata,
        read_dictionary=[
            column.name
            for column in footer.schema_arrow
            if column.name in REPEATING and column.type == pa.string()
        ],
        page_checksum_verification=True,
    )
    for batch in file.iter_batches(READ_ROWS_MAX, columns=[field.column for field in wanted]):
        yield conform(batch, wanted)


def describe(source: BinaryIO) -> tuple[int, str]:
    """The row count and the schema, in the form of the manifest's `fileSchema`, by the footer alone."""
    file = pq.ParquetFile(source)
    columns = (file.schema.column(index) for index in range(len(file.schema.names)))
    text = "".join(_column_text(column) for column in columns)
    return file.metadata.num_rows, f"message {_root_name(file)} {{{text}}}"


def number_types(source: BinaryIO, fields: Sequence[Field]) -> tuple[str, ...]:
    """The types of the columns that are numbers, such as `size: double`, but for integers that fit into 64 bits."""
    found = pq.read_schema(pa.BufferReader(_footer(source)))
    columns = (found.field(field.column) for field in fields if _is_odd_number(found, field))
    return tuple(f"{column.name}: {column.type}" for column in columns)


def _footer(source: BinaryIO) -> bytes:
    """The file without what is ahead of its footer: pyarrow by itself reads 64 KiB, however short the footer is.

    Raises:
        DataFileError: it is no Parquet, or shorter than its footer.
    """
    size = source.seek(0, io.SEEK_END)
    source.seek(max(0, size - _TAIL_BYTES))
    tail = source.read(_TAIL_BYTES)
    footer_bytes = int.from_bytes(tail[: -len(_MAGIC)], "little") + _TAIL_BYTES
    if not tail.endswith(_MAGIC) or footer_bytes > size:
        raise DataFileError("it has no footer")
    source.seek(size - footer_bytes)
    return _MAGIC + source.read(footer_bytes)


def _is_odd_number(found: pa.Schema, field: Field) -> bool:
    if field.type != NUMBER or field.column not in found.names:
        return False
    kind = found.field(field.column).type
    plain = pa.types.is_integer(kind) or pa.types.is_null(kind)
    return not plain or kind == pa.uint64()


def _root_name(file: pq.ParquetFile) -> str:
    # pyarrow shows the root's name only in print: `required group field_id=-1 NAME {`.
    line = next((line for line in str(file.schema).splitlines() if " group " in line), "")
    name = line.removesuffix(" {").rpartition(" ")[2]
    if not name:
        raise DataFileError("its footer names no root message")
    return name


_PHYSICAL = {"BYTE_ARRAY": "binary"}  # parquet-mr's own name; the others are just lower case


def _column_text(column: pq.ColumnSchema) -> str:
    """One column as parquet-mr prints it."""
    repetition = "optional" if column.max_definition_level else "required"
    physical = _PHYSICAL.get(column.physical_type, column.physical_type.lower())
    return f"  {repetition} {physical} {column.path}{_annotation(column)};"


def _annotation(column: pq.ColumnSchema) -> str:
    kind = str(column.logical_type.type)
    if kind != "TIMESTAMP":
        return "" if kind == "NONE" else f" ({kind})"
    facts = str(column.logical_type)
    unit = "MILLIS" if "milliseconds" in facts else "MICROS" if "microseconds" in facts else "NANOS"
    return f" (TIMESTAMP({unit},{'true' if 'isAdjustedToUTC=true' in facts else 'false'}))"
