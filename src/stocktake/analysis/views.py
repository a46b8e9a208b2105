"""The SELECT behind a table: the rows of its reports one after the other, all with the same columns and types."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pyarrow as pa

from stocktake.analysis.relation import SQL_TYPES, Source, identifier, literal, select_rows
from stocktake.analysis.report import Report
from stocktake.analysis.tables import DT, ENRICHED, Table, dt_of
from stocktake.model.fields import MOMENT, Field


def select_table(table: Table, sources: Sequence[Source]) -> str:
    """The SELECT that yields the rows of `table`, whose reports' rows come from `sources`.

    A report that cannot hold what is asked for, by its `dt` or by its files' statistics, is not read: DuckDB sees
    through the union.
    """
    parts = [
        _select_report(table, report, found)
        for report, found in zip(table.reports, sources, strict=True)
    ]
    return "\nUNION ALL\n".join(parts)


def _select_report(table: Table, report: Report, source: Source) -> str:
    fields = (*report.fields, *[ENRICHED] * table.aged)
    rows = select_rows(report.manifest.format, fields, source)
    own = {field.column: field for field in fields}
    if tuple(own.values()) == table.fields:
        return rows
    columns = ", ".join(
        f"{_value(own.get(field.column), field, report)} AS {identifier(field.column)}"
        for field in table.fields
    )
    return f"SELECT {columns} FROM ({rows})"  # noqa: S608 - quoted


def _value(own: Field | None, field: Field, report: Report) -> str:
    if field is DT:
        return literal(dt_of(report))
    if own is None:
        return f"CAST(NULL AS {SQL_TYPES[field.type]})"
    if own.type == field.type:
        return identifier(field.column)
    return _AS_TEXT[own.type](identifier(field.column))


# A column that is text in one of the reports is written in all as CSV writes it.
_AS_TEXT: dict[pa.DataType, Callable[[str], str]] = {
    field_type: (lambda column: f"CAST({column} AS VARCHAR)")
    for field_type in SQL_TYPES
    if field_type != MOMENT
} | {MOMENT: lambda column: f"strftime({column}, '%Y-%m-%dT%H:%M:%S.%gZ')"}
