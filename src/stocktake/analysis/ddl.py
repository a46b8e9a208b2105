"""The statement that makes a report a table of somebody's own SQL engine.

Athena and Hive read a report through its `hive/` folder, each run a partition `dt`: one table shows
every run. AWS's own statement finds only runs that start on the hour, so partitions are projected
by the minute, or found by MSCK. The other engines read this report's data files by their names:
`data/` alone would mix all runs, and outside Athena only text can be read through symlink.txt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum

import pyarrow as pa

from stocktake.analysis.relation import VIEW, select_rows
from stocktake.analysis.relation import identifier as in_quotes
from stocktake.analysis.relation import literal as doubled
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from stocktake.model.errors import UsageError
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, Field
from stocktake.model.manifest import destination_bucket_name
from stocktake.model.paths import SYMLINK


class Engine(StrEnum):
    """The engines a statement can be had for."""

    ATHENA = "athena"
    HIVE = "hive"
    SPARK = "spark"
    TRINO = "trino"
    DUCKDB = "duckdb"
    CLICKHOUSE = "clickhouse"


def table_statement(
    report: Report, engine: Engine, *, table: str = VIEW, repair: bool = False
) -> str:
    """The statement, or the few, to paste, each ended by a semicolon; exactly the report's columns.

    Athena is told where the report was delivered to, all others where it lies. With `repair`,
    Athena finds the partitions by MSCK instead of projection.

    Raises:
        UsageError: the engine cannot read such a report.
        DataFileError: a data file is missing.
    """
    if repair and engine is Engine.ATHENA:
        return f"{_athena_table(report, table)};\n{_repair(table)}"
    return _STATEMENTS[engine](report, table)


# -- facts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Columns:
    """How an engine takes a value from a data file: its type there, and from CSV the expression
    that makes one.
    """

    types: dict[pa.DataType, str]
    text: str
    from_text: dict[pa.DataType, str]
    key: str


_HIVE_TYPES = {TEXT: "string", FLAG: "boolean", NUMBER: "bigint", MOMENT: "timestamp"}
# What AWS declares for CSV: its SerDe yields text, and of all types Athena turns only booleans.
_HIVE_TEXT_TYPES = {TEXT: "string", FLAG: "boolean", NUMBER: "string", MOMENT: "string"}
_SERDES = {
    Format.CSV: "org.apache.hadoop.hive.serde2.OpenCSVSerde",
    Format.ORC: "org.apache.hadoop.hive.ql.io.orc.OrcSerde",
    Format.PARQUET: "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
}
_SPARK = _Columns(
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
_TRINO = _Columns(
    types={TEXT: "varchar", FLAG: "boolean", NUMBER: "bigint", MOMENT: "timestamp(3)"},
    text="varchar",
    from_text={
        TEXT: "nullif({0}, '')",
        FLAG: "CAST(nullif({0}, '') AS boolean)",
        NUMBER: "CAST(nullif({0}, '') AS bigint)",
        MOMENT: "from_iso8601_timestamp(nullif({0}, ''))",
    },
    key="url_decode({0})",
)
_CLICKHOUSE = _Columns(
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
)


# -- quoting ---------------------------------------------------------------------------------------


def _in_backticks(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _escaped(text: str) -> str:
    """A string literal where a backslash escapes: Hive, Spark, ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _lines(parts: Sequence[str]) -> str:
    return ",\n".join(f"  {part}" for part in parts)


def _declared(
    fields: Sequence[Field], quote: Callable[[str], str], kind: Callable[[Field], str]
) -> list[str]:
    return [f"{quote(field.column)} {kind(field)}" for field in fields]


def _converted(
    fields: Sequence[Field], quote: Callable[[str], str], columns: _Columns
) -> list[str]:
    """The expressions that turn columns of text into the report's columns."""
    return [
        (columns.key if field.name == "Key" else columns.from_text[field.type]).format(
            quote(field.column)
        )
        + f" AS {quote(field.column)}"
        for field in fields
    ]


# -- where things lie ------------------------------------------------------------------------------


