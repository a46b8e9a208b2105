"""Checking a report."""

from __future__ import annotations

from stocktake.analysis.findings import Finding, Verification
from stocktake.analysis.verify import verify_report
from stocktake.model.store import Store
from stocktake.service.commands.report import opened_report

__all__ = ["Finding", "Verification", "verify"]


def verify(address: str, *, store: Store) -> Verification:
    """Everything the report at `address` claims, checked.

    Raises:
        InventoryError: it cannot be opened.
    """
    with opened_report(address, store) as report:
        return verify_report(report)
