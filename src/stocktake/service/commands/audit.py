"""Auditing a report."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Unpack

from stocktake.analysis.audits.asking import AUDIT_LIMITS, audit_report
from stocktake.analysis.audits.audit import Severity
from stocktake.analysis.audits.findings import AuditFinding, AuditReport, Status
from stocktake.analysis.audits.pack import BY_NAME
from stocktake.analysis.audits.policy import DEFAULT_POLICY, FailOn, Policy, told_idle
from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.commands.report import opened_report
from stocktake.service.limits import LimitKeywords, query_limits
from stocktake.service.options import choose
from stocktake.service.tables import load_policy, load_prices

__all__ = ["AuditFinding", "AuditReport", "Severity", "Status", "audit"]


def audit(
    address: str,
    *,
    store: Store,
    policy: str | Path | None = None,
    only: Sequence[str] = (),
    fail_on: str | None = None,
    prices: str | None = None,
    **limits: Unpack[LimitKeywords],
) -> AuditReport:
    """What the audits of a policy file find in the report at `address`, as of now.

    `only` names the audits to ask, whatever the policy says; so does `fail_on`, the least severity of
    findings that make it fail. `limits` say what DuckDB may use, or else the environment.

    Raises:
        UsageError: no such audit or severity, no policy, no price table, or limits that make no sense.
        InventoryError: the report cannot be opened or read.
    """
    table, bounds = load_prices(prices), query_limits(AUDIT_LIMITS, **limits)
    expected = load_policy(policy, table) if policy is not None else DEFAULT_POLICY
    asked = _asked(expected, only, fail_on)
    with opened_report(address, store) as report:
        return audit_report(report, now=house.now(), policy=asked, prices=table, limits=bounds)


def _asked(policy: Policy, only: Sequence[str], fail_on: str | None) -> Policy:
    changes: dict[str, object] = {}
    if only:
        changes["audits"] = tuple(map(_known, only))
        if idle := policy.model_copy(update=changes).idle:
            raise UsageError(
                told_idle(idle[0]),
                hint="give a --policy with such an [[expectations]]; docs/audits.md has an example",
            )
    if fail_on is not None:
        changes["fail_on"] = choose(FailOn, fail_on, "severity")
    return policy.model_copy(update=changes)


def _known(name: str) -> str:
    if name in BY_NAME:
        return name
    nearest = get_close_matches(name, BY_NAME, n=1)
    meant = f"; did you mean `{nearest[0]}`?" if nearest else ""
    raise UsageError(f"unknown audit `{name}`{meant}", hint=f"audits: {', '.join(BY_NAME)}")
