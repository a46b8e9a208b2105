"""The use cases about scheduled runs: which there are and when the next are due; run now, cancel, retry. On whoever's
behalf: a run of a bucket that a grant does not cover is not there for it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from stocktake.model.access import Grant, Right
from stocktake.model.configuration import parse_configuration_json
from stocktake.model.errors import NotAllowedError
from stocktake.model.periods import next_start
from stocktake.model.report_options import parse_report_options
from stocktake.model.scheduled import (
    UNFINISHED_STATES,
    PublishedReport,
    RunFilter,
    ScheduledRun,
)
from stocktake.model.stored import ConfigurationKey
from stocktake.service.commands.pages import Page, Position, read_page, wrong_token
from stocktake.state.reports import Reports
from stocktake.state.schedule import Schedule, Standing
from stocktake.state.schedule_rows import no_such_run

PAGE_ROWS = 100  # unless more are asked for


@dataclass(frozen=True, slots=True)
class Upcoming:
    """When the next run of a configuration is due."""

    key: ConfigurationKey
    due: datetime


def list_runs(
    schedule: Schedule,
    grant: Grant,
    wanted: RunFilter,
    *,
    token: str | None = None,
    rows_max: int = PAGE_ROWS,
) -> Page[ScheduledRun]:
    """A page of the wanted runs, the newest first.

    Raises:
        NotAllowedError: a bucket is named that the grant does not cover.
        ContinuationTokenError: the token is none of ours.
    """
    if wanted.bucket is not None:
        grant.check(Right.READ, wanted.bucket)

    def read(after: Position | None, count: int) -> Sequence[ScheduledRun]:
        return schedule.page(
            wanted, after=None if after is None else _moment_and_run(after), rows_max=count
        )

    return read_page(
        read,
        lambda run: (run.created.isoformat(), run.id),
        lambda run: grant.covers(run.key.bucket),
        token=token,
        rows_max=rows_max,
    )


def list_reports(
    reports: Reports,
    grant: Grant,
    key: ConfigurationKey,
    *,
    token: str | None = None,
    rows_max: int = PAGE_ROWS,
) -> Page[PublishedReport]:
    """A page of the reports of a configuration that were published and not removed since by its retention, the newest
    first. The configuration may be gone.

    Raises:
        NotAllowedError: the grant does not cover the bucket.
        ContinuationTokenError: the token is none of ours.
    """
    grant.check(Right.READ, key.bucket)

    def read(after: Position | None, count: int) -> Sequence[PublishedReport]:
        behind = None if after is None else _moment_and_run(after)
        return reports.page(key, after=behind, rows_max=count)

    return read_page(
        read,
        lambda each: (each.published.isoformat(), each.run),
        lambda _each: True,
        token=token,
        rows_max=rows_max,
    )


def _moment_and_run(position: Position) -> tuple[datetime, str]:
    try:
        created, run = position
        moment = datetime.fromisoformat(created)
    except ValueError:
        raise wrong_token() from None
    if moment.tzinfo is None:
        raise wrong_token()
    return moment, run


def list_upcoming(
    schedule: Schedule,
    grant: Grant,
    wanted: RunFilter,
    *,
    token: str | None = None,
    rows_max: int = PAGE_ROWS,
) -> Page[Upcoming]:
    """A page of when the wanted configurations run next, those that are enabled, ascending by their keys.

    Raises:
        NotAllowedError, ContinuationTokenError: as `list_runs`.
    """
    if wanted.bucket is not None:
        grant.check(Right.READ, wanted.bucket)
    standing = sorted(
        (each for each in schedule.standing() if wanted.covers(each.key)), key=lambda each: each.key
    )

    def read(after: Position | None, count: int) -> Sequence[Standing]:
        behind = standing if after is None else [e for e in standing if _position(e) > after]
        return behind[:count]

    found = read_page(
        read, _position, lambda e: grant.covers(e.key.bucket), token=token, rows_max=rows_max
    )
    now = schedule.moment()
    upcoming = tuple(Upcoming(e.key, _next(e, schedule.of(e), now)) for e in found.rows)
    return Page(upcoming, found.next_token)


def _position(standing: Standing) -> Position:
    key = standing.key
    return (key.store, key.bucket, key.id)


def _next(standing: Standing, own: Sequence[ScheduledRun], now: datetime) -> datetime:
    options = parse_report_options(json.loads(standing.options or "{}"), standing.key.id)
    start = next_start(
        now,
        parse_configuration_json(standing.document).schedule.frequency,
        created=standing.created,
        done={run.period for run in own if run.period is not None},
        hour=options.hour,
    )
    return min([*(run.due for run in own if run.state in UNFINISHED_STATES), start])


def get_run(schedule: Schedule, grant: Grant, run: str) -> ScheduledRun:
    """The scheduled run that is called `run`.

    Raises:
        NoSuchRunError: there is none that the grant covers.
    """
    found = schedule.get(run)
    if not grant.covers(found.key.bucket):
        raise no_such_run(run)
    return found


def run_now(schedule: Schedule, grant: Grant, key: ConfigurationKey) -> ScheduledRun:
    """Have a configuration run as soon as a worker is free.

    Raises:
        NotAllowedError: the grant covers not the bucket, or no writing.
        NoSuchConfigurationError: there is no such configuration.
        RunStateError: it is disabled or suspended, or a run of it is under way.
    """
    grant.check(Right.WRITE, key.bucket)
    return schedule.get(schedule.run_now(key))


def cancel_run(schedule: Schedule, grant: Grant, run: str) -> ScheduledRun:
    """Cancel a scheduled run. A worker that is at it stops within seconds, and clears away what it left. Who may write
    may end what somebody asked for; the schedule's own runs are the administrators'.

    Raises:
        NoSuchRunError: there is none that the grant covers.
        NotAllowedError: the grant does not cover that.
        RunStateError: it is over.
    """
    found = get_run(schedule, grant, run)
    if found.period is None:
        grant.check(Right.WRITE, found.key.bucket)
    else:
        _check_administer(grant, found)
    schedule.cancel(found.id)
    return schedule.get(found.id)


def _check_administer(grant: Grant, run: ScheduledRun) -> None:
    try:
        grant.check(Right.ADMINISTER, run.key.bucket)
    except NotAllowedError as error:
        raise NotAllowedError(
            f"{error.message}, and the run {run.id} is the schedule's",
            hint="an admin may cancel it; deleting or disabling the configuration ends it, too",
        ) from error


def retry_run(schedule: Schedule, grant: Grant, run: str) -> ScheduledRun:
    """Have a run that failed be tried again at once, with all its attempts before it.

    Raises:
        NoSuchRunError: there is none that the grant covers.
        NotAllowedError: the grant covers no writing.
        RunStateError: it has not failed.
    """
    found = get_run(schedule, grant, run)
    grant.check(Right.WRITE, found.key.bucket)
    schedule.retry(found.id)
    return schedule.get(found.id)
