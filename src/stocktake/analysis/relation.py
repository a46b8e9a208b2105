"""A report's rows as a DuckDB relation: one SELECT a format, the same columns and types from all
three.

CSV needs it most: there a value is text, an empty one is NULL, and keys are URL-encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pyarrow as pa

from stocktake.model.configuration import Format
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, WHOLE_NUMBER, Field

VIEW = "inventory_report"

# Every file that is being read holds one; DuckDB's own choice is 32 MB.
_CSV_BUFFER_BYTES = 8 * 2**20

# What a file's rows are called, so that a column which it lacks is not taken for the one that is made of it.
_ROWS = "data_file"

# How the error begins that a view makes of a number which no column of a report can hold.
ODD_NUMBER = "the column"
# The engine's types of number that always fit into a BIGINT, or of a column without any value.
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")

SQL_TYPES = {
    TEXT: "VARCHAR",
    FLAG: "BOOLEAN",
    NUMBER: "BIGINT",
    MOMENT: "TIMESTAMPTZ",
    pa.date32(): "DATE",
}


@dataclass(frozen=True, slots=True)
class Pulled:
    """The name of a table that holds the rows of data files which DuckDB does not read, as they are meant."""

    name: str


# Where rows come from: the URLs of data files, or a table that holds their rows.
Source: TypeAlias = Sequence[str] | Pulled


def literal(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def select_rows(report_format: Format, fields: Sequence[Field], source: Source) -> str:
    """The SELECT that yields the rows of the data files of `source`; none of them, no rows. DuckDB reads no ORC."""
    if isinstance(source, Pulled):
        return f"SELECT {_typed(fields)} FROM {identifier(source.name)} AS {_ROWS}"  # noqa: S608 - quoted
    if not source:
        nulls = ", ".join(
            f"CAST(NULL AS {_type(field)}) AS {identifier(field.column)}" for field in fields
        )
        return f"SELECT {nulls} WHERE false"
    columns = _from_text(fields) if report_format is Format.CSV else _typed_by_any(fields)
    return f"SELECT {columns} FROM {_READERS[report_format](fields, source)} AS {_ROWS}"  # noqa: S608 - quoted


def _type(field: Field) -> str:
    return SQL_TYPES[field.type]


def _typed(fields: Sequence[Field]) -> str:
    # The cast is nothing where the file has the type already; a moment without a zone becomes one in
    # the session's zone, which is UTC.
    return ", ".join(
        f"CAST({_ROWS}.{identifier(field.column)} AS {_type(field)}) AS {identifier(field.column)}"
        for field in fields
    )


def _typed_by_any(fields: Sequence[Field]) -> str:
    """As `_typed`, of files whose writer may have chosen other types of number than AWS."""
    return ", ".join(
        f"{_whole(field)} AS {identifier(field.column)}"
        if field.type == NUMBER
        else _typed([field])
        for field in fields
    )


def _whole(field: Field) -> str:
    """A number that is whole and no larger than a BIGINT, or an error that names the file: the engine's cast would
    round it, or not say where it is. Which type a column has is known before the first row, so that integers cost
    nothing.
    """
    column = f"{_ROWS}.{identifier(field.column)}"
    whole = f"TRY_CAST({column} AS BIGINT)"
    said = (
        f"{literal(f'{ODD_NUMBER} `{field.column}` holds ')} || CAST({column} AS VARCHAR)"
        f" || ', expected {WHOLE_NUMBER}: ' || {_ROWS}.filename"
    )
    return (
        f"CASE WHEN typeof({column}) IN ({', '.join(map(literal, _INTEGERS))}) THEN CAST({column} AS BIGINT)"
        f" WHEN {column} IS NULL OR TRY_CAST({column} AS DOUBLE) = {whole} THEN {whole} ELSE error({said}) END"
    )


def _from_text(fields: Sequence[Field]) -> str:
    # A space is %20 in CSV keys today and was + until 2018; a plus itself is always %2B.
    decoded = f"url_decode(replace({identifier('key')}, '+', ' ')) AS {identifier('key')}"
    return ", ".join(
        decoded if field.name == "Key" else identifier(field.column) for field in fields
    )


def _csv_source(fields: Sequence[Field], urls: Sequence[str]) -> str:
    types = ", ".join(f"{literal(field.column)}: {literal(_type(field))}" for field in fields)
    return (
        f"read_csv({_list(urls)}, columns = {{{types}}}, auto_detect = false, header = false, delim = ',',"
        # A line end within a value may be another one, which must not be taken for that of rows.
        " quote = '\"', escape = '\"', new_line = '\\n', nullstr = '', compression = 'gzip',"
        f" buffer_size = {_CSV_BUFFER_BYTES})"
    )


def _parquet_source(_fields: Sequence[Field], urls: Sequence[str]) -> str:
    return f"read_parquet({_list(urls)}, binary_as_string = true, hive_partitioning = false)"


def _list(urls: Sequence[str]) -> str:
    return f"[{', '.join(literal(url) for url in urls)}]"


_READERS = {Format.CSV: _csv_source, Format.PARQUET: _parquet_source}
