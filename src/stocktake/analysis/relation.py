"""A report's rows as a DuckDB relation: one SELECT a format, the same columns and types from all
three.

CSV needs it most: there a value is text, an empty one is NULL, and keys are URL-encoded.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from stocktake.model.configuration import Format
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, Field

VIEW = "inventory_report"

# Every file that is being read holds one; DuckDB's own choice is 32 MB.
_CSV_BUFFER_BYTES = 8 * 2**20

SQL_TYPES = {
    TEXT: "VARCHAR",
    FLAG: "BOOLEAN",
    NUMBER: "BIGINT",
    MOMENT: "TIMESTAMPTZ",
    pa.date32(): "DATE",
}


def literal(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def select_rows(report_format: Format, fields: Sequence[Field], urls: Sequence[str]) -> str:
    """The SELECT that yields the rows of the data files at `urls`; none of them, no rows.

    DuckDB reads no ORC: there it selects from `urls[0]`, the name of a table that holds the files'
    rows.
    """
    if not urls:
        nulls = ", ".join(
            f"CAST(NULL AS {_type(field)}) AS {identifier(field.column)}" for field in fields
        )
        return f"SELECT {nulls} WHERE false"
    columns = _from_text(fields) if report_format is Format.CSV else _typed(fields)
    return f"SELECT {columns} FROM {_SOURCES[report_format](fields, urls)}"  # noqa: S608 - quoted


def _type(field: Field) -> str:
    return SQL_TYPES[field.type]


def _typed(fields: Sequence[Field]) -> str:
    # The cast is nothing where the file has the type already; a moment without a zone becomes one in
    # the session's zone, which is UTC.
    return ", ".join(
        f"CAST({identifier(field.column)} AS {_type(field)}) AS {identifier(field.column)}"
        for field in fields
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


_SOURCES = {
    Format.CSV: _csv_source,
    Format.ORC: lambda _fields, urls: identifier(urls[0]),
    Format.PARQUET: _parquet_source,
}
