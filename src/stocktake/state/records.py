"""Rows of the table of runs as records, and what these allow."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, func, select

from stocktake.model.documents import decode
from stocktake.model.errors import RunStateError, UsageError
from stocktake.model.ledger import TRANSITIONS, Owner, RunRecord, RunState
from stocktake.state.owners import is_alive
from stocktake.state.tables import files, runs, segments


def _of_run(value: Any, table: Any, label: str) -> Any:
    return select(value).where(table.c.run == runs.c.id).scalar_subquery().label(label)


_RUNS: Select[Any] = select(
    *runs.c,
    _of_run(func.coalesce(func.sum(files.c.rows), 0), files, "delivered"),
    _of_run(func.coalesce(func.sum(segments.c.rows), 0), segments, "spooled"),
    _of_run(func.count(), files, "names"),
)


def read_runs(connection: Connection, now: datetime) -> list[RunRecord]:
    """All runs as they are `now`, the newest first."""
    found = connection.execute(_RUNS.order_by(runs.c.started.desc(), runs.c.id))
    return [_record(row, now) for row in found.mappings()]


def read_run(connection: Connection, run: str, now: datetime) -> RunRecord:
    """One run as it is `now`.

    Raises:
        UsageError: there is no such run.
    """
    row = connection.execute(_RUNS.where(runs.c.id == run)).mappings().one_or_none()
    if row is None:
        raise UsageError(f"there is no run `{run}`", hint="`stocktake runs --all` lists them")
    return _record(row, now)


def _record(row: Any, now: datetime) -> RunRecord:
    owner = decode(Owner, row["owner"]) if row["owner"] else None
    state = RunState(row["state"])
    if state is RunState.RUNNING and not (owner and is_alive(owner, row["updated"], now)):
        state = RunState.INTERRUPTED
    return RunRecord(
        id=row["id"],
        state=state,
        source=row["source"],
        destination=row["destination"],
        configuration_id=row["configuration_id"],
        document=row["document"],
        spool=Path(json.loads(row["spool"])),
        started=row["started"],
        updated=row["updated"],
        finished=row["finished"],
        owner=owner,
        # PostgreSQL adds up large integers as decimals.
        rows=int(row["delivered"] + row["spooled"]) if row["rows"] is None else row["rows"],
        names=row["names"],
        root=row["root"],
        moment=row["moment"],
        manifest=row["manifest"],
        error=row["error"],
        hint=row["hint"],
    )


def check_transition(record: RunRecord, state: RunState) -> None:
    """Check that the run may be taken to `state`.

    Raises:
        InventoryError: somebody works on it, or it is over.
    """
    if state in TRANSITIONS[record.state]:
        return
    if record.state is RunState.RUNNING:
        raise RunStateError(
            f"{record.owner} is working on the run {record.id}",
            hint="stop that process first, with Ctrl-C or SIGTERM",
        )
    wanted = "resumed" if state is RunState.RUNNING else str(state)
    raise RunStateError(
        f"the run {record.id} is {record.state} and cannot be {wanted}",
        hint=f"its report is {record.manifest}" if record.manifest else "take the inventory anew",
    )