def _uris(report: Report) -> list[str]:
    """Where the data files lie: `s3://...`, or paths."""
    return [report.files.uri(report.locate(file)) for file in report.manifest.files]


def _alternatives(uris: Sequence[str], special: str) -> str:
    """All of `uris` as one path with `{a,b}` in it.

    Raises:
        UsageError: a path holds a character that is special there; there is no way to quote it.
    """
    for uri in uris:
        if found := set(special) & set(uri):
            raise UsageError(
                f"this engine cannot name {uri}: `{min(found)}` means something in its paths"
            )
    if len(uris) == 1:
        return uris[0]
    folders = {uri.rpartition("/")[0] for uri in uris}
    if len(folders) != 1:
        raise UsageError(f"the data files lie in {len(folders)} folders, expected one")
    return f"{folders.pop()}/{{{','.join(uri.rpartition('/')[2] for uri in uris)}}}"


def _some(report: Report) -> list[str]:
    if not (uris := _uris(report)):
        raise UsageError("the report has no data files, so there is nothing to make a table of")
    return uris


# -- one function an engine ------------------------------------------------------------------------


def _athena(report: Report, table: str) -> str:
    moment = report.paths.moment.astimezone(UTC)
    projection = {
        "projection.enabled": "true",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd-HH-mm",
        "projection.dt.range": f"{moment:%Y-%m-%d-%H-%M},NOW",
        "projection.dt.interval": "1",
        "projection.dt.interval.unit": "MINUTES",
    }
    properties = _lines(
        [f"{_escaped(name)} = {_escaped(value)}" for name, value in projection.items()]
    )
    return (
        f"{_athena_table(report, table)}\nTBLPROPERTIES (\n{properties}\n);\n"
        f"-- Always name the run: WHERE dt = '{moment:%Y-%m-%d-%H-%M}'\n"
    )


def _athena_table(report: Report, table: str) -> str:
    keys = [file.key for file in report.manifest.files]
    root = keys[0].rpartition("/data/")[0] if keys else report.paths.root
    bucket = destination_bucket_name(report.manifest)
    return _symlink_table(report, table, f"s3://{bucket}/{root}/hive/")


def _hive(report: Report, table: str) -> str:
    if report.manifest.format is not Format.CSV:
        raise UsageError(
            f"Hive reads only text through {SYMLINK}; this report is {report.manifest.format}",
            hint="take the inventory with `--format CSV`, or ask for `--engine spark`",
        )
    partitions = report.paths.symlink.rsplit("/", 2)[0]  # the folder that holds one a run
    location = f"{_hadoop(report.files.uri(partitions))}/"
    return f"{_symlink_table(report, table, location)};\n{_repair(table)}"


def _symlink_table(report: Report, table: str, location: str) -> str:
    report_format = report.manifest.format
    types = _HIVE_TEXT_TYPES if report_format is Format.CSV else _HIVE_TYPES
    columns = _lines(_declared(report.fields, _in_backticks, lambda field: types[field.type]))
    return (
        f"CREATE EXTERNAL TABLE {_in_backticks(table)} (\n{columns}\n)\n"
        "PARTITIONED BY (`dt` string)\n"
        f"ROW FORMAT SERDE '{_SERDES[report_format]}'\n"
        "STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'\n"
        "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.IgnoreKeyTextOutputFormat'\n"
        f"LOCATION {_escaped(location)}"
    )


def _repair(table: str) -> str:
    return f"-- Again after every run, to find its partition:\nMSCK REPAIR TABLE {_in_backticks(table)};\n"


def _hadoop(uri: str) -> str:
    """A URI as Hadoop takes it: its own S3 scheme, and one for paths."""
    return uri.replace("s3://", "s3a://", 1) if uri.startswith("s3://") else f"file://{uri}"


