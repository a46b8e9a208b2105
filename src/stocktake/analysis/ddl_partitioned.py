"""Tables of the `hive/` folder, each run a partition `dt`: Athena's and Hive's."""

from __future__ import annotations

from datetime import UTC
from itertools import chain

import pyarrow as pa

from stocktake.analysis.ddl_dialects import escaped, in_backticks, lines
from stocktake.analysis.report import Report
from stocktake.analysis.tables import DT, Table, dt_of
from stocktake.model.configuration import Format
from stocktake.model.errors import UsageError
from stocktake.model.fields import FLAG, MOMENT, NUMBER, TEXT, Kind
from stocktake.model.manifest import destination_bucket_name
from stocktake.model.paths import SYMLINK

_TYPES = {TEXT: "string", FLAG: "boolean", NUMBER: "bigint", MOMENT: "timestamp"}
# What AWS declares for CSV: its SerDe yields text, and of all types Athena turns only booleans. Hive turns none, and
# MSCK in Spark refuses a table that declares any.
_ATHENAS_TEXT_TYPES = {TEXT: "string", FLAG: "boolean", NUMBER: "string", MOMENT: "string"}
_HIVES_TEXT_TYPES = dict.fromkeys(_TYPES, "string")
# ORC's columns are taken by name: Athena's own way is by their place, which a report with one field
# more would shift for the runs before it.
_SERDES = {
    Format.CSV: "'org.apache.hadoop.hive.serde2.OpenCSVSerde'",
    Format.ORC: "'org.apache.hadoop.hive.ql.io.orc.OrcSerde'\n"
    "WITH SERDEPROPERTIES ('orc.column.index.access' = 'false')",
    Format.PARQUET: "'org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe'",
}
# Left alone, the SerDe takes a backslash before a quote for an escape, as JSON does and CSV does not. None of AWS's
# columns ever has one.
_NO_ESCAPE = "\nWITH SERDEPROPERTIES ('escapeChar' = '\\u0000')"
_SHOWN_MAX = 3


def athena(table: Table, *, repair: bool) -> str:
    """One table of every run from this report's on, its partitions projected by the minute or, with `repair`, found by
    MSCK; of several reports, one of exactly these runs, projected by their names.

    Raises:
        UsageError: the reports are not of one kind, or `repair` of a range of runs, which it cannot keep to.
    """
    newest = table.reports[-1]
    root = _delivered_root(newest)
    location = f"s3://{destination_bucket_name(newest.manifest)}/{root}/hive/"
    statement = _symlink_table(table, location, _ATHENAS_TEXT_TYPES)
    if repair:
        if table.dated:
            raise UsageError(
                "MSCK finds every run, not those of a range", hint="leave out `--dt` or `--repair`"
            )
        return f"{statement};\n{_repair(table)}"
    if table.dated:
        return f"{statement}\n{_properties(_listed_projection(table))};\n"
    moment = newest.paths.moment.astimezone(UTC)
    return (
        f"{statement}\n{_properties(_minutes_projection(f'{moment:%Y-%m-%d-%H-%M}'))};\n"
        f"-- Always name the run: WHERE dt = '{dt_of(newest)}'\n"
    )


def hive(table: Table, *, repair: bool) -> str:
    """One table of every run, found by MSCK whether or not `repair` asks for it; of several reports, of their runs.

    Raises:
        UsageError: the reports are not CSV of one kind, or `repair` of a range of runs.
    """
    newest = table.reports[-1]
    for report in table.reports:
        if report.manifest.format is not Format.CSV:
            raise UsageError(
                f"Hive reads only text through {SYMLINK}; this report is {report.manifest.format}",
                hint="take the inventory with `--format CSV`, or ask for `--engine spark`",
            )
    if repair and table.dated:
        raise UsageError(
            "MSCK finds every run, not those of a range", hint="leave out `--dt` or `--repair`"
        )
    statement = _symlink_table(table, f"{_hive_folder(newest)}/", _HIVES_TEXT_TYPES)
    return f"{statement};\n{_added(table) if table.dated else _repair(table)}"


