"""How the service is, by its ledger: what metrics are made of. One transaction, whatever there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, select

from stocktake.model.configuration import Frequency
from stocktake.model.scheduled import UNFINISHED_STATES, ScheduledState
from stocktake.model.stored import ConfigurationKey
from stocktake.state.configurations import parsed
from stocktake.state.schedule_rows import RUNS
from stocktake.state.tables import configurations, published_reports, scheduled_runs
from stocktake.state.totals import read_totals
from stocktake.state.transactions import Transactions
from stocktake.state.workers import count_alive

_RUNS = scheduled_runs.c
_THEIRS = configurations.c
_REPORTS = published_reports.c


@dataclass(frozen=True, slots=True)
class ReportAge:
    """When the newest report of a configuration that has runs was published."""

    key: ConfigurationKey
    frequency: Frequency
    published: datetime


@dataclass(frozen=True, slots=True)
class ServiceFigures:
    """The service at `moment`, by the database's clock. `ages` are those of the first configurations, ascending by key;
    `oldest_other` is the newest report of that of the others which has the oldest. So many `workers` have beaten
    lately. None: there is none.
    """

    moment: datetime
    runs: Mapping[ScheduledState, int]
    enabled: Mapping[bool, int]
    suspended: int
    without_report: int
    ages: tuple[ReportAge, ...]
    oldest_other: datetime | None
    due: int
    longest_due: datetime | None
    leased: int
    oldest_beat: datetime | None
    workers: int
    totals: Mapping[str, int]


class Observing(Transactions):
    """Looks at one ledger as a whole."""

    def figures(self, configurations_max: int) -> ServiceFigures:
        """How the service is; of so many configurations one by one.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with self.reading() as connection:
            moment = self.moment_in(connection)
            ages, others = _reports(connection, configurations_max)
            reported = len(ages) + len(others)
            having_runs = connection.scalar(select(func.count()).where(RUNS)) or 0
            suspended = select(func.count()).where(_THEIRS.suspended.is_not(None))
            due, longest_due = _due(connection, moment)
            leased, oldest_beat = _leased(connection, moment)
            return ServiceFigures(
                moment,
                _counted(connection, _RUNS.state),
                _counted(connection, _THEIRS.enabled),
                connection.scalar(suspended) or 0,
                having_runs - reported,
                ages,
                min(others, default=None),
                due,
                longest_due,
                leased,
                oldest_beat,
                count_alive(connection, moment),
                read_totals(connection),
            )


def _counted(connection: Connection, column: ColumnElement[Any]) -> dict[Any, int]:
    found = connection.execute(select(column, func.count()).group_by(column))
    return {row[0]: row[1] for row in found}


def _reports(
    connection: Connection, configurations_max: int
) -> tuple[tuple[ReportAge, ...], list[datetime]]:
    """The newest reports of configurations that have runs: of the first with all that is told, of the others when."""
    key = (_THEIRS.store, _THEIRS.bucket, _THEIRS.id)
    # Of each the newest by an index: of all reports together there are a hundred times as many.
    newest = (
        select(func.max(_REPORTS.published))
        .where(
            _REPORTS.store == _THEIRS.store,
            _REPORTS.bucket == _THEIRS.bucket,
            _REPORTS.configuration_id == _THEIRS.id,
            _REPORTS.published >= _THEIRS.created,  # one put anew is another
        )
        .scalar_subquery()
    )
    found = select(*key, newest.label("newest")).where(RUNS).order_by(*key)
    rows = connection.execute(found).all()
    reported = [row for row in rows if row.newest is not None]
    told = reported[:configurations_max]
    first = rows.index(told[-1]) + 1 if told else 0
    documents = select(*key, _THEIRS.document).where(RUNS).order_by(*key).limit(first)
    known = {tuple(row[:3]): row.document for row in connection.execute(documents)}
    ages = [
        ReportAge(ConfigurationKey(*row[:3]), _frequency(known[tuple(row[:3])]), row.newest)
        for row in told
        if tuple(row[:3]) in known  # nobody has deleted it meanwhile
    ]
    return tuple(ages), [row.newest for row in reported[configurations_max:]]


def _frequency(document: str) -> Frequency:
    return parsed(document).schedule.frequency


def _due(connection: Connection, moment: datetime) -> tuple[int, datetime | None]:
    waiting = and_(_RUNS.state == ScheduledState.WAITING, _RUNS.due <= moment)
    count, longest = connection.execute(
        select(func.count(), func.min(_RUNS.due)).where(waiting)
    ).one()
    return count, longest


def _leased(connection: Connection, moment: datetime) -> tuple[int, datetime | None]:
    held = and_(_RUNS.state.in_(UNFINISHED_STATES), _RUNS.lease_until >= moment)
    rows = connection.execute(select(_RUNS.lease_until, _RUNS.lease_s).where(held)).all()
    beats = [row.lease_until - timedelta(seconds=row.lease_s) for row in rows]
    return len(rows), min(beats, default=None)
