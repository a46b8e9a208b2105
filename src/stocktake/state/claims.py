"""Who works on which scheduled run, and until when. One database, any number of workers.

A claim lasts as long as its lease, by the database's clock, and is renewed by beats. When a lease is over, anybody may
take the run up: the epoch changes, in one transaction with the token under which the run itself is written about, and
whoever had it is refused from then on, here and in `ledger.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)

from stocktake.model.documents import encode
from stocktake.model.errors import InventoryError
from stocktake.model.ledger import Claim, Owner, RunState
from stocktake.model.notifications import EventKind
from stocktake.model.scheduled import (
    CLAIMS_MAX,
    UNFINISHED_STATES,
    ScheduledClaim,
    ScheduledState,
    retry_delay,
)
from stocktake.model.store_limits import StoreLimits
from stocktake.state.notices import insert_event
from stocktake.state.schedule_rows import STANDS, claim_ended, held_by, key_of
from stocktake.state.scheduled_writes import epoch_token
from stocktake.state.tables import EPOCHS, LEFT, configurations, counters, runs, scheduled_runs
from stocktake.state.totals import add_totals
from stocktake.state.transactions import Transactions

# No lease and no delay reaches so far ahead: what does was written before the clock was put back, and holds no more.
FUTURE_MAX = timedelta(hours=2)

_TABLE = scheduled_runs.c


class Claims(Transactions):
    """The claims in one ledger. All methods raise LedgerError where it cannot be read or written, and those that take a
    ScheduledClaim raise RunStateError where that has ended.
    """

    # -- whose a run is ----------------------------------------------------------------------------

    def claim(
        self, owner: Owner, lease: timedelta, limits: Mapping[str, StoreLimits]
    ) -> ScheduledClaim | None:
        """The longest due of the runs that nobody works on, for `owner`, for as long as `lease`; None where there is
        none. Only stores in `limits` are looked at, and none that is to be left alone now, or bears no more runs.
        """
        with self.reading() as connection:
            if connection.scalar(self._claimable(connection, limits)) is None:
                return None
        with self.writing() as connection:
            # Whoever has the next epoch is alone in claiming until the transaction ends, whatever the database.
            epoch = connection.execute(
                update(counters)
                .where(counters.c.name == EPOCHS)
                .values(value=counters.c.value + 1)
                .returning(counters.c.value)
            ).scalar_one()
            until = self.moment_in(connection) + lease
            taken = connection.execute(
                update(scheduled_runs)
                .where(_TABLE.id == self._claimable(connection, limits).scalar_subquery())
                # Cancelled in the meantime, it is no longer to be had.
                .where(_TABLE.state.in_(UNFINISHED_STATES))
                .values(
                    state=ScheduledState.RUNNING,
                    epoch=epoch,
                    claims=_TABLE.claims + 1,
                    lease_s=lease.total_seconds(),
                    lease_until=until,
                    owner=str(owner),
                )
                .returning(*_TABLE)
            ).first()
            if taken is None:
                return None
            claim = Claim(taken.id, epoch_token(epoch))
            # What it has done is written about under this claim from now on, and no other.
            begun = connection.execute(
                update(runs)
                .where(runs.c.id == taken.id)
                .where(runs.c.state.in_((RunState.RUNNING, RunState.STOPPED)))
                .values(token=claim.token, owner=encode(owner), state=RunState.RUNNING)
            ).rowcount
            return ScheduledClaim(key_of(taken), claim, epoch, lease, begun == 1)

    def _claimable(self, connection: Connection, limits: Mapping[str, StoreLimits]) -> Any:
        now = self.moment_in(connection)
        far = now + FUTURE_MAX
        over = or_(_TABLE.lease_until.is_(None), _TABLE.lease_until < now, _TABLE.lease_until > far)
        begins = or_(_TABLE.due <= now, _TABLE.due > far)
        held = scheduled_runs.alias()

        def running(store: str) -> ColumnElement[int]:
            these = (held.c.store == store, held.c.lease_until.between(now, far))
            return select(func.count()).where(*these).scalar_subquery()

        # As they stand here no index of stores or states is entered: of those that are not over, which are few, there
        # is one in the order in which they are wanted.
        store, state = _TABLE.store + "", _TABLE.state + ""
        free = [
            and_(store == name, running(name) < each.runs_max) if each.runs_max else store == name
            for name, each in limits.items()
            if not each.quiet(now)
        ]
        return (
            select(_TABLE.id)
            .where(_TABLE.finished.is_(None), state.in_(UNFINISHED_STATES), over, begins)
            .where(_TABLE.claims < CLAIMS_MAX, STANDS, or_(*free) if free else not_(STANDS))
            .order_by(_TABLE.due, _TABLE.id)
            .limit(1)
        )

    def beat(self, claim: ScheduledClaim, progress: Mapping[str, Any] | None = None) -> None:
        """Renew the lease, and note how far the run is."""
        noted = {} if progress is None else {"progress": json.dumps(progress)}
        self._held(claim, lambda now: {"lease_until": now + claim.lease, **noted})

    def count(self, counts: Mapping[str, int]) -> None:
        """Add what was done to what all scheduled runs together have done, whatever becomes of this one."""
        with self.writing() as connection:
            add_totals(connection, counts)

    def give_back(self, claim: ScheduledClaim) -> None:
        """Leave the run to whoever claims it next, at once."""
        self._held(
            claim,
            lambda now: {
                "state": ScheduledState.WAITING,
                "due": now,
                "lease_until": None,
                "owner": None,
            },
        )

    def fail(
        self, claim: ScheduledClaim, error: InventoryError, *, suspend: bool = False
    ) -> ScheduledState:
        """Note that an attempt at the run failed by `error`. It waits to be tried again, or has failed for good; which
        of both is returned. With `suspend` it has failed for good, what it has is given up, and its configuration runs
        no more until it is put again.
        """
        now = self.moment()
        with self.reading() as connection:
            attempts = (connection.scalar(select(_TABLE.attempts).where(held_by(claim))) or 0) + 1
        delay = None if suspend else retry_delay(attempts)
        state = ScheduledState.FAILED if delay is None else ScheduledState.WAITING
        values = {
            "state": state,
            "due": now + (delay or timedelta()),
            "finished": now if delay is None else None,
            "attempts": attempts,
            "lease_until": None,
            "owner": None,
            "error": error.message,
            "hint": error.hint,
        }
        with self.writing() as connection:
            statement = update(scheduled_runs).where(held_by(claim)).values(**values)
            if connection.execute(statement).rowcount != 1:
                raise claim_ended(claim.run)
            if suspend:
                _suspend(connection, claim, now, error.message)
            if state is ScheduledState.FAILED:
                said = {"error": error.message, "hint": error.hint, "attempts": attempts}
                insert_event(connection, claim.run, EventKind.FAILED, now, **said)
        return state

    def release(self, claim: ScheduledClaim) -> None:
        """Say that nothing is done about the run any more, which somebody cancelled meanwhile; else nothing happens."""
        at = and_(_TABLE.id == claim.run, _TABLE.epoch == claim.epoch)
        cancelled = _TABLE.state == ScheduledState.CANCELLED
        with self.writing() as connection:
            connection.execute(
                update(scheduled_runs).where(at, cancelled).values(lease_until=None, owner=None)
            )

    def _held(self, claim: ScheduledClaim, values: Callable[[datetime], Mapping[str, Any]]) -> None:
        with self.writing() as connection:
            now = self.moment_in(connection)
            statement = update(scheduled_runs).where(held_by(claim)).values(**values(now))
            if connection.execute(statement).rowcount != 1:
                raise claim_ended(claim.run)

    def to_clear(self, runs_max: int = 10) -> list[str]:
        """Runs that were cancelled, given up or published, on which nobody works any more, and of which something may
        be left: of a published one, where whoever was to clear up behind it let its lease end. Any of them, lest those
        that cannot be cleared away hold up all others.
        """
        free = or_(_TABLE.lease_until.is_(None), _TABLE.lease_until < self.moment())
        abandoned = exists().where(runs.c.id == _TABLE.id, runs.c.state == RunState.ABANDONED)
        given_up = and_(_TABLE.epoch > 0, abandoned)
        published = _TABLE.state == ScheduledState.PUBLISHED
        found = select(_TABLE.id).where(LEFT, free, or_(published, given_up))
        with self.reading() as connection:
            return list(connection.scalars(found.order_by(func.random()).limit(runs_max)))

    def cleared(self, run: str) -> None:
        """Note that nothing is left of a run that is over; nothing where it is none of the scheduled ones."""
        of_run = update(scheduled_runs).where(_TABLE.id == run)
        free = {"lease_until": None, "owner": None}
        with self.writing() as connection:
            given_up = of_run.where(_TABLE.state.in_(_GIVEN_UP))
            connection.execute(given_up.values(claims=0, **free))
            published = of_run.where(_TABLE.state == ScheduledState.PUBLISHED)
            connection.execute(published.values(free))


# Of these, what the run itself has is to be removed, where it was abandoned.
_GIVEN_UP = (ScheduledState.CANCELLED, ScheduledState.FAILED)


def _suspend(connection: Connection, claim: ScheduledClaim, now: datetime, reason: str) -> None:
    """Suspend the configuration of a claim as it was put, and give up what its run has: it is of another bucket."""
    key = claim.key
    put = select(_TABLE.put).where(_TABLE.id == claim.run).scalar_subquery()
    connection.execute(
        update(configurations)
        .where(
            configurations.c.store == key.store,
            configurations.c.bucket == key.bucket,
            configurations.c.id == key.id,
            configurations.c.created == put,
        )
        .values(suspended=now, reason=reason)
    )
    over = {"state": RunState.ABANDONED, "token": None, "owner": None, "finished": now}
    connection.execute(update(runs).where(runs.c.id == claim.run).values(over))
