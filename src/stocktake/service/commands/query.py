"""Asking a report in SQL."""

from __future__ import annotations

from typing import BinaryIO

from stocktake.analysis.output import Output, write_answer
from stocktake.analysis.query import run_query
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_report
from stocktake.service.options import choose


def query(address: str, sql: str, *, output: str, sink: BinaryIO, store: Store) -> int:
    """Write what `sql` yields over the report at `address`, as the form called `output`.

    Returns:
        How many rows it yielded.

    Raises:
        UsageError: no such form, no such address; QueryError: SQL that the report cannot answer.
        InventoryError: the report cannot be opened or read.
    """
    form = choose(Output, output, "output format")
    with opened_report(address, store) as report, run_query(report, sql) as answer:
        return write_answer(answer, form, sink)
