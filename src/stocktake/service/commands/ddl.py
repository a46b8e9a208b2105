"""Making a report a table of somebody's own SQL engine."""

from __future__ import annotations

from stocktake.analysis.ddl import Engine, table_statement
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_report
from stocktake.service.options import choose


def ddl(
    address: str, *, engine: str, store: Store, table: str | None = None, repair: bool = False
) -> str:
    """The statement that makes the report at `address` a table of `engine`.

    Raises:
        UsageError: an engine nobody knows, or one that cannot read this report.
        InventoryError: the report cannot be opened.
    """
    chosen = choose(Engine, engine, "engine")
    with opened_report(address, store) as report:
        if table is None:
            return table_statement(report, chosen, repair=repair)
        return table_statement(report, chosen, table=table, repair=repair)
