"""Rows of reports, ordinary and hostile, and data files made of them."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import pyarrow as pa
from hypothesis import strategies as st

from stocktake.formats import open_writer, read_batches
from stocktake.model.configuration import Format
from stocktake.model.fields import (
    EXTENSION_FIELDS,
    FLAG,
    MOMENT,
    NUMBER,
    OPTIONAL_FIELDS,
    TEXT,
    Field,
    report_fields,
    report_schema,
)
from stocktake.model.keys import KEY_BYTES_MAX

Row = Mapping[str, object]

EVERY_FIELD = report_fields(OPTIONAL_FIELDS + EXTENSION_FIELDS, all_versions=True)

# AWS's columns of 2024: those of the genuine rows in tests/golden/aws.
GENUINE_FIELDS = EVERY_FIELD[:18]

HOSTILE_KEYS = sorted(
    {
        "a", "b", "a/../b", "./b", ".", "..", "/", "//a//", "a/", "\\", "~", "a~b", "*", "a b", "  a ", "+", "a+b",
        "%", "%20", "%2", "a%41", "100%", "=", "&", "#", "?", "'", '"', '""', 'a","b', ",", ";", "@", ":", "null",
        "\t", "a\nb", "\n", "\r", "a\r\nb", "\x00", "a\x01b", "\x1f", "\x7f", "\x80", "\ufffe", "\uffff", "\ufeff",
        "\u2028", "é", "e\u0301", "ü" * 512, "日本語/キー", "😀", "👩‍👩‍👧", "\U0010ffff", "x" * KEY_BYTES_MAX,
        "true", "0", "2024-05-06T22:37:48.000Z", "<Key>&amp;</Key>",
    }
)  # fmt: skip

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
KEYS = st.sampled_from(HOSTILE_KEYS) | _TEXTS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_VALUES: dict[pa.DataType, st.SearchStrategy[object]] = {
    TEXT: _TEXTS,
    FLAG: st.booleans(),
    NUMBER: st.integers(-(2**63), 2**63 - 1),
    # Up to 2261: pyarrow reads ORC's moments as 64 bit nanoseconds.
    MOMENT: st.integers(0, 9_183_110_400_000).map(lambda n: _EPOCH + timedelta(milliseconds=n)),
}


def rows_of(fields: Sequence[Field]) -> st.SearchStrategy[list[Row]]:
    """Lists of rows with any values, null where a null may stand."""
    return st.lists(
        st.fixed_dictionaries(
            {
                field.column: KEYS
                if field.column == "key"
                else (_VALUES[field.type] | st.none() if field.nullable else _VALUES[field.type])
                for field in fields
            }
        ),
        max_size=12,
    )


def hostile_rows() -> list[Row]:
    """A row for every hostile key, with every field, every third row null wherever it may be."""
    return [
        {field.column: _value(field, key, number) for field in EVERY_FIELD}
        for number, key in enumerate(HOSTILE_KEYS)
    ]


def _value(field: Field, key: str, number: int) -> object:
    if field.column == "key":
        return key
    if field.nullable and number % 3 == 0:
        return None
    values: dict[pa.DataType, object] = {
        TEXT: f'{{"{field.name}":"{key}"}}',
        FLAG: number % 2 == 0,
        NUMBER: number * 10**15,
        MOMENT: _EPOCH + timedelta(milliseconds=number * 10**10 + 7),
    }
    return values[field.type]


def batch_of(rows: Iterable[Row], fields: Sequence[Field]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(list(rows), schema=report_schema(fields))


def written(
    report_format: Format, batches: Iterable[pa.RecordBatch], fields: Sequence[Field]
) -> bytes:
    """The bytes of a data file."""
    sink = io.BytesIO()
    with open_writer(report_format, sink, report_schema(fields)) as writer:
        for batch in batches:
            writer.write(batch)
    return sink.getvalue()


def rows_in(
    report_format: Format,
    data: bytes,
    fields: Sequence[Field],
    columns: Sequence[str] | None = None,
) -> list[Row]:
    """The rows our own reader finds."""
    batches = read_batches(report_format, io.BytesIO(data), fields, columns)
    return [row for batch in batches for row in batch.to_pylist()]


CURRENT_FIELDS = report_fields(
    ("Size", "LastModifiedDate", "ETag", "StorageClass"), all_versions=False
)


def made_rows(count: int, *, page: int = 1000) -> Iterator[pa.RecordBatch]:
    """`count` ordinary rows of `CURRENT_FIELDS`, in key order, in batches of a page."""
    whole = _made(count)
    return (whole.slice(start, page) for start in range(0, count, page))


@cache
def _made(count: int) -> pa.RecordBatch:
    numbers = range(count)
    columns = [
        pa.array(["b"] * count),
        pa.array([f"data/{number:09d} é.bin" for number in numbers]),
        pa.array(numbers, NUMBER),
        pa.array([number * 1000 for number in numbers], NUMBER).cast(MOMENT),
        pa.array([f"{number * 2654435761 % 2**64:032x}" for number in numbers]),
        pa.array(["STANDARD" if number % 10 else "GLACIER" for number in numbers]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=report_schema(CURRENT_FIELDS))
