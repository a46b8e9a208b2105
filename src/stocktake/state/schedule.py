"""The schedule: which runs are due, and what users want of them. One database, any number of schedulers.

"Once per configuration and period" is a unique constraint of the table, so no two schedulers need know of each other.
"""

from __future__ import annotations

import builtins
import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from stocktake.model.errors import NoSuchConfigurationError, RunStateError
from stocktake.model.ledger import RunState
from stocktake.model.notifications import EventKind
from stocktake.model.scheduled import (
    CLAIMS_MAX,
    UNFINISHED_STATES,
    RunFilter,
    ScheduledRun,
    ScheduledState,
)
from stocktake.model.stored import ConfigurationKey
from stocktake.state.due import Due, Put, known_of
from stocktake.state.notices import insert_event
from stocktake.state.schedule_rows import (
    RUNS,
    STANDS,
    find_row,
    key_of,
    of_configuration,
    record_of,
)
from stocktake.state.tables import (
    VERSIONS,
    configurations,
    counters,
    report_options,
    runs,
    scheduled_runs,
)
from stocktake.state.transactions import Transactions

# Runs that are over are forgotten after so long.
FINISHED_FOR_MAX = timedelta(days=90)

_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"  # none that are taken for one another
_ID_LETTERS = 8
_TABLE = scheduled_runs.c


@dataclass(frozen=True, slots=True)
class Standing:
    """A configuration that has runs, as a scheduler needs it: unparsed, for most are as they were last time."""

    key: ConfigurationKey
    created: datetime
    version: int
    document: str
    options: str | None


# Made once: putting a statement together takes longer than the database takes to answer it. Every put and deletion
# counts up the versions, and who suspends a configuration makes fewer of them run.
_MARK = select(
    select(counters.c.value).where(counters.c.name == VERSIONS).scalar_subquery(),
    select(func.count()).select_from(configurations).where(RUNS).scalar_subquery(),
)