def hadoop(uri: str) -> str:
    """A URI as Hadoop takes it: its own S3 scheme, and one for paths."""
    return uri.replace("s3://", "s3a://", 1) if uri.startswith("s3://") else f"file://{uri}"


def _delivered_root(report: Report) -> str:
    keys = [file.key for file in report.manifest.files]
    return keys[0].rpartition("/data/")[0] if keys else report.paths.root


def _hive_folder(report: Report) -> str:
    """The folder that holds one folder a run, where the report lies now."""
    return hadoop(report.files.uri(report.paths.symlink.rsplit("/", 2)[0]))


def _symlink_table(table: Table, location: str, text_types: dict[pa.DataType, str]) -> str:
    report_format = _one_kind(table)
    text = report_format is Format.CSV
    types = text_types if text else _TYPES
    extended = any(field.kind is Kind.EXTENSION for field in table.fields)
    columns = lines(
        [
            f"{in_backticks(field.column)} {types[field.type]}"
            for field in table.fields
            if field is not DT
        ]
    )
    return (
        f"CREATE EXTERNAL TABLE {in_backticks(table.name)} (\n{columns}\n)\n"
        "PARTITIONED BY (`dt` string)\n"
        f"ROW FORMAT SERDE {_SERDES[report_format]}{_NO_ESCAPE if text and extended else ''}\n"
        "STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'\n"
        "OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.IgnoreKeyTextOutputFormat'\n"
        f"LOCATION {escaped(location)}"
    )


def _one_kind(table: Table) -> Format:
    """The format of all reports, whose rows one declaration of columns fits: CSV's columns have no names, so there
    each report must have the same.

    Raises:
        UsageError: it does not.
    """
    first, *others = table.reports
    for other in others:
        formats = [report.manifest.format for report in (first, other)]
        if formats[0] is not formats[1]:
            raise _two_kinds(first, other, " and ".join(formats))
        if formats[0] is Format.CSV and other.fields != first.fields:
            raise _two_kinds(first, other, ", ".join(_only(first, other) + _only(other, first)))
    return first.manifest.format


def _two_kinds(first: Report, other: Report, found: str) -> UsageError:
    return UsageError(
        f"one table of this engine reads one kind of report, and those of {dt_of(first)} and {dt_of(other)}"
        f" differ: {found or 'the order of their columns'}",
        hint="choose days with `--dt` between which nothing changed, or an engine that reads files by name",
    )


def _only(report: Report, other: Report) -> list[str]:
    return sorted(field.column for field in set(report.fields) - set(other.fields))[:_SHOWN_MAX]


def _properties(properties: dict[str, str]) -> str:
    shown = lines([f"{escaped(name)} = {escaped(value)}" for name, value in properties.items()])
    return f"TBLPROPERTIES (\n{shown}\n)"


def _minutes_projection(first: str) -> dict[str, str]:
    return {
        "projection.enabled": "true",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd-HH-mm",
        "projection.dt.range": f"{first},NOW",
        "projection.dt.interval": "1",
        "projection.dt.interval.unit": "MINUTES",
    }


def _listed_projection(table: Table) -> dict[str, str]:
    return {
        "projection.enabled": "true",
        "projection.dt.type": "enum",
        "projection.dt.values": ",".join(dt_of(report) for report in table.reports),
    }


def _added(table: Table) -> str:
    partitions = chain.from_iterable(
        (
            f"  PARTITION (`dt` = {escaped(dt_of(report))})",
            f"  LOCATION {escaped(f'{_hive_folder(report)}/dt={dt_of(report)}/')}",
        )
        for report in table.reports
    )
    return (
        f"ALTER TABLE {in_backticks(table.name)} ADD IF NOT EXISTS\n"
        + "\n".join(partitions)
        + ";\n"
    )


def _repair(table: Table) -> str:
    return (
        "-- Again after every run, to find its partition:\n"
        f"MSCK REPAIR TABLE {in_backticks(table.name)};\n"
    )
