"""Saying what a report is and holds."""

from __future__ import annotations

from stocktake.analysis.summary import ReportSummary, Share, summarize_report
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_report

__all__ = ["ReportSummary", "Share", "show"]


def show(address: str, *, store: Store) -> ReportSummary:
    """What the report at `address` is and holds.

    Raises:
        InventoryError: it cannot be opened or read.
    """
    with opened_report(address, store) as report:
        return summarize_report(report)
