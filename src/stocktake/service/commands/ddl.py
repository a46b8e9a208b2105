"""Making reports a table of somebody's own SQL engine."""

from __future__ import annotations

from dataclasses import replace

from stocktake.analysis.ddl import Engine, table_statement
from stocktake.analysis.relation import VIEW
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_tables
from stocktake.service.options import choose


def ddl(
    address: str,
    *,
    engine: str,
    store: Store,
    table: str | None = None,
    dt: str | None = None,
    repair: bool = False,
) -> str:
    """The statement that makes the report at `address` a table of `engine`; with `dt`, a range of dates, the reports
    of these days in the configuration folder there.

    Raises:
        UsageError: an engine nobody knows, or one that cannot read this report.
        InventoryError: a report cannot be opened.
    """
    chosen = choose(Engine, engine, "engine")
    with opened_tables({VIEW: address}, store=store, dt=dt) as [opened]:
        return table_statement(replace(opened, name=table or VIEW), chosen, repair=repair)
