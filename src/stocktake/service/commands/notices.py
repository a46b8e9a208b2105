"""The use case about notices: who was told what became of runs."""

from __future__ import annotations

from collections.abc import Sequence

from stocktake.model.notifications import NoticeRecord
from stocktake.service import house
from stocktake.service.runs import open_ledger


def list_notices(*, rows_max: int, ledger_url: str | None = None) -> Sequence[NoticeRecord]:
    """The newest notices, the newest event first; `rows_max` at most."""
    with open_ledger(house.settings().state_folder, ledger_url) as ledger:
        return ledger.notices.list(rows_max=rows_max)
