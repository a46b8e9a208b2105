"""The rows of an answer as people and programs take them: a table, CSV, JSON lines, Parquet.

Rows are written as they come; none is held longer than it takes to gather what its form needs.
Moments are ISO 8601 in UTC with a `Z`, and milliseconds as AWS writes them unless they are finer.
NULL is nothing in CSV, `null` in JSON, empty in a table.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from itertools import chain, islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.rows import Rows
from stocktake.formats import answers

_WIDTH_ROWS_MAX = 1000  # the rows that decide how wide a table's columns are
_GROUP_ROWS_MAX = 100_000  # of a row group in Parquet


class Output(StrEnum):
    """The forms an answer can be written in."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def write_answer(answer: Rows, output: Output, sink: BinaryIO) -> int:
    """Write all rows of `answer` to `sink`, which is written strictly forward; returns how many.

    Raises:
        DataFileError, QueryError, StoreError: what keeps the rows from coming; some may be written.
        OSError: the sink does not take them.
    """
    return _WRITERS[output](answer, sink)


def _write_csv(answer: Rows, sink: BinaryIO) -> int:
    kinds = [kind if _is_plain(kind) else pa.string() for kind in answer.schema.types]
    schema = pa.schema(list(zip(answer.columns, kinds, strict=True)))
    return answers.write_csv(_csv_batches(answer, schema), schema, sink)


def _csv_batches(answer: Rows, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in answer.batches():
        columns = [column if _is_plain(column.type) else _texts(column) for column in batch.columns]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _write_parquet(answer: Rows, sink: BinaryIO) -> int:
    return answers.write_parquet(_gathered(answer), answer.schema, sink)


def _gathered(answer: Rows) -> Iterator[pa.RecordBatch]:
    """The rows in batches worth a row group."""
    held: list[pa.RecordBatch] = []
    for batch in answer.batches():
        held.append(batch)
        if sum(piece.num_rows for piece in held) >= _GROUP_ROWS_MAX:
            yield pa.concat_batches(held)
            held = []
    if held:
        yield pa.concat_batches(held)


def _write_jsonl(answer: Rows, sink: BinaryIO) -> int:
    names = [json.dumps(name, ensure_ascii=False) for name in answer.columns]
    rows = 0
    for batch in answer.batches():
        parts: list[pa.Array | str] = []
        for name, column in zip(names, batch.columns, strict=True):
            parts += [f"{', ' if parts else '{'}{name}: ", _json_texts(column)]
        lines = pc.binary_join_element_wise(*parts, "}\n", "")  # the last one stands between all
        sink.write("".join(lines.to_pylist()).encode())
        rows += batch.num_rows
    return rows


def write_table(answer: Rows, sink: BinaryIO, *, room: int | None = None) -> int:
    """Columns as wide as the first rows need; a longer value further down only pushes its own line.

    Where a line would be wider than `room`, in characters, each row is a block of its own, a column a line.
    Control characters, which keys may hold, are shown escaped: a terminal would obey them.

    Raises:
        DataFileError, QueryError, StoreError: what keeps the rows from coming; some may be written.
        OSError: the sink does not take them.
    """
    rows = _table_rows(answer)
    first = list(islice(rows, _WIDTH_ROWS_MAX))
    names = [_visible(name) for name in answer.columns]
    widths = [max(len(row[number]) for row in [names, *first]) for number in range(len(names))]
    right = [pa.types.is_integer(kind) or pa.types.is_decimal(kind) for kind in answer.schema.types]
    wide = sum(widths) + 2 * (len(widths) - 1)
    if room is not None and wide > room and len(names) > 1 and first:
        lines = _blocks(names, chain(first, rows))
    else:
        lines = _lines(names, chain(first, rows), widths, right)
    count = 0
    for is_row, line in lines:
        sink.write(f"{line.rstrip()}\n".encode())
        count += is_row
    sink.write(f"({count} {'row' if count == 1 else 'rows'})\n".encode())
    return count


def _lines(
    names: list[str], rows: Iterable[list[str]], widths: list[int], right: list[bool]
) -> Iterator[tuple[bool, str]]:
    """A row a line below the columns' names; whether each line begins a row, and the line."""

    def line(row: list[str]) -> str:
        cells = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, right, strict=True)
        )
        return "  ".join(cells)

    yield False, line(names)
    yield False, line(["-" * width for width in widths])
    yield from ((True, line(row)) for row in rows)


