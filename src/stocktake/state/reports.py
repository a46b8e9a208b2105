"""Reports that scheduled runs published: each is known until its removal is over, for longer than its run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from stocktake.model.scheduled import PublishedReport
from stocktake.model.stored import ConfigurationKey
from stocktake.state.tables import published_reports, runs, scheduled_runs
from stocktake.state.transactions import Transactions

_TABLE = published_reports.c
_RUNS = scheduled_runs.c


class Reports(Transactions):
    """The published reports in one ledger. All methods raise LedgerError where it cannot be read or written."""

    def page(
        self,
        key: ConfigurationKey,
        *,
        after: tuple[datetime, str] | None = None,
        rows_max: int = 100,
    ) -> Sequence[PublishedReport]:
        """The first `rows_max` of the reports of a configuration, the newest first, at most; `after` is when one was
        published, and by which run: those behind it.
        """
        found = (
            select(published_reports)
            .where(
                _TABLE.store == key.store,
                _TABLE.bucket == key.bucket,
                _TABLE.configuration_id == key.id,
            )
            .order_by(_TABLE.published.desc(), _TABLE.run)
            .limit(rows_max)
        )
        if after is not None:
            published, run = after
            found = found.where(
                _TABLE.published <= published,  # said by itself, so that an index is entered there
                or_(_TABLE.published < published, _TABLE.run > run),
            )
        with self.reading() as connection:
            return tuple(_report(row) for row in connection.execute(found))


def insert_report(connection: Connection, run: str, now: datetime, said: Mapping[str, Any]) -> None:
    """Enter the report that a run published, of which `said` tells; nothing where the service did not begin the run."""
    found = (
        select(_RUNS.store, _RUNS.bucket, _RUNS.configuration_id, _RUNS.period, runs.c.place)
        .join_from(scheduled_runs, runs, runs.c.id == _RUNS.id)
        .where(_RUNS.id == run)
    )
    row = connection.execute(found).first()
    if row is None:
        return
    values = {
        **row._mapping,  # noqa: SLF001 - its public name
        "run": run,
        "published": now,
        "manifest": said["manifest"],
        "rows": said["rows"],
        "file_bytes": said.get("file_bytes"),
        "object_bytes": said.get("object_bytes"),
        "problems": json.dumps(said.get("problems", {})),
    }
    connection.execute(insert(published_reports).values(values))


def delete_report(connection: Connection, place: str) -> None:
    """Forget the report in the folder `place`, with its store, of which nothing is left."""
    connection.execute(delete(published_reports).where(_TABLE.place == place))


def _report(row: Row[Any]) -> PublishedReport:
    return PublishedReport(
        run=row.run,
        period=row.period,
        published=row.published,
        manifest=row.manifest,
        rows=row.rows,
        file_bytes=row.file_bytes,
        object_bytes=row.object_bytes,
        problems=json.loads(row.problems),
    )
