"""Asking reports in SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import BinaryIO

from stocktake.analysis.output import Output, write_answer
from stocktake.analysis.session import QueryLimits, open_session
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_tables
from stocktake.service.options import choose


def query(
    addresses: Mapping[str, str],
    sql: str,
    *,
    output: str,
    sink: BinaryIO,
    store: Store,
    stores: Mapping[str, Store],
    dt: str | None,
    limits: QueryLimits,
    warn: Callable[[str], None],
) -> int:
    """Write what `sql` yields over the reports at `addresses`, each a table of its name, as the form called `output`.
    `warn` is told beforehand what of it may be less than it looks.

    Returns:
        How many rows it yielded.

    Raises:
        UsageError: no such form, no such address; QueryError: SQL that the reports cannot answer.
        InventoryError: a report cannot be opened or read.
    """
    form = choose(Output, output, "output format")
    with (
        opened_tables(addresses, store=store, stores=stores, dt=dt) as tables,
        open_session(tables, limits=limits).run(sql, once=True) as answer,
    ):
        for text in answer.warnings:
            warn(text)
        return write_answer(answer, form, sink)
