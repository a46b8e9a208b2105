"""Rows of the table of scheduled runs: conditions that statements share, and records."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, select

from stocktake.model.errors import NoSuchRunError, RunStateError
from stocktake.model.scheduled import ScheduledClaim, ScheduledRun, ScheduledState
from stocktake.model.stored import ConfigurationKey
from stocktake.state.tables import configurations, scheduled_runs

_TABLE = scheduled_runs.c
# Whether a configuration has runs: it is enabled, and not suspended.
RUNS = and_(configurations.c.enabled, configurations.c.suspended.is_(None))
# The configuration of a scheduled run as it is now: there, put when it was put then, and to be run.
STANDS = exists().where(
    configurations.c.store == _TABLE.store,
    configurations.c.bucket == _TABLE.bucket,
    configurations.c.id == _TABLE.configuration_id,
    configurations.c.created == _TABLE.put,
    RUNS,
)


def of_configuration(key: ConfigurationKey, put: datetime) -> ColumnElement[bool]:
    """The runs of a configuration, as it was put first at the moment `put`."""
    return and_(
        _TABLE.store == key.store,
        _TABLE.bucket == key.bucket,
        _TABLE.configuration_id == key.id,
        _TABLE.put == put,
    )


def held_by(claim: ScheduledClaim) -> ColumnElement[bool]:
    """The run of a claim, as long as that lasts."""
    return and_(
        _TABLE.id == claim.run,
        _TABLE.epoch == claim.epoch,
        _TABLE.state == ScheduledState.RUNNING,
    )


def claim_ended(run: str) -> RunStateError:
    """What those are told who write under a claim that has ended."""
    return RunStateError(
        f"the run {run} was taken over by another worker, or cancelled",
        hint="see `stocktake runs scheduled`",
    )


def find_row(connection: Connection, run: str) -> Any:
    """The row of the scheduled run that a user calls `run`.

    Raises:
        NoSuchRunError: there is no such run.
    """
    found = select(scheduled_runs).where(_TABLE.id == run.strip().lower())
    row = connection.execute(found).first()
    if row is None:
        raise no_such_run(run)
    return row


def no_such_run(run: str) -> NoSuchRunError:
    """What those are told who ask for a run that is not there."""
    return NoSuchRunError(
        f"there is no scheduled run `{run}`", hint="`stocktake runs scheduled` lists them"
    )


def key_of(row: Any) -> ConfigurationKey:
    """The key of the row's configuration."""
    return ConfigurationKey(row.store, row.bucket, row.configuration_id)


def record_of(row: Any) -> ScheduledRun:
    """The row as a record."""
    return ScheduledRun(
        id=row.id,
        key=key_of(row),
        put=row.put,
        period=row.period,
        state=ScheduledState(row.state),
        due=row.due,
        created=row.created,
        finished=row.finished,
        attempts=row.attempts,
        claims=row.claims,
        lease_until=row.lease_until,
        owner=row.owner,
        progress=json.loads(row.progress) if row.progress else {},
        error=row.error,
        hint=row.hint,
    )
