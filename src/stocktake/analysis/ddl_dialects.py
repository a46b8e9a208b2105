"""How each SQL engine writes what a table of a report needs: names, texts, types, and values out of CSV. Facts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from stocktake.analysis.relation import identifier as in_quotes
from stocktake.analysis.relation import literal as doubled
from stocktake.analysis.report import Report
from stocktake.analysis.tables import DT, Table, dt_of
from stocktake.model.configuration import Format
from stocktake.model.errors import UsageError
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, Field


def in_backticks(name: str) -> str:
    """`name` as an identifier of Hive's family."""
    return "`" + name.replace("`", "``") + "`"


def escaped(text: str) -> str:
    """A string literal where a backslash escapes: Hive, Spark, ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def lines(parts: Sequence[str]) -> str:
    """A list inside of a statement, one a line."""
    return ",\n".join(f"  {part}" for part in parts)


@dataclass(frozen=True, slots=True)
class Dialect:
    """`types` are what a column is in the table; `required` that of one that is never NULL, where the engine
    tells these apart. In CSV a column is `text`, and `from_text` makes a value of it; `key` decodes keys.
    """

    quote: Callable[[str], str]
    literal: Callable[[str], str]
    types: dict[pa.DataType, str]
    text: str
    from_text: dict[pa.DataType, str]
    key: str
    required: str = ""

    def type_of(self, field: Field) -> str:
        """The type of a column of the table."""
        return self.types[field.type] if field.nullable or not self.required else self.required

    def declared(self, report: Report) -> list[str]:
        """The columns of the report's data files, as they are written there."""
        text = report.manifest.format is Format.CSV
        return [
            f"{self.quote(field.column)} {self.text if text else self.type_of(field)}"
            for field in report.fields
        ]

    def chosen(self, table: Table, report: Report) -> list[str]:
        """The expressions that make the table's columns of those of the report's data files; a column that
        the report lacks is NULL, `dt` the report's own.

        Raises:
            UsageError: the reports do not agree about a column's type.
        """
        own = {field.column: field for field in report.fields}
        return [
            f"{self._value(own.get(field.column), field, report)} AS {self.quote(field.column)}"
            for field in table.fields
        ]

    def _value(self, own: Field | None, field: Field, report: Report) -> str:
        if field is DT:
            return self.literal(dt_of(report))
        if own is None:
            return f"CAST(NULL AS {self.types[field.type]})"
        if own.type != field.type:
            raise UsageError(
                f"the reports do not agree about the column `{field.column}`: it is {own.type} in"
                f" {report.address}, {field.type} elsewhere",
                hint="choose days with `--dt` between which the report's format did not change",
            )
        column = self.quote(field.column)
        if report.manifest.format is not Format.CSV:
            return column
        return (self.key if field.name == "Key" else self.from_text[field.type]).format(column)


SPARK = Dialect(
    quote=in_backticks,
    literal=escaped,
    types={TEXT: "STRING", FLAG: "BOOLEAN", NUMBER: "BIGINT", MOMENT: "TIMESTAMP"},
    text="STRING",
    from_text={
        TEXT: "nullif({0}, '')",
        FLAG: "CAST(nullif({0}, '') AS BOOLEAN)",
        NUMBER: "CAST(nullif({0}, '') AS BIGINT)",
        MOMENT: "CAST(nullif({0}, '') AS TIMESTAMP)",
    },
    key="url_decode({0})",
)
TRINO = Dialect(
    quote=in_quotes,
    literal=doubled,
    types={TEXT: "varchar", FLAG: "boolean", NUMBER: "bigint", MOMENT: "timestamp(3)"},
    text="varchar",
    from_text={
        TEXT: "nullif({0}, '')",
        FLAG: "CAST(nullif({0}, '') AS boolean)",
        NUMBER: "CAST(nullif({0}, '') AS bigint)",
        # In the zone that the text names, which is UTC: the type that ORC and Parquet have there.
        MOMENT: "CAST(from_iso8601_timestamp(nullif({0}, '')) AS timestamp(3))",
    },
    key="url_decode({0})",
)
CLICKHOUSE = Dialect(
    quote=in_backticks,
    literal=escaped,
    types={
        TEXT: "Nullable(String)",
        FLAG: "Nullable(Bool)",
        NUMBER: "Nullable(Int64)",
        MOMENT: "Nullable(DateTime64(3, 'UTC'))",
    },
    text="String",
    from_text={
        TEXT: "nullIf({0}, '')",
        FLAG: "CAST(nullIf({0}, '') AS Nullable(Bool))",
        NUMBER: "toInt64OrNull({0})",
        MOMENT: "parseDateTime64BestEffortOrNull({0}, 3, 'UTC')",
    },
    key="decodeURLFormComponent({0})",
    required="String",
)
