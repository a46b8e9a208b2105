r"""CSV as AWS writes it: no header, every value in quotes, LF, null as `""`, keys URL-encoded, gzip.

    "bucket","a%20key","14340","2020-01-04T15:34:00.000Z","true",""\n

With the same rows, `zlib.compressobj(6, zlib.DEFLATED, 31)` gives the very bytes of genuine files,
their MD5 included; Python's gzip module does not (it writes another header).

Reading is by blocks of whole rows: any number of gzip members, blank lines, and a `+` for a space in
keys (AWS until 2018) are tolerated; a line end within quotes is part of the value. Blocks are cut here
and not by pyarrow's streaming reader, whose reading ahead can outlive a failure and abort the process.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute
import pyarrow.csv as pcsv

from stocktake.formats.columns import conform
from stocktake.formats.gathering import PieceLimits
from stocktake.model.errors import DataFileError
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, Field
from stocktake.model.percent import percent_decoded

_compute: Any = pyarrow.compute  # its stubs know too few of the types it takes

# Measured: 10,000 rows take half the CPU of 1,000 to become text, and 100,000 hardly less.
PIECE_LIMITS = PieceLimits(rows_max=16_384, bytes_max=16 * 2**20)

_GZIP = 31  # zlib's window bits for a gzip header and trailer
_LEVEL = 6
_WRITE_OPTIONS = pcsv.WriteOptions(include_header=False, quoting_style="all_valid")

_KEPT = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./:"
_BETWEEN = b"\xff"  # no byte of UTF-8, so no byte of a key

_READ_BYTES = 2**20
_HEAD_BYTES = 2**13  # holds a first row, and little more
_FIRST_ROW_BYTES_MAX = 2**20
_BLOCK_BYTES = 4 * 2**20
_ERROR_TEXT_MAX = 300
_ROW_BYTES_MAX = 2**24  # the longest genuine rows are a few thousand bytes


class CsvEncoder:
    """Writes one gzipped CSV file."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = sink
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._texts = pa.schema([pa.field(name, pa.string()) for name in schema.names])

    def encode(self, rows: pa.Table) -> None:
        """Write `rows` as text."""
        for batch in rows.combine_chunks().to_batches():
            texts = [
                encode_keys(column) if name == "key" else _TEXTS[column.type](column).fill_null("")
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            ]
            lines = pa.BufferOutputStream()
            pcsv.write_csv(pa.record_batch(texts, schema=self._texts), lines, _WRITE_OPTIONS)
            self._sink.write(self._gzip.compress(memoryview(lines.getvalue())))

    def finish(self) -> None:
        """Write what zlib still holds and gzip's trailer."""
        self._sink.write(self._gzip.flush())

    def abandon(self) -> None:
        """Without its trailer, what was written is no whole gzip file."""


def _moment_texts(column: Any) -> Any:
    # Ten times cheaper than strftime: the cast gives `YYYY-MM-DD HH:MM:SS.mmm`.
    spaced = column.cast(pa.timestamp("ms")).cast(pa.string()).cast(pa.binary())
    dated = _compute.binary_replace_slice(spaced, 10, 11, b"T").cast(pa.string())
    return _compute.binary_join_element_wise(dated, "Z", "")


_TEXTS: dict[pa.DataType, Callable[[Any], Any]] = {
    TEXT: lambda column: column,
    FLAG: lambda column: column.cast(pa.string()),
    NUMBER: lambda column: column.cast(pa.string()),
    MOMENT: _moment_texts,
}


def encode_keys(keys: Any) -> Any:
    """`model.keys.encode_csv_key` for a whole column of keys without nulls.

    One pass finds which bytes need encoding at all. Where some do, each of them costs one
    `bytes.replace` over all keys in one run, whatever their number.
    """
    whole = pa.ListArray.from_arrays(pa.array([0, len(keys)], pa.int32()), keys.cast(pa.binary()))
    joined: bytes = _compute.binary_join(whole, _BETWEEN)[0].as_py()
    special = set(joined.translate(None, _KEPT + _BETWEEN))
    if not special:
        return keys
    # `%` first, else the signs of the others would be encoded again.
    for byte in sorted(special, key=lambda byte: byte != ord("%")):
        joined = joined.replace(bytes((byte,)), b"%%%02X" % byte)
    return _compute.split_pattern(pa.array([joined], pa.binary()), _BETWEEN).values.cast(
        pa.string()
    )


def read(
    source: BinaryIO, fields: Sequence[Field], wanted: Sequence[Field]
) -> Iterator[pa.RecordBatch]:
    """The rows of a file whose columns are `fields`: those of `wanted`, block by block."""
    names = [field.column for field in fields]
    options = pcsv.ConvertOptions(
        column_types={field.column: field.type for field in wanted},
        include_columns=[field.column for field in wanted],
        strings_can_be_null=True,
        null_values=[""],
        true_values=["true", "TRUE"],
        false_values=["false", "FALSE"],
    )
    rows = 0
    for block in row_blocks(inflated(source)):
        table = _parsed(block, rows, pcsv.ReadOptions(column_names=names, **_whole(block)), options)
        rows += table.num_rows
        for batch in table.combine_chunks().to_batches():
            yield conform(_decoded(batch), wanted)


