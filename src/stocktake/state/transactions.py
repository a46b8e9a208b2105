"""Transactions of one ledger, and its database's clock: what all that speaks to the database in parts is made of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime

from sqlalchemy import Connection, Engine

from stocktake.state.failures import BUSY_TIMEOUT_S, ledger_error, telling
from stocktake.state.opening import TURN, WATCH, WRITES, moment_of


class Transactions:
    """Reading and writing in the ledger `where`. May be used from several threads."""

    def __init__(self, engine: Engine, where: object, now: Callable[[], datetime]) -> None:
        self._engine = engine
        self._writer = engine.execution_options(**{WRITES: True})
        self._where = where
        self._now = now

    def moment(self) -> datetime:
        """What the database's clock says, UTC."""
        with self.reading() as connection:
            return self.moment_in(connection)

    def moment_in(self, connection: Connection) -> datetime:
        """What the database's clock says, asked within a transaction."""
        return moment_of(connection, self._now)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with self._watched("read"), telling(self._where), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes; durable when the block ends.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        with (
            self._watched("write"),
            self._turn(),
            telling(self._where),
            self._writer.begin() as connection,
        ):
            yield connection

    def watch(self, watch: Callable[[str], AbstractContextManager[object]]) -> None:
        """Have `watch` time every transaction in this ledger from now on; it is told whether one reads or writes."""
        self._engine.update_execution_options(**{WATCH: watch})

    def _watched(self, kind: str) -> AbstractContextManager[object]:
        watch = self._engine.get_execution_options().get(WATCH)
        return nullcontext() if watch is None else watch(kind)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait for whoever writes in this process; other processes are waited for by the database."""
        turn: threading.Lock | None = self._engine.get_execution_options().get(TURN)
        if turn is None:
            yield
            return
        if not turn.acquire(timeout=BUSY_TIMEOUT_S):
            raise ledger_error(
                self._where, f"this process kept it locked for {BUSY_TIMEOUT_S} s", "try again"
            )
        try:
            yield
        finally:
            turn.release()
