"""The use cases about the ledger: which runs there are, and what one of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stocktake.model.figures import Comparison
from stocktake.model.ledger import RunRecord
from stocktake.model.pieces import Kept
from stocktake.service import house
from stocktake.state.ledger import Ledger

# How many finished runs are listed unless all are asked for.
FINISHED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class RunDetails:
    """A run, the keys it named that no report of it names, what it has, and, once it is published, what was expected of
    it beside what it came to.
    """

    record: RunRecord
    names: Sequence[str]
    kept: Kept
    compared: Sequence[Comparison]


def open_ledger(state_folder: Path, url: str | None = None) -> Ledger:
    """The ledger at `url`, else where STOCKTAKE_LEDGER says, else in the user's state folder. To be used as a context
    manager.

    Raises:
        InventoryError: it cannot be used.
    """
    if where := url or house.settings().ledger:
        return Ledger.at(where, now=house.now)
    return Ledger.open(state_folder, now=house.now)


def list_runs(state_folder: Path, *, everything: bool = False) -> list[RunRecord]:
    """The runs, the newest first: all that are not over, and of the others the newest few, or `everything`."""
    with open_ledger(state_folder) as ledger:
        records = ledger.runs()
    over = [record.id for record in records if record.finished is not None]
    hidden = set() if everything else set(over[FINISHED_SHOWN:])
    return [record for record in records if record.id not in hidden]


def show_run(state_folder: Path, run: str) -> RunDetails:
    """One run and what it has.

    Raises:
        UsageError: there is no such run.
    """
    with open_ledger(state_folder) as ledger:
        record = ledger.run(run)
        return RunDetails(
            record,
            ledger.names(record.id),
            ledger.kept(record.id),
            ledger.comparisons(record.id),
        )
