"""The statement that makes reports a table of somebody's own SQL engine.

Athena and Hive read reports through their `hive/` folder, each run a partition `dt`: one table shows
every run. AWS's own statement finds only runs that start on the hour, so partitions are projected
by the minute, or found by MSCK. The other engines read data files by their names: `data/` alone would
mix all runs, and outside Athena only text can be read through symlink.txt.
"""

from __future__ import annotations

from enum import StrEnum

from stocktake.analysis import ddl_listed, ddl_partitioned
from stocktake.analysis.tables import Table
from stocktake.model.errors import UsageError


class Engine(StrEnum):
    """The engines a statement can be had for."""

    ATHENA = "athena"
    HIVE = "hive"
    SPARK = "spark"
    TRINO = "trino"
    DUCKDB = "duckdb"
    CLICKHOUSE = "clickhouse"


def table_statement(table: Table, engine: Engine, *, repair: bool = False) -> str:
    """The statement, or the few, to paste, each ended by a semicolon; exactly the table's columns.

    Athena is told where the report was delivered to, all others where it lies. With `repair`,
    Athena and Hive find the partitions by MSCK.

    Raises:
        UsageError: the engine cannot read such reports, or has no partitions to find.
        DataFileError: a data file is missing.
    """
    if engine in _PARTITIONED:
        return _PARTITIONED[engine](table, repair=repair)
    if repair:
        raise UsageError(
            f"`--repair` finds partitions, and {engine} reads files by their names",
            hint="`--dt FROM..TO` makes a table of several runs",
        )
    return _LISTED[engine](table)


_PARTITIONED = {Engine.ATHENA: ddl_partitioned.athena, Engine.HIVE: ddl_partitioned.hive}
_LISTED = {
    Engine.SPARK: ddl_listed.spark,
    Engine.TRINO: ddl_listed.trino,
    Engine.DUCKDB: ddl_listed.duckdb,
    Engine.CLICKHOUSE: ddl_listed.clickhouse,
}
