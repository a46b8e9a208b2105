"""Auditing a report: questions are made of a policy, asked in one go, and what came of them is told."""

from __future__ import annotations

from datetime import datetime

from stocktake.analysis.audits.examples import find_examples
from stocktake.analysis.audits.findings import AuditFinding, AuditReport, Status
from stocktake.analysis.audits.measuring import Measure, Measured, measure
from stocktake.analysis.audits.policy import DEFAULT_POLICY, Policy
from stocktake.analysis.audits.questions import (
    Doubt,
    Question,
    Subject,
    Unknown,
    make_questions,
)
from stocktake.analysis.report import Report
from stocktake.analysis.session import QueryLimits, open_session
from stocktake.analysis.tables import one_table
from stocktake.model.prices import AWS, Prices

# So that the process, with Python and Arrow beside DuckDB, stays below 2 GB.
AUDIT_LIMITS = QueryLimits(memory_bytes_max=3 * 2**29)
_NOTHING = Measure()


def audit_report(
    report: Report,
    *,
    now: datetime,
    policy: Policy = DEFAULT_POLICY,
    prices: Prices = AWS,
    limits: QueryLimits = AUDIT_LIMITS,
) -> AuditReport:
    """What the policy's audits find in the report at the moment `now`.

    Raises:
        DataFileError: a data file is missing, short or damaged.
        QueryError: it takes more memory than `limits` allow.
        StoreError: the store was asked for a data file and did not give it.
    """
    questions = make_questions(
        Subject(report.manifest, report.fields, report.sidecar, bool(report.sidecar_error)),
        policy,
        prices,
        now,
    )
    asked = [question for question in questions if question.asked]
    with open_session([one_table(report)], limits=limits) as session:
        measured = measure(session, asked)
        find_examples(session, asked, measured)
    measures = dict(zip([each.audit.name for each in asked], measured.measures, strict=True))
    return AuditReport(
        address=report.address,
        source_bucket=report.manifest.source_bucket,
        created=report.manifest.created,
        audited=now,
        rows=measured.rows,
        bytes=measured.bytes,
        fail_on=policy.fail_on,
        prices=prices,
        findings=tuple(
            _finding(question, measures.get(question.audit.name, _NOTHING), measured)
            for question in questions
        ),
        warnings=_warnings(report),
    )


def _warnings(report: Report) -> tuple[str, ...]:
    said = (report.sidecar_error, report.beside.note)
    return (*(report.sidecar.warnings if report.sidecar else ()), *filter(None, said))


def _finding(question: Question, found: Measure, measured: Measured) -> AuditFinding:
    audit = question.audit
    unknown = _all_unknown(question, found, measured) if question.wanted else ()
    sized = measured.bytes is not None
    return AuditFinding(
        name=audit.name,
        topic=audit.topic,
        question=audit.question,
        severity=audit.severity,
        status=_status(question, found, unknown),
        rows=found.rows,
        bytes=found.bytes if sized else None,
        share=_share(found.rows, measured.rows),
        share_of_bytes=_share(found.bytes, measured.bytes) if measured.bytes is not None else None,
        excused=found.excused,
        money=_rounded(found.money) if question.money else None,
        money_means=question.money_means,
        unknown=unknown,
        prefixes=tuple(found.prefixes),
        examples=tuple(found.examples),
        where=question.where if question.asked else "",
        remedy=audit.remedy,
        expired=question.expired,
    )


def _all_unknown(question: Question, found: Measure, measured: Measured) -> tuple[Unknown, ...]:
    """What was known beforehand and what the rows showed, with numbers."""
    before = [
        Unknown(each.doubt, each.what, measured.rows if each.rows is None else each.rows)
        for each in question.unknown
    ]
    if found.unknown:
        before.append(Unknown(Doubt.EMPTY, ", ".join(question.audit.needs), found.unknown))
    return tuple(before)


def _status(question: Question, found: Measure, unknown: tuple[Unknown, ...]) -> Status:
    if not question.wanted:
        return Status.NOT_ASKED
    if found.rows:
        return Status.FOUND
    return Status.UNKNOWN if unknown else Status.CLEAN


def _rounded(money: float) -> float:
    """As many digits as do not depend on the order in which rows were added up."""
    return float(f"{money:.10g}")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
