"""What became of runs, and which targets know of it. An event is written in the transaction that makes it true; the
notices of it are sent by any number of workers, each by one at a time, until they are taken or given up.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update

from stocktake.model.notifications import (
    RETRY_DELAYS,
    EventKind,
    Notice,
    NoticeRecord,
    NoticeState,
    Webhook,
    event_id,
)
from stocktake.state.tables import events, notices, scheduled_runs
from stocktake.state.transactions import Transactions

EVENTS_KEPT_FOR = timedelta(days=90)
# An older one is no news: who sets a webhook up is not told of months.
NEWS_FOR = timedelta(days=1)
# A worker that is silent for so long has died in the middle of sending.
SENDING_FOR_MAX = timedelta(seconds=60)
_TABLE = notices.c


def insert_event(
    connection: Connection, run: str, kind: EventKind, now: datetime, **said: Any
) -> None:
    """Note what became of a scheduled run; nothing where it is none, or where that is known."""
    row = connection.execute(select(scheduled_runs).where(scheduled_runs.c.id == run)).first()
    if row is None:
        return
    # A run that failed may be tried again, and fail again.
    parts = (run, kind) if kind is EventKind.PUBLISHED else (run, kind, row.epoch, row.claims)
    event = event_id(*parts)
    if connection.scalar(select(events.c.id).where(events.c.id == event)) is not None:
        return
    document = {
        "run": run,
        "store": row.store,
        "bucket": row.bucket,
        "id": row.configuration_id,
        "period": _iso(row.period),
        "finished": _iso(now),
        **said,
    }
    values = {"id": event, "kind": kind, "run": run, "store": row.store, "created": now}
    connection.execute(insert(events).values(document=json.dumps(document), spread=False, **values))
    connection.execute(delete(events).where(events.c.created < now - EVENTS_KEPT_FOR))


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class Notices(Transactions):
    """The notices in one ledger. All methods raise LedgerError where it cannot be used."""

    def spread(self, targets: Sequence[Webhook]) -> None:
        """Have each of the targets be told of the events that it wants and that nobody has looked at yet, but of no
        old ones.
        """
        fresh = select(events.c.id).where(events.c.spread.is_(False))
        with self.reading() as connection:
            if connection.scalar(fresh.limit(1)) is None:
                return
        with self.writing() as connection:
            now = self.moment_in(connection)
            taken = connection.execute(
                update(events)
                .where(events.c.spread.is_(False))
                .values(spread=True)
                .returning(events.c.id, events.c.kind, events.c.store, events.c.created)
            ).all()
            rows = [
                {"event": each.id, "target": target.name, "state": NoticeState.WAITING,
                 "attempts": 0, "due": now}
                for each in taken for target in targets
                if each.created > now - NEWS_FOR and target.wants(each.kind, each.store)
            ]  # fmt: skip
            if rows:
                connection.execute(insert(notices), rows)

    def claim(self, target: str) -> Notice | None:
        """The longest due notice for a target, for this caller alone for a while; None where none is due."""
        with self.reading() as connection:
            found = connection.execute(self._due(connection, target)).first()
        if found is None:
            return None
        with self.writing() as connection:
            now = self.moment_in(connection)
            this = and_(_TABLE.event == found.event, _TABLE.target == target)
            taken = connection.execute(
                update(notices)
                .where(this, _TABLE.state == NoticeState.WAITING, _TABLE.due <= now)
                .values(due=now + SENDING_FOR_MAX, attempts=_TABLE.attempts + 1)
                .returning(_TABLE.attempts)
            ).first()
            if taken is None:  # another worker was faster
                return None
            event = connection.execute(select(events).where(events.c.id == found.event)).one()
            document = json.loads(event.document)
            kind = EventKind(event.kind)
            return Notice(event.id, target, kind, event.created, document, taken.attempts)

    def _due(self, connection: Connection, target: str) -> Any:
        now = self.moment_in(connection)
        waiting = and_(_TABLE.target == target, _TABLE.state == NoticeState.WAITING)
        return select(_TABLE.event).where(waiting, _TABLE.due <= now).order_by(_TABLE.due).limit(1)

    def delivered(self, notice: Notice, status: int) -> None:
        """Note that the target took it."""
        now = self.moment()
        done = {"state": NoticeState.DELIVERED, "finished": now, "status": status, "error": None}
        self._set(notice, **done)

    def refused(self, notice: Notice, status: int | None, error: str) -> NoticeState:
        """Note that the target did not take it: it is tried again, later each time, or given up; which is returned."""
        now = self.moment()
        over = notice.attempts > len(RETRY_DELAYS)
        state = NoticeState.FAILED if over else NoticeState.WAITING
        due = now if over else now + RETRY_DELAYS[notice.attempts - 1]
        finished = now if over else None
        self._set(notice, state=state, due=due, finished=finished, status=status, error=error)
        return state

    def put_back(self, notice: Notice) -> None:
        """Leave a notice, whose sending was broken off by us, to whoever comes next."""
        self._set(notice, due=self.moment(), attempts=notice.attempts - 1)

    def _set(self, notice: Notice, **values: Any) -> None:
        this = and_(_TABLE.event == notice.event, _TABLE.target == notice.target)
        with self.writing() as connection:
            connection.execute(update(notices).where(this).values(**values))

    def list(self, *, rows_max: int = 100) -> Sequence[NoticeRecord]:
        """The newest notices, the newest event first."""
        found = (
            select(notices, events.c.kind, events.c.run)
            .join(events, events.c.id == _TABLE.event)
            .order_by(events.c.created.desc(), _TABLE.event, _TABLE.target)
            .limit(rows_max)
        )
        with self.reading() as connection:
            return tuple(
                NoticeRecord(
                    row.event, row.target, EventKind(row.kind), row.run, NoticeState(row.state),
                    row.attempts, row.due, row.finished, row.status, row.error,
                )
                for row in connection.execute(found)
            )  # fmt: skip
