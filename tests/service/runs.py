"""What tests of the ledger's use cases share: a state folder, and runs in every state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stocktake.model.ledger import RunState
from stocktake.model.pieces import Kept
from stocktake.model.runs import InventoryResult, InventoryRun
from stocktake.service.journal import LedgerJournal, Work
from stocktake.service.runs import open_ledger
from stocktake.service.working import begin_run, carry_out
from tests.service.taking import Crash, Steps, taker
from tests.state.ledgers import GONE


def publish(state: Path, run: InventoryRun) -> InventoryResult:
    """A run that published its report."""
    with open_ledger(state) as ledger:
        return carry_out(ledger, begin_run(ledger, run, state), taker())


def kill(state: Path, run: InventoryRun, after: str, *, multipart: Any = None) -> str:
    """A run that was killed behind the first step of that name; its id."""
    with open_ledger(state) as ledger:
        claim = ledger.begin(run, GONE, state)
        work = Work(claim, run, Kept(), ledger.run(claim.run).spool)
        with pytest.raises(Crash):
            taker(Steps(after), multipart=multipart)(work, LedgerJournal(ledger, work))
        assert ledger.run(claim.run).state is RunState.INTERRUPTED
    return claim.run
