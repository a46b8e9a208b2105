"""What audits found out about a report: the values that every face shows."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from stocktake.analysis.audits.audit import Severity
from stocktake.analysis.audits.measuring import Share
from stocktake.analysis.audits.policy import FailOn, PolicyException
from stocktake.analysis.audits.questions import Unknown
from stocktake.analysis.json_values import as_json
from stocktake.analysis.relation import VIEW
from stocktake.model.prices import Prices


class Status(StrEnum):
    """What an audit came to, the worst first."""

    FOUND = "found"
    UNKNOWN = "cannot tell"  # nothing was found among what is known, and not all is
    CLEAN = "clean"
    NOT_ASKED = "not asked"  # the policy expects nothing


EXIT_CODES = {Status.FOUND: 1, Status.UNKNOWN: 3}


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """What one audit came to.

    `bytes` and shares of bytes are None where the report has no sizes, `money` where nothing is
    reckoned. `unknown` is what it cannot tell, whatever it found. `where` is the condition under which
    `stocktake query` and `stocktake export` find exactly its objects; empty where it was not asked.
    """

    name: str
    topic: str
    question: str
    severity: Severity
    status: Status
    rows: int
    bytes: int | None
    share: float
    share_of_bytes: float | None
    excused: int
    money: float | None
    money_means: str
    unknown: tuple[Unknown, ...]
    prefixes: tuple[Share, ...]
    examples: tuple[Mapping[str, Any], ...]
    where: str
    remedy: str
    expired: tuple[PolicyException, ...]

    @property
    def unknown_rows(self) -> int:
        """Of at least how many objects it cannot tell; reasons may be about the same ones."""
        return max((each.rows or 0 for each in self.unknown), default=0)

    @property
    def sql(self) -> str:
        """The SELECT that yields its objects."""
        return f"SELECT * FROM {VIEW} WHERE {self.where}"  # noqa: S608 - our own


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What all audits came to, in the order of the pack. `rows` are versions and delete markers, too."""

    address: str
    source_bucket: str
    created: datetime
    audited: datetime
    rows: int
    bytes: int | None
    fail_on: FailOn
    prices: Prices
    findings: tuple[AuditFinding, ...]
    warnings: tuple[str, ...]

    @property
    def judged(self) -> tuple[AuditFinding, ...]:
        """What the verdict is about: findings of audits whose severity `fail_on` reaches, or with `never` of all."""
        if self.fail_on is FailOn.NEVER:
            return self.findings
        return tuple(each for each in self.findings if self.fail_on.reached_by(each.severity))

    @property
    def status(self) -> Status:
        """The verdict."""
        if any(each.status is Status.FOUND for each in self.judged):
            return Status.FOUND
        if any(each.unknown for each in self.judged):
            return Status.UNKNOWN
        return Status.CLEAN

    @property
    def exit_code(self) -> int:
        """0 clean, 1 found something, 3 cannot tell; with `never` always 0."""
        return 0 if self.fail_on is FailOn.NEVER else EXIT_CODES.get(self.status, 0)

    def export_command(self, finding: AuditFinding) -> str:
        """The command that writes exactly the objects of a finding as a batch manifest."""
        words = ("stocktake", "export", self.address, "--where", finding.where)
        target = ("--to", f"{finding.name}.csv", "--format", "manifest")
        return shlex.join((*words, *target))

    def to_json(self) -> dict[str, object]:
        """All of it as JSON has it; moments as ISO 8601."""
        return {
            "report": self.address,
            "source_bucket": self.source_bucket,
            "created": as_json(self.created),
            "audited": as_json(self.audited),
            "rows": self.rows,
            "bytes": self.bytes,
            "fail_on": self.fail_on,
            "prices": {"name": self.prices.name, "currency": self.prices.currency},
            "status": self.status,
            "warnings": list(self.warnings),
            "findings": [self._finding(each) for each in self.findings],
        }

    def _finding(self, finding: AuditFinding) -> dict[str, object]:
        fields: dict[str, object] = {}
        for name, value in asdict(finding).items():
            fields[name] = as_json(value)
        fields["unknown_rows"] = finding.unknown_rows
        fields["expired"] = [each.model_dump(mode="json") for each in finding.expired]
        if finding.where:
            fields["sql"] = finding.sql
        if finding.rows:
            fields["export"] = self.export_command(finding)
        return fields
