"""Which runs are due, and what is known of them: asked about many at once, by statements that are few however many have
runs, and that read none of those which are long over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    and_,
    bindparam,
    select,
)

from stocktake.model.scheduled import UNFINISHED_STATES
from stocktake.model.stored import ConfigurationKey
from stocktake.state.tables import configurations, scheduled_runs


@dataclass(frozen=True, slots=True, order=True)
class Put:
    """A configuration as it was put first at the moment `put`: one put anew is another."""

    key: ConfigurationKey
    put: datetime


@dataclass(frozen=True, slots=True)
class Due:
    """That it is to have a run of the period that begins at `period`."""

    of: Put
    period: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """Of some of those that are due, which have their run; and for which another is under way: its id and epoch."""

    have_run: set[Due]
    under_way: Mapping[Put, tuple[str, int]]


def known_of(connection: Connection, due: Collection[Due]) -> Known:
    """What is known of all of `due`."""
    wanted = {(each.of, each.period): each for each in due}
    have_run: set[Due] = set()
    under_way: dict[Put, tuple[str, int]] = {}
    puts = {each.of for each in due}
    starts = sorted({each.period for each in due})
    for (store, bucket), group in groupby(
        sorted(puts), lambda put: (put.key.store, put.key.bucket)
    ):
        ids = [put.key.id for put in group]
        asked = {"of_store": store, "of_bucket": bucket, "first": ids[0], "last": ids[-1]}
        for row in connection.execute(_OF_BUCKET, {**asked, "starts": starts}):
            put = Put(ConfigurationKey(store, bucket, row.id), row.created)
            if (each := wanted.get((put, row.period))) is not None:
                have_run.add(each)
            if row.run is not None and put in puts:
                under_way[put] = (row.run, row.epoch)
    return Known(have_run, under_way)


_C = configurations.c
_DONE, _BUSY = scheduled_runs.alias("done"), scheduled_runs.alias("busy")
_BUSY_NOW = and_(_BUSY.c.finished.is_(None), _BUSY.c.state.in_(UNFINISHED_STATES))


def _of_it(runs: FromClause) -> ColumnElement[bool]:
    same = (runs.c.store == _C.store, runs.c.bucket == _C.bucket)
    return and_(*same, runs.c.configuration_id == _C.id, runs.c.put == _C.created)


# Outer joins, though none are wanted of those without: no database turns them round, and reads all runs first.
_OF_BUCKET = (
    select(_C.id, _C.created, _DONE.c.period, _BUSY.c.id.label("run"), _BUSY.c.epoch)
    .select_from(
        configurations.outerjoin(
            _DONE,
            and_(_of_it(_DONE), _DONE.c.period.in_(bindparam("starts", expanding=True))),
        ).outerjoin(_BUSY, and_(_of_it(_BUSY), _BUSY_NOW))
    )
    .where(
        _C.store == bindparam("of_store"),
        _C.bucket == bindparam("of_bucket"),
        _C.id.between(bindparam("first"), bindparam("last")),
    )
)
