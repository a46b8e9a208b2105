"""Tables of the data files that the manifests name: Spark's, Trino's, DuckDB's and ClickHouse's.

`data/` alone would mix all runs. A table of several reports is the rows of one after the other, each with
its `dt` as a literal: a question about one `dt` reads that run's files and no others.
"""

from __future__ import annotations

from collections.abc import Sequence

from stocktake.analysis.ddl_dialects import CLICKHOUSE, SPARK, TRINO, Dialect, lines
from stocktake.analysis.ddl_partitioned import hadoop
from stocktake.analysis.relation import identifier
from stocktake.analysis.report import Report
from stocktake.analysis.tables import Table, dt_of
from stocktake.analysis.views import select_table
from stocktake.model.configuration import Format
from stocktake.model.errors import UsageError


def spark(table: Table) -> str:
    """A temporary view of each report's files, and one over them.

    Raises:
        UsageError: there are no data files, or a path that the engine cannot name.
    """
    statements, selects = [], []
    for report in _with_files(table):
        name = f"{table.name}_{dt_of(report).replace('-', '_') if table.dated else 'files'}"
        files = SPARK.quote(name)
        path = _alternatives([hadoop(uri) for uri in _uris(report)], "*?[]{},\\")
        options = ", ".join(
            [f"path {SPARK.literal(path)}", *_SPARK_OPTIONS[report.manifest.format]]
        )
        statements.append(
            f"CREATE OR REPLACE TEMPORARY VIEW {files} (\n{lines(SPARK.declared(report))}\n)\n"
            f"USING {report.manifest.format.lower()}\nOPTIONS ({options});\n"
        )
        selects.append(_select(SPARK, table, report, files))
    view = (
        f"CREATE OR REPLACE TEMPORARY VIEW {SPARK.quote(table.name)} AS\n{_UNION.join(selects)};\n"
    )
    orc = any(report.manifest.format is Format.ORC for report in table.reports)
    return "".join([_SPARK_ZONE if orc else "", *statements, view])


# What ORC stores has no zone, and no setting of a session changes whose clock Spark takes it for.
_SPARK_ZONE = (
    "-- ORC's moments are right where Spark's JVMs are in UTC: spark.driver.extraJavaOptions and\n"
    "-- spark.executor.extraJavaOptions -Duser.timezone=UTC.\n"
)


# A value may hold a line's end, and a row that cannot be read is an error, not a row of NULLs.
_SPARK_OPTIONS: dict[Format, tuple[str, ...]] = {
    Format.CSV: (
        "header 'false'",
        "quote '\"'",
        "escape '\"'",
        "multiLine 'true'",
        "lineSep '\\n'",
        "mode 'FAILFAST'",
    ),
    Format.ORC: (),
    Format.PARQUET: (),
}


def trino(table: Table) -> str:
    """A table of each folder of data files, which holds those of other runs, too, and a view of the reports' own. One
    table has one list of columns, so a folder has a table for each that its reports have.

    Raises:
        UsageError: there are no data files.
    """
    reports = _with_files(table)
    places = {report.address: _trino_uris(report) for report in reports}
    names: dict[str, str] = {}
    selects = []
    for report in reports:
        uris = places[report.address]
        properties = (
            f"WITH (format = '{report.manifest.format.upper()}',"
            f" external_location = {TRINO.literal(uris[0].rpartition('/')[0] + '/')})"
        )
        declaration = f"(\n{lines(TRINO.declared(report))}\n)\n{properties}"
        number = f"_{len(names) + 1}" if names else ""
        name = names.setdefault(declaration, TRINO.quote(f"{table.name}_files{number}"))
        paths = lines([TRINO.literal(uri) for uri in uris])
        selects.append(f'{_select(TRINO, table, report, name)}\nWHERE "$path" IN (\n{paths}\n)')
    tables = [f"CREATE TABLE {name} {declaration};\n" for declaration, name in names.items()]
    return "".join(tables) + f"CREATE VIEW {TRINO.quote(table.name)} AS\n{_UNION.join(selects)};\n"


def _trino_uris(report: Report) -> list[str]:
    return [uri if uri.startswith("s3://") else f"file://{uri}" for uri in _uris(report)]


def duckdb(table: Table) -> str:
    """One view.

    Raises:
        UsageError: a report is ORC.
    """
    if any(report.manifest.format is Format.ORC for report in table.reports):
        raise UsageError(
            "DuckDB cannot read ORC", hint="`stocktake query` can: it hands DuckDB the rows"
        )
    uris = [_uris(report) for report in table.reports]
    remote = any(uri.startswith("s3://") for each in uris for uri in each)
    head = "-- Needs the extension httpfs and, for a store that is not AWS, a secret with its endpoint.\n"
    return (
        f"{head if remote else ''}CREATE OR REPLACE VIEW {identifier(table.name)} AS\n"
        f"{select_table(table, uris)};\n"
    )


def clickhouse(table: Table) -> str:
    """One view.

    Raises:
        UsageError: there are no data files, or a path that the engine cannot name.
    """
    reports = _with_files(table)
    remote = any(_uris(report)[0].startswith("s3://") for report in reports)
    head = "-- For a store that is not AWS, write https://ENDPOINT/BUCKET/ for s3://BUCKET/.\n"
    selects = [_select(CLICKHOUSE, table, each, _clickhouse_source(each)) for each in reports]
    return (
        f"{head if remote else ''}CREATE OR REPLACE VIEW {CLICKHOUSE.quote(table.name)} AS\n"
        f"{_UNION.join(selects)};\n"
    )


def _clickhouse_source(report: Report) -> str:
    uris = _uris(report)
    return (
        f"{'s3' if uris[0].startswith('s3://') else 'file'}"
        f"({CLICKHOUSE.literal(_alternatives(uris, '*?{},'))}, '{report.manifest.format}',"
        f" {CLICKHOUSE.literal(', '.join(CLICKHOUSE.declared(report)))})"
    )


_UNION = "\nUNION ALL\n"


def _select(dialect: Dialect, table: Table, report: Report, source: str) -> str:
    return f"SELECT\n{lines(dialect.chosen(table, report))}\nFROM {source}"


def _with_files(table: Table) -> list[Report]:
    """The reports that have rows.

    Raises:
        UsageError: none has.
    """
    found = [report for report in table.reports if report.manifest.files]
    if not found:
        raise UsageError("the report has no data files, so there is nothing to make a table of")
    return found


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
