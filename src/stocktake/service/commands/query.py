"""Asking reports in SQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from stocktake.analysis.guarded import GuardedLimits, run_guarded
from stocktake.analysis.output import Output, write_answer
from stocktake.analysis.session import QueryLimits, open_session
from stocktake.analysis.staging import is_staged, stage_report
from stocktake.analysis.tables import Table
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_tables
from stocktake.service.options import choose
from stocktake.store.passing import passing_folder


def query(
    addresses: Mapping[str, str],
    sql: str,
    *,
    output: str,
    sink: BinaryIO,
    store: Store,
    stores: Mapping[str, Store],
    dt: str | None,
    aged: bool,
    limits: QueryLimits,
    warn: Callable[[str], None],
) -> int:
    """Write what `sql` yields over the reports at `addresses`, each a table of its name, as the form called `output`.
    `warn` is told beforehand what of it may be less than it looks. `aged`: they have the column `enriched_at`, the day
    of a row's answers.

    Returns:
        How many rows it yielded.

    Raises:
        UsageError: no such form, no such address; QueryError: SQL that the reports cannot answer.
        InventoryError: a report cannot be opened or read.
    """
    form = choose(Output, output, "output format")
    with (
        opened_tables(addresses, store=store, stores=stores, dt=dt, aged=aged) as tables,
        open_session(tables, limits=limits).run(sql, once=True) as answer,
    ):
        for text in answer.warnings:
            warn(text)
        return write_answer(answer, form, sink)


def query_guarded(
    addresses: Mapping[str, str],
    sql: str,
    *,
    output: str,
    sink: BinaryIO,
    store: Store,
    stores: Mapping[str, Store],
    dt: str | None,
    aged: bool,
    limits: GuardedLimits,
    spill_folder: Path | None,
    warn: Callable[[str], None],
) -> int:
    """As `query`, for SQL that somebody else wrote: checked, answered in a process of its own, and cut at `rows_max`
    rows, which `warn` is told. Reports that lie in a bucket are copied below `spill_folder` first, and removed again.

    Raises:
        UsageError, InventoryError: as `query`; QueryError: SQL that is not allowed, or takes too much.
    """
    form = choose(Output, output, "output format")
    with (
        opened_tables(addresses, store=store, stores=stores, dt=dt, aged=aged) as tables,
        staged_tables(tables, spill_folder) as staged,
        run_guarded(staged, sql, limits=limits) as answer,
    ):
        for text in answer.warnings:
            warn(text)
        rows = write_answer(answer, form, sink)
        if answer.truncated:
            warn(f"the answer is cut after {rows} rows")
        return rows


@contextmanager
def staged_tables(tables: Sequence[Table], folder: Path | None) -> Iterator[Sequence[Table]]:
    """The tables with every report on this machine, for as long as the block runs.

    Raises:
        InventoryError: a report cannot be copied here.
    """
    with passing_folder("staged", folder) as above:
        staged: list[Table] = []
        for place, table in enumerate(tables):
            reports = list(table.reports)
            for number, report in enumerate(reports):
                if not is_staged(report):
                    own = above / f"{place}-{number}"
                    own.mkdir()
                    reports[number] = stage_report(report, own)
            staged.append(replace(table, reports=tuple(reports)))
        yield staged