class Schedule(Transactions):
    """The scheduled runs in one ledger. All methods raise LedgerError where it cannot be read or written."""

    # -- what is due -------------------------------------------------------------------------------

    def standing(self) -> list[Standing]:
        """Every configuration that is enabled, and not suspended."""
        same = [
            report_options.c[name] == configurations.c[name] for name in ("store", "bucket", "id")
        ]
        beside = select(report_options.c.document).where(*same).scalar_subquery()
        found = select(configurations, beside.label("options")).where(RUNS)
        with self.reading() as connection:
            return [
                Standing(
                    ConfigurationKey(row.store, row.bucket, row.id),
                    row.created,
                    row.version,
                    row.document,
                    row.options,
                )
                for row in connection.execute(found)
            ]

    def mark(self) -> tuple[int, int]:
        """What changes whenever `standing` does: far less to ask for than all of them."""
        with self.reading() as connection:
            version, count = connection.execute(_MARK).one()
            return version, count

    def with_run(self, due: Collection[Due]) -> set[Due]:
        """Those of `due` that have their run."""
        with self.reading() as connection:
            return known_of(connection, due).have_run

    def enter(self, due: Collection[Due]) -> set[Due]:
        """Have all of `due` run, in one transaction; those that are settled then. One is not while another run of the
        configuration is under way. A run that nobody has begun is made the period's: what could not be done in time is
        done once.
        """
        with self.writing() as connection:
            known = known_of(connection, due)
            try:
                with connection.begin_nested():
                    rest = [each for each in due if each not in known.have_run]
                    return known.have_run | self._enter(connection, rest, known.under_way)
            except (
                IntegrityError
            ):  # another process has entered one of them: the next tick sees which
                return known.have_run

    def _enter(
        self, connection: Connection, due: Sequence[Due], under_way: Mapping[Put, tuple[str, int]]
    ) -> set[Due]:
        settled = {each for each in due if each.of not in under_way}
        now = self.moment_in(connection)
        if settled:
            new = [_new_run(each.of, each.period, now) for each in due if each in settled]
            connection.execute(insert(scheduled_runs), new)
        waiting: dict[datetime, dict[str, Due]] = defaultdict(dict)
        for each in due:
            run, epoch = under_way.get(each.of, ("", 1))
            if not epoch:
                waiting[each.period][run] = each
        for period, due_of in waiting.items():
            made = (
                update(scheduled_runs)
                .where(_TABLE.id.in_(due_of), _TABLE.epoch == 0)
                .where(_TABLE.state.in_(UNFINISHED_STATES))
                .values(period=period)
                .returning(_TABLE.id)
            )
            settled.update(due_of[run] for run in connection.scalars(made))
        return settled

    def run_now(self, key: ConfigurationKey) -> str:
        """Have a configuration run as soon as a worker is free; what the run is called.

        Raises:
            NoSuchConfigurationError: there is no such configuration.
            RunStateError: it is disabled or suspended, or a run of it is under way.
        """
        at = and_(
            *(configurations.c[name] == getattr(key, name) for name in ("store", "bucket", "id"))
        )
        with self.writing() as connection:
            found = connection.execute(select(configurations).where(at)).first()
            what = f"the configuration `{key.id}` of {key.bucket}"
            if found is None:
                raise NoSuchConfigurationError(f"{what} is not there")
            if not found.enabled:
                raise RunStateError(f"{what} is disabled")
            if found.suspended is not None:
                raise RunStateError(f"{what} is suspended: {found.reason}", hint="put it again")
            of = Put(key, found.created)
            _check_none_under_way(connection, of)
            values = _new_run(of, None, self.moment_in(connection))
            connection.execute(insert(scheduled_runs).values(values))
            return str(values["id"])

    # -- what users want of it ---------------------------------------------------------------------

    def cancel(self, run: str) -> None:
        """Cancel a run that is not over. Whoever works on it is refused from now on.

        Raises:
            NoSuchRunError: there is no such run.
            RunStateError: it is over.
        """
        with self.writing() as connection:
            found = find_row(connection, run)
            if not self._cancel(connection, and_(_TABLE.id == found.id)):
                raise RunStateError(f"the run {found.id} is {found.state} and cannot be cancelled")

    def tidy(self) -> int:
        """Cancel the runs of configurations that were deleted, put anew since, disabled or suspended; how many those
        were. End those that were claimed too often, and forget those that have long been over.
        """
        with self.writing() as connection:
            now = self.moment_in(connection)
            limit = now - FINISHED_FOR_MAX
            # Both: what was forgotten would be entered again, and a clock may have been put back for a while.
            old = and_(_TABLE.created < limit, _TABLE.finished < limit)
            connection.execute(delete(scheduled_runs).where(old))
            worn = and_(_TABLE.claims >= CLAIMS_MAX, _TABLE.lease_until < now)
            error = f"it was begun {CLAIMS_MAX} times and ended every worker that did so"
            ended = connection.scalars(
                update(scheduled_runs)
                .where(worn, _TABLE.state.in_(UNFINISHED_STATES))
                .values(
                    state=ScheduledState.FAILED,
                    finished=now,
                    lease_until=None,
                    error=error,
                    hint="see the logs of the workers",
                )
                .returning(_TABLE.id)
            ).all()
            for run in ended:
                insert_event(connection, run, EventKind.FAILED, now, error=error, hint="")
            return self._cancel(connection, not_(STANDS))

    def _cancel(self, connection: Connection, which: ColumnElement[bool]) -> int:
        now = self.moment_in(connection)
        cancelled = connection.scalars(
            update(scheduled_runs)
            .where(which, _TABLE.state.in_(UNFINISHED_STATES))
            .values(state=ScheduledState.CANCELLED, finished=now)
            .returning(_TABLE.id)
        ).all()
        over = {"state": RunState.ABANDONED, "token": None, "owner": None, "finished": now}
        connection.execute(update(runs).where(runs.c.id.in_(cancelled)).values(over))
        return len(cancelled)

    def retry(self, run: str) -> None:
        """Have a run that has failed, or waits to be tried again, be tried at once.

        Raises:
            NoSuchRunError: there is no such run.
            RunStateError: it is in neither of these states, its configuration is no more, or has another run under way.
        """
        with self.writing() as connection:
            found = find_row(connection, run)
            _check_none_under_way(connection, Put(key_of(found), found.put), but=found.id)
            retried = connection.execute(
                update(scheduled_runs)
                .where(_TABLE.id == found.id, STANDS)
                .where(_TABLE.state.in_((ScheduledState.FAILED, ScheduledState.WAITING)))
                .values(
                    state=ScheduledState.WAITING,
                    due=self.moment_in(connection),
                    finished=None,
                    attempts=0,
                    claims=0,
                )
            )
            if retried.rowcount != 1:
                raise RunStateError(
                    f"the run {found.id} is {found.state} and cannot be tried again",
                    hint="runs that failed can, as long as their configuration is there and enabled",
                )

    def page(
        self,
        wanted: RunFilter,
        *,
        after: tuple[datetime, str] | None = None,
        rows_max: int = 100,
    ) -> builtins.list[ScheduledRun]:
        """The first `rows_max` of the wanted runs, the newest first, at most; `after` is when one was entered, and what
        it is called: those behind it.
        """
        found = _first_of_all(wanted, after, rows_max)
        with self.reading() as connection:
            return [record_of(row) for row in connection.execute(found)]

    def of(self, standing: Standing) -> builtins.list[ScheduledRun]:
        """The runs of a configuration as it was put then."""
        found = select(scheduled_runs).where(of_configuration(standing.key, standing.created))
        with self.reading() as connection:
            return [record_of(row) for row in connection.execute(found)]

    def list(self) -> builtins.list[ScheduledRun]:
        """All scheduled runs, the newest first."""
        newest = select(scheduled_runs).order_by(_TABLE.created.desc(), _TABLE.id)
        with self.reading() as connection:
            return [record_of(row) for row in connection.execute(newest)]

    def get(self, run: str) -> ScheduledRun:
        """The scheduled run that is called `run`.

        Raises:
            NoSuchRunError: there is no such run.
        """
        with self.reading() as connection:
            return record_of(find_row(connection, run))


