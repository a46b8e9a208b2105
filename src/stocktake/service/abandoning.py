"""The use case of giving a run up: what it left is found, shown, and removed."""

from __future__ import annotations

from pathlib import Path

from stocktake.model.errors import RunStateError
from stocktake.model.ledger import TRANSITIONS, RunRecord, RunState
from stocktake.service.clearing import (
    Leftovers,
    find_left_at,
    opened_place_of,
    remove_leftovers,
)
from stocktake.service.runs import open_ledger
from stocktake.state.records import check_transition

_GIVEN_UP_BY_IT = frozenset(
    state for state, then in TRANSITIONS.items() if RunState.ABANDONED in then
)


def find_left(state_folder: Path, run: str) -> Leftovers:
    """What abandoning a run would remove. Nothing is changed.

    Raises:
        UsageError: there is no such run.
        UndecidedError: a manifest cannot be read, so that nobody knows what it names.
        InventoryError: the run is being worked on, or has published its report.
    """
    with open_ledger(state_folder) as ledger:
        record = ledger.run(run)
        _check_abandonable(record)
        with opened_place_of(record) as place:
            left = find_left_at(place, ledger, record)
        _check_unpublished(record, left)
        return left


def abandon_run(state_folder: Path, run: str) -> Leftovers:
    """Give a run up for good and remove what it left, which is returned. It may be repeated until nothing is left.

    Raises:
        InventoryError: as `find_left`; or something could not be removed.
    """
    with open_ledger(state_folder) as ledger:
        record = ledger.run(run)
        _check_abandonable(record)
        with opened_place_of(record) as place:
            _check_unpublished(record, find_left_at(place, ledger, record))
            if record.state in _GIVEN_UP_BY_IT:
                ledger.abandon(record.id)
            left = find_left_at(place, ledger, record)  # nobody can add to it any more
            remove_leftovers(place, left)
        ledger.forget_all(record.id)
        return left


def _check_abandonable(record: RunRecord) -> None:
    """Check that what a run left may be removed: it is given up, or can be; or it left something beside its report."""
    if record.state is RunState.ABANDONED or (record.state is RunState.PUBLISHED and record.names):
        return
    check_transition(record, RunState.ABANDONED)


def _check_unpublished(record: RunRecord, left: Leftovers) -> None:
    if left.published and record.state is not RunState.PUBLISHED:
        raise RunStateError(
            f"the run {record.id} has published its report: {left.published}",
            hint=f"`stocktake run --resume {record.id}` writes that down",
        )
