"""What writing about a run means for its row among the scheduled ones, in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from stocktake.model.errors import RunStateError
from stocktake.model.ledger import Claim
from stocktake.model.notifications import EventKind
from stocktake.model.scheduled import UNFINISHED_STATES, ScheduledState
from stocktake.state.notices import insert_event
from stocktake.state.reports import insert_report
from stocktake.state.schedule_rows import claim_ended
from stocktake.state.tables import scheduled_runs

_TABLE = scheduled_runs.c


def epoch_token(epoch: int) -> str:
    """The token of the claim with this epoch."""
    return f"epoch-{epoch}"


def check_held(connection: Connection, claim: Claim) -> None:
    """Check that a claim of a scheduled run lasts. Nobody ends it before the transaction is over.

    Raises:
        RunStateError: it has ended.
    """
    held = select(_TABLE.epoch).where(
        _TABLE.id == claim.run, _TABLE.state == ScheduledState.RUNNING
    )
    epoch = connection.scalar(held.with_for_update())
    if epoch is None or epoch_token(epoch) != claim.token:
        raise claim_ended(claim.run)


def check_free(connection: Connection, run: str) -> None:
    """Check that the service has nothing more to do with a run, so that a user may.

    Raises:
        RunStateError: it has.
    """
    states = [str(state) for state in UNFINISHED_STATES]
    state = connection.scalar(
        select(_TABLE.state).where(_TABLE.id == run, _TABLE.state.in_(states))
    )
    if state is not None:
        raise RunStateError(
            f"the run {run} is the service's, and {state}",
            hint=f"`stocktake runs cancel {run}` ends it",
        )


def renew(connection: Connection, claim: Claim, now: datetime) -> None:
    """Have the lease begin anew; nothing where the run is none of the scheduled ones."""
    lease_s = connection.scalar(select(_TABLE.lease_s).where(_TABLE.id == claim.run))
    if lease_s is not None:
        until = now + timedelta(seconds=lease_s)
        connection.execute(
            update(scheduled_runs).where(_TABLE.id == claim.run).values(lease_until=until)
        )


def set_published(
    connection: Connection, claim: Claim, now: datetime, said: Mapping[str, Any]
) -> None:
    """Note that the report is published, in the same transaction in which the run says so; and what is to be told:
    `manifest`, `rows`, and more. The lease goes on for whoever clears up behind it.
    """
    over = {
        "state": ScheduledState.PUBLISHED,
        "finished": now,
        "owner": None,
        "error": None,
        "hint": None,
    }
    connection.execute(update(scheduled_runs).where(_TABLE.id == claim.run).values(over))
    insert_report(connection, claim.run, now, said)
    insert_event(connection, claim.run, EventKind.PUBLISHED, now, **said)
