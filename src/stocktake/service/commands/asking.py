"""Reports that stay open while somebody asks one question after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stocktake.analysis.output import write_table
from stocktake.analysis.relation import SQL_TYPES
from stocktake.analysis.session import QueryLimits, Session, open_session
from stocktake.analysis.tables import Table
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.commands.report import opened_tables

HISTORY = "query-history"  # in the state folder


@dataclass(frozen=True, slots=True)
class Questions:
    """Open reports, to be asked."""

    tables: Sequence[Table]
    _session: Session

    def columns(self, name: str) -> dict[str, str]:
        """The columns of the table called `name` and their SQL types; none where there is no such table."""
        found = (table for table in self.tables if table.name.lower() == name.lower())
        return {field.column: SQL_TYPES[field.type] for table in found for field in table.fields}

    def reports(self) -> list[tuple[str, str]]:
        """Every report: the table it is in, and its address."""
        return [(table.name, report.address) for table in self.tables for report in table.reports]

    def ask(self, sql: str, sink: BinaryIO, warn: Callable[[str], None], *, room: int) -> float:
        """Write the answer to `sink` as a table, or row by row where that is wider than `room` characters; returns
        how many seconds it took.

        Raises:
            QueryError: SQL that the reports cannot answer. InventoryError: a report cannot be read.
        """
        started = house.monotonic()
        with self._session.run(sql) as answer:
            for text in answer.warnings:
                warn(text)
            write_table(answer, sink, room=room)
        return house.monotonic() - started


@contextmanager
def opened_questions(
    addresses: Mapping[str, str],
    *,
    store: Store,
    stores: Mapping[str, Store],
    dt: str | None,
    aged: bool = False,
    limits: QueryLimits,
) -> Iterator[Questions]:
    """The reports at `addresses`, open while the block runs.

    Raises:
        UsageError, InventoryError: one of them cannot be opened.
    """
    with (
        opened_tables(addresses, store=store, stores=stores, dt=dt, aged=aged) as tables,
        open_session(tables, limits=limits) as session,
    ):
        yield Questions(tables, session)


def history_file() -> Path:
    """Where the questions that were asked are kept: only their asker may read them."""
    folder = house.settings().state_folder
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / HISTORY
    path.touch(mode=0o600)
    return path