def _blocks(names: list[str], rows: Iterable[list[str]]) -> Iterator[tuple[bool, str]]:
    """A value a line; whether each line begins a row, and the line."""
    width = max(map(len, names))
    for number, row in enumerate(rows, 1):
        yield True, f"-- {number} --"
        yield from (
            (False, f"{name.ljust(width)}  {cell}") for name, cell in zip(names, row, strict=True)
        )


def _table_rows(answer: Rows) -> Iterator[list[str]]:
    for batch in answer.batches():
        columns = [_texts(column).to_pylist() for column in batch.columns]
        for values in zip(*columns, strict=True):
            yield ["" if value is None else _visible(value) for value in values]


def _visible(text: str) -> str:
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


_WRITERS: dict[Output, Callable[[Rows, BinaryIO], int]] = {
    Output.TABLE: write_table,
    Output.CSV: _write_csv,
    Output.JSONL: _write_jsonl,
    Output.PARQUET: _write_parquet,
}


def _is_plain(kind: pa.DataType) -> bool:
    """Whether CSV and text have one form for it, which Arrow knows."""
    return any(test(kind) for test in _PLAIN)


_PLAIN = (
    pa.types.is_boolean,
    pa.types.is_integer,
    pa.types.is_decimal,
    pa.types.is_string,
    pa.types.is_date,
)


def _texts(column: pa.Array) -> pa.Array:
    """Every value as text, null as null."""
    if pa.types.is_timestamp(column.type):
        return _moments(column)
    if _is_plain(column.type):
        return column.cast(pa.string())
    texts = [None if value is None else _text(value) for value in column.to_pylist()]
    return pa.array(texts, pa.string())


def _text(value: object) -> str:
    if isinstance(value, float):
        return repr(value)
    fitted = _fitted(value)
    return fitted if isinstance(fitted, str) else _json(fitted)


def _moments(column: pa.Array) -> pa.Array:
    """Moments as ISO 8601, six digits only where one of them is finer than AWS's milliseconds.

    Their zone is UTC and is taken off first: so no time zone database is needed.
    """
    zone = "Z" if column.type.tz else ""
    fine = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.timestamp("us"))
    numbers = fine.cast(pa.int64())
    milliseconds = pc.divide(numbers, 1000)
    whole = numbers.equals(pc.multiply(milliseconds, 1000))
    shown = milliseconds.cast(pa.timestamp("ms")) if whole else fine
    return pc.strftime(shown, format=f"%Y-%m-%dT%H:%M:%S{zone}")


# What JSON does not write as it is: quotes, backslashes and control characters.
_ESCAPED_IN_JSON = r'["\\\x00-\x1f]'


def _json_texts(column: pa.Array) -> pa.Array:
    """Every value as JSON text, null as `null`; whole columns at once where their type allows it."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        texts = _quoted(_moments(column))
    elif pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        texts = column.cast(pa.string())
    elif pa.types.is_string(kind) and not _any(pc.match_substring_regex(column, _ESCAPED_IN_JSON)):
        texts = _quoted(column)
    else:
        texts = pa.array([_json(_fitted(value)) for value in column.to_pylist()], pa.string())
    return pc.fill_null(texts, "null")


def _quoted(texts: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise('"', texts, '"', "")


def _any(flags: pa.Array) -> bool:
    return pc.any(flags).as_py() is True


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _fitted(value: object) -> object:
    """`value` as JSON has it: what it has no form for becomes text, what is no number null."""
    for kinds, fitted in _FITTED:
        if isinstance(value, kinds):
            return fitted(value)
    return value if value is None or isinstance(value, str | int) else str(value)


_FITTED: tuple[tuple[Any, Callable[[Any], object]], ...] = (
    (float, lambda value: value if math.isfinite(value) else None),
    (Decimal, lambda value: int(value) if value == value.to_integral_value() else float(value)),
    (dict, lambda value: {str(name): _fitted(inner) for name, inner in value.items()}),
    ((list, tuple), lambda value: [_fitted(inner) for inner in value]),
    (bytes, bytes.hex),
    ((datetime, date, time), lambda value: value.isoformat()),
)