def _check_none_under_way(connection: Connection, of: Put, *, but: str = "") -> None:
    """Check that a configuration has no run under way, but for one.

    Raises:
        RunStateError: it has.
    """
    busy = and_(of_configuration(of.key, of.put), _TABLE.state.in_(UNFINISHED_STATES))
    if run := connection.scalar(select(_TABLE.id).where(busy, _TABLE.id != but)):
        raise RunStateError(
            f"the run {run} of the configuration `{of.key.id}` is under way already",
            hint=f"`stocktake runs cancel {run}` ends it",
        )


def _new_run(of: Put, period: datetime | None, now: datetime) -> dict[str, object]:
    run = "".join(secrets.choice(_LETTERS) for _ in range(_ID_LETTERS))
    return {
        "id": run, "store": of.key.store, "bucket": of.key.bucket, "configuration_id": of.key.id, "put": of.put,
        "period": period, "state": ScheduledState.WAITING, "due": now, "created": now, "epoch": 0, "claims": 0,
        "attempts": 0, "lease_s": 0.0,
    }  # fmt: skip


def _first_of_all(
    wanted: RunFilter, after: tuple[datetime, str] | None, rows_max: int
) -> Select[Any]:
    """The first of the wanted runs behind a place among them. Each state has its order in an index, and several have
    none together: so the first ones of each are read, and put in one order.
    """
    if len(wanted.states) < 2:  # noqa: PLR2004
        return _newest_first(wanted, after).limit(rows_max)
    each = [
        select(_newest_first(replace(wanted, states=(state,)), after).limit(rows_max).subquery())
        for state in dict.fromkeys(wanted.states)
    ]
    together = union_all(*each).subquery()
    in_order = select(together).order_by(together.c.created.desc(), together.c.id)
    return in_order.limit(rows_max)


def _newest_first(wanted: RunFilter, after: tuple[datetime, str] | None) -> Select[Any]:
    """The wanted runs behind a place among them."""
    found = select(scheduled_runs).order_by(_TABLE.created.desc(), _TABLE.id)
    for name, value in wanted.columns().items():
        found = found.where(_TABLE[name] == value)
    if wanted.states:
        found = found.where(_TABLE.state.in_([str(state) for state in wanted.states]))
    if after is None:
        return found
    created, run = after
    return found.where(
        _TABLE.created <= created,  # said by itself, so that an index is entered at that place
        or_(_TABLE.created < created, _TABLE.id > run),
    )
