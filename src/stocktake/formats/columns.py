"""From the columns a data file has to those of a report: the same names, order and types."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import pyarrow as pa

from stocktake.model.errors import DataFileError
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, WHOLE_NUMBER, Field, report_schema

# Rows of a batch when reading. More cost up to half as much CPU again, for pages of memory that are touched first.
READ_ROWS_MAX = 16_384

# Columns with few values, some of them long. By a dictionary, a value is decoded, checked and compared once in a batch
# and not once a row.
REPEATING = frozenset({
    "storage_class", "replication_status", "encryption_status", "object_lock_mode", "object_lock_legal_hold_status",
    "bucket_key_status", "checksum_algorithm", "object_access_control_list", "object_owner", "kms_key_arn",
})  # fmt: skip
ENCODED = pa.dictionary(pa.int32(), TEXT)


def check_columns(found: pa.Schema, fields: Sequence[Field]) -> None:
    """Check that a file has exactly the columns of the report, in its order, of fitting types.

    Raises:
        DataFileError: it has not; the message names the first column that differs.
    """
    for number, (column, field) in enumerate(zip_longest(found, fields), 1):
        if field is None or column is None:
            raise DataFileError(f"it has {len(found)} columns, the report has {len(fields)}")
        if column.name != field.column:
            raise DataFileError(
                f"column {number} is `{column.name}`, the report has `{field.column}` there"
            )
        check_types(found, [field])


def check_types(found: pa.Schema, fields: Iterable[Field]) -> None:
    """Check that the columns `fields`, all of which a file has, are of fitting types there.

    Raises:
        DataFileError: one is not.
    """
    for field in fields:
        column = found.field(field.column)
        # As of a writer that never saw a value.
        missing = pa.types.is_null(column.type) and field.nullable
        if not missing and not _ACCEPTED[field.type](column.type):
            raise DataFileError(f"column `{column.name}` is {column.type}, expected {field.type}")


def conform(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """`batch` with the columns `fields`, picked by name, each in its Arrow type; texts that stand in a dictionary stay
    there.

    A moment without a zone is UTC, as in genuine ORC files.

    Raises:
        DataFileError: a value is null where none may be.
        pyarrow.ArrowInvalid: damage that the format does not notice, such as text that is no UTF-8.
    """
    batch.validate(full=True)
    columns = [_converted(batch.column(field.column), field) for field in fields]
    for field, column in zip(fields, columns, strict=True):
        if not field.nullable and column.null_count:
            raise DataFileError(f"a row has no {field.column}")
    return pa.RecordBatch.from_arrays(columns, schema=_typed(fields, columns))


def encoded_schema(fields: Sequence[Field]) -> pa.Schema:
    """The schema of `fields` where the texts that repeat stand in dictionaries."""
    return pa.schema(
        field.arrow.with_type(ENCODED) if _repeats(field) else field.arrow for field in fields
    )


def encode(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """`batch`, which has the columns `fields`, with the texts that repeat in dictionaries."""
    columns = [
        column.dictionary_encode() if _repeats(field) and column.type != ENCODED else column
        for column, field in zip(batch.columns, fields, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=encoded_schema(fields))


def write_out(batch: pa.RecordBatch, fields: Sequence[Field]) -> pa.RecordBatch:
    """`batch`, which has the columns `fields`, with every text by itself."""
    columns = [column.cast(TEXT) if column.type == ENCODED else column for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=report_schema(fields))


def _repeats(field: Field) -> bool:
    return field.type == TEXT and field.column in REPEATING


def _typed(fields: Sequence[Field], columns: Sequence[Any]) -> pa.Schema:
    return pa.schema(
        field.arrow.with_type(ENCODED) if column.type == ENCODED else field.arrow
        for field, column in zip(fields, columns, strict=True)
    )


def _converted(column: Any, field: Field) -> Any:
    if pa.types.is_null(column.type):
        return column.cast(field.type)
    try:
        return _CONVERTED[field.type](column)
    except pa.ArrowInvalid as error:
        if field.type != NUMBER:
            raise
        odd = next(value for value in column.drop_null().to_pylist() if not _fits(value))
        raise DataFileError(
            f"the column `{field.column}` holds `{odd}`, expected {WHOLE_NUMBER}"
        ) from error


def _fits(value: float | Decimal) -> bool:
    number, end = Decimal(value), Decimal(2**63)
    return number.is_finite() and number == number.to_integral_value() and -end <= number < end


def _is_number(kind: pa.DataType) -> bool:
    """Integers, and what other writers have in their place: a value that is not whole is refused when it is cast."""
    numbers = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)
    return any(of_kind(kind) for of_kind in numbers)


def _moment(column: Any) -> Any:
    if column.type == MOMENT:
        return column
    # ORC gives nanoseconds, genuine values are whole milliseconds at the finest.
    milliseconds = column.cast(pa.timestamp("ms", tz=column.type.tz), safe=False)
    return milliseconds.cast(
        MOMENT
    )  # a moment without a zone is taken as UTC, which is what ORC's are


STRING_TYPES = frozenset({pa.string(), pa.large_string(), pa.string_view()})
# Older writers of Parquet leave out that bytes are text; whether they are UTF-8 is seen when they are cast.
_TEXT_TYPES = STRING_TYPES | {pa.binary()}


_ACCEPTED: dict[pa.DataType, Callable[[pa.DataType], bool]] = {
    TEXT: _TEXT_TYPES.__contains__,
    FLAG: pa.types.is_boolean,
    NUMBER: _is_number,
    MOMENT: pa.types.is_timestamp,
}
_CONVERTED: dict[pa.DataType, Callable[[Any], Any]] = {
    TEXT: lambda column: column if column.type == ENCODED else column.cast(TEXT),
    FLAG: lambda column: column,
    NUMBER: lambda column: column.cast(NUMBER),
    MOMENT: _moment,
}