def _spark(report: Report, table: str) -> str:
    path = _alternatives([_hadoop(uri) for uri in _some(report)], "*?[]{},\\")
    view = _in_backticks(table)
    if report.manifest.format is not Format.CSV:
        source = str(report.manifest.format).lower()
        columns = _declared(report.fields, _in_backticks, lambda field: _SPARK.types[field.type])
        return (
            f"CREATE OR REPLACE TEMPORARY VIEW {view} (\n{_lines(columns)}\n)\n"
            f"USING {source}\nOPTIONS (path {_escaped(path)});\n"
        )
    text = _in_backticks(f"{table}_text")
    columns = _declared(report.fields, _in_backticks, lambda _: _SPARK.text)
    return (
        f"CREATE OR REPLACE TEMPORARY VIEW {text} (\n{_lines(columns)}\n)\nUSING csv\n"
        f"OPTIONS (path {_escaped(path)}, header 'false', quote '\"', escape '\"');\n"
        f"CREATE OR REPLACE TEMPORARY VIEW {view} AS\nSELECT\n"
        f"{_lines(_converted(report.fields, _in_backticks, _SPARK))}\nFROM {text};\n"
    )


def _trino(report: Report, table: str) -> str:
    """A table of the folder, which holds every run's files, and a view of this run's."""
    uris = [uri if uri.startswith("s3://") else f"file://{uri}" for uri in _some(report)]
    folder = uris[0].rpartition("/")[0]
    text = report.manifest.format is Format.CSV

    def kind(field: Field) -> str:
        return _TRINO.text if text else _TRINO.types[field.type]

    columns = _lines(_declared(report.fields, in_quotes, kind))
    chosen = (
        _converted(report.fields, in_quotes, _TRINO)
        if text
        else [in_quotes(field.column) for field in report.fields]
    )
    paths = _lines([doubled(uri) for uri in uris])
    files = in_quotes(f"{table}_files")
    return (
        f"CREATE TABLE {files} (\n{columns}\n)\n"
        f"WITH (format = '{report.manifest.format.upper()}', external_location = {doubled(folder + '/')});\n"
        f"CREATE VIEW {in_quotes(table)} AS\nSELECT\n{_lines(chosen)}\nFROM {files}\n"
        f'WHERE "$path" IN (\n{paths}\n);\n'
    )


def _duckdb(report: Report, table: str) -> str:
    if report.manifest.format is Format.ORC:
        raise UsageError(
            "DuckDB cannot read ORC", hint="`stocktake query` can: it hands DuckDB the rows"
        )
    uris = _uris(report)
    remote = "-- Needs the extension httpfs and, for a store that is not AWS, a secret with its endpoint.\n"
    rows = select_rows(report.manifest.format, report.fields, uris)
    head = remote if any(uri.startswith("s3://") for uri in uris) else ""
    return f"{head}CREATE OR REPLACE VIEW {in_quotes(table)} AS\n{rows};\n"


def _clickhouse(report: Report, table: str) -> str:
    uris = _some(report)
    text = report.manifest.format is Format.CSV

    def kind(field: Field) -> str:
        if text or not field.nullable:
            return _CLICKHOUSE.text
        return _CLICKHOUSE.types[field.type]

    structure = ", ".join(_declared(report.fields, _in_backticks, kind))
    remote = uris[0].startswith("s3://")
    source = (
        f"{'s3' if remote else 'file'}({_escaped(_alternatives(uris, '*?{},'))},"
        f" '{report.manifest.format}', {_escaped(structure)})"
    )
    chosen = (
        _converted(report.fields, _in_backticks, _CLICKHOUSE)
        if text
        else [_in_backticks(field.column) for field in report.fields]
    )
    head = "-- For a store that is not AWS, write https://ENDPOINT/BUCKET/ for s3://BUCKET/.\n"
    return (
        f"{head if remote else ''}CREATE OR REPLACE VIEW {_in_backticks(table)} AS\n"
        f"SELECT\n{_lines(chosen)}\nFROM {source};\n"
    )


_STATEMENTS: dict[Engine, Callable[[Report, str], str]] = {
    Engine.ATHENA: _athena,
    Engine.HIVE: _hive,
    Engine.SPARK: _spark,
    Engine.TRINO: _trino,
    Engine.DUCKDB: _duckdb,
    Engine.CLICKHOUSE: _clickhouse,
}
