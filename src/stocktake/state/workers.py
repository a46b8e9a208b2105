"""Which workers there are, whether they have a run or not, by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, or_, select, update

from stocktake.model.scheduled import SILENT_FOR_MAX, KnownWorker
from stocktake.state.tables import workers
from stocktake.state.transactions import Transactions

FORGOTTEN_AFTER = timedelta(days=1)  # without a beat
WORKERS_MAX = 1000  # of those that are listed

_TABLE = workers.c


class Workers(Transactions):
    """The workers of one ledger. All methods raise LedgerError where it cannot be read or written."""

    def beat(self, identity: str, host: str, process: int, version: str) -> None:
        """Note that a worker is there. `identity` is its own, for as long as it works."""
        with self.writing() as connection:
            now = self.moment_in(connection)
            mine = update(workers).where(_TABLE.id == identity).values(beaten=now)
            if connection.execute(mine).rowcount:
                return
            old = or_(_TABLE.beaten < now - FORGOTTEN_AFTER, _TABLE.beaten > now + FORGOTTEN_AFTER)
            connection.execute(delete(workers).where(old))
            row = {"id": identity, "host": host, "process": process, "version": version}
            connection.execute(insert(workers).values(**row, begun=now, beaten=now))

    def ended(self, identity: str) -> None:
        """Note that a worker is there no more."""
        with self.writing() as connection:
            connection.execute(delete(workers).where(_TABLE.id == identity))

    def all(self) -> Sequence[KnownWorker]:
        """The workers that have not ended, those whose beat is newest first; WORKERS_MAX at most."""
        found = select(workers).order_by(_TABLE.beaten.desc(), _TABLE.id).limit(WORKERS_MAX)
        with self.reading() as connection:
            now = self.moment_in(connection)
            return tuple(
                KnownWorker(
                    row.id, row.host, row.process, row.version, row.begun, row.beaten,
                    alive=abs(now - row.beaten) <= SILENT_FOR_MAX,
                )
                for row in connection.execute(found)
            )  # fmt: skip

    def any_alive(self) -> bool:
        """Whether any has beaten lately."""
        with self.reading() as connection:
            return count_alive(connection, self.moment_in(connection)) > 0


def count_alive(connection: Connection, now: datetime) -> int:
    """How many workers have beaten lately."""
    return int(connection.execute(select(func.count()).where(_alive(now))).scalar_one())


def _alive(now: datetime) -> ColumnElement[bool]:
    # A beat of the future was written before the clock was put back.
    return _TABLE.beaten.between(now - SILENT_FOR_MAX, now + SILENT_FOR_MAX)