def describe(source: BinaryIO) -> tuple[int, str]:
    """The row count, and no schema: CSV files have none. All rows must have equally many values."""
    rows, columns = 0, 0
    for block in row_blocks(inflated(source)):
        options = pcsv.ReadOptions(autogenerate_column_names=True, **_whole(block))
        table = _parsed(block, rows, options, pcsv.ConvertOptions())
        if columns not in {0, table.num_columns}:
            raise DataFileError(
                f"row {rows + 1} has {table.num_columns} values, the rows before it {columns}"
            )
        rows, columns = rows + table.num_rows, table.num_columns
    return rows, ""


def ends_rows_with_crlf(source: BinaryIO) -> bool | None:
    """Whether the first row ends with CRLF; None where there is none, or it is too long for one. Blank lines do not
    count.
    """
    held = b""
    for part in inflated(source, _HEAD_BYTES):
        held = (held + part).lstrip(b"\r\n")[:_FIRST_ROW_BYTES_MAX]
        if end := _row_end(held):
            return held[:end].endswith(b"\r\n")
        if len(held) == _FIRST_ROW_BYTES_MAX:
            break
    return None


def inflated(source: BinaryIO, read_bytes: int = _READ_BYTES) -> Iterator[bytes]:
    """The bytes in a gzip file of any number of members, in parts of at most `_BLOCK_BYTES`.

    Zeros behind a member are padding.

    Raises:
        DataFileError: no gzip, a checksum that disagrees, or the end comes too early.
    """
    member = zlib.decompressobj(_GZIP)
    waiting = b""
    while waiting := waiting or source.read(read_bytes):
        if member.eof:
            waiting = waiting.lstrip(b"\0")
            if waiting:
                member = zlib.decompressobj(_GZIP)
        else:
            try:
                part = member.decompress(waiting, _BLOCK_BYTES)
            except zlib.error as error:
                raise DataFileError(f"damaged, or no gzip: {error}") from error
            waiting = member.unconsumed_tail or member.unused_data
            yield part
    if not member.eof:
        raise DataFileError("it ends in the middle of its gzip data")


def row_blocks(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes of `parts` cut where rows end, about `_BLOCK_BYTES` each; blank blocks are left out.

    Raises:
        DataFileError: a row longer than `_ROW_BYTES_MAX`, or a value without its closing quote.
    """
    held = b""
    for part in parts:
        held += part
        if len(held) < _BLOCK_BYTES:
            continue
        end = _rows_end(held)
        if held[:end].strip():
            yield held[:end]
        held = held[end:]
        if len(held) > _ROW_BYTES_MAX:
            raise DataFileError(f"no row ends within {_ROW_BYTES_MAX} bytes")
    if held.count(b'"') % 2:
        raise DataFileError("it ends within a quoted value")
    if held.strip():
        yield held


def _rows_end(block: bytes) -> int:
    """Where the last whole row of `block` ends; 0 where none does. Line ends in quotes do not count."""
    end = len(block)
    quotes = block.count(b'"')
    while (newline := block.rfind(b"\n", 0, end)) >= 0:
        quotes -= block.count(b'"', newline, end)
        if quotes % 2 == 0:
            return newline + 1
        end = newline
    return 0


def _row_end(block: bytes) -> int:
    """Where the first row of `block` ends; 0 where it does not."""
    begin, quotes = 0, 0
    while (newline := block.find(b"\n", begin)) >= 0:
        quotes += block.count(b'"', begin, newline)
        begin = newline + 1
        if quotes % 2 == 0:
            return begin
    return 0


def _whole(block: bytes) -> dict[str, Any]:
    """Read `block` in one go, on this thread."""
    return {"use_threads": False, "block_size": len(block) + 1}


_ROW_NUMBER = re.compile(r"Row #(\d+): ")


def _parsed(
    block: bytes, rows_before: int, options: pcsv.ReadOptions, conversion: pcsv.ConvertOptions
) -> pa.Table:
    parsing = pcsv.ParseOptions(newlines_in_values=True)
    try:
        return pcsv.read_csv(io.BytesIO(block), options, parsing, conversion)
    except pa.ArrowInvalid as error:
        # pyarrow counts from the block's start and shows the whole row.
        text = _ROW_NUMBER.sub(lambda found: f"row {rows_before + int(found[1])}: ", str(error))
        raise DataFileError(text.removeprefix("CSV parse error: ")[:_ERROR_TEXT_MAX]) from error


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """`batch` with its keys, if it has that column, as they are in the bucket."""
    if "key" not in batch.schema.names:
        return batch
    keys: Any = batch.column("key")
    coded = _compute.fill_null(_compute.match_substring_regex(keys, "[%+]"), False)  # noqa: FBT003
    if not _compute.any(coded).as_py():
        return batch
    try:
        texts = percent_decoded(keys.filter(coded))
    except pa.ArrowInvalid as error:
        raise DataFileError(f"a key is not UTF-8 once it is decoded: {error}") from error
    index = batch.schema.get_field_index("key")
    return batch.set_column(index, "key", _compute.replace_with_mask(keys, coded, texts))
