"""What `audit` prints: lines for people, and CSV. Pure."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from stocktake.cli.outcome import on_one_line, visible
from stocktake.cli.words import bytes_text, count, counted, money_amount, share_text

if TYPE_CHECKING:
    from stocktake.service.commands.audit import AuditFinding, AuditReport

_LABEL_WIDTH = 12
_STATUS_WIDTH, _SEVERITY_WIDTH, _NAME_WIDTH = 13, 8, 22
_SHOWN_MAX = 3
CSV_COLUMNS = (
    "audit", "topic", "severity", "status", "objects", "bytes", "share", "share_of_bytes", "excused",
    "unknown", "money_per_month", "currency", "where",
)  # fmt: skip


def finding_lines(found: AuditReport) -> list[str]:
    """What was asked and came out, in a line for each audit; then what was found, one by one."""
    facts = {
        "report": found.address,
        "of": f"s3://{found.source_bucket}, {found.created:%Y-%m-%d %H:%M} UTC",
        "rows": count(found.rows) + ("" if found.bytes is None else f", {bytes_text(found.bytes)}"),
        "audited": f"{found.audited:%Y-%m-%d %H:%M} UTC, prices: {found.prices.name}",
    }
    lines = [f"{name:<{_LABEL_WIDTH}}{visible(value)}" for name, value in facts.items()]
    lines += [f"warning: {visible(warning)}" for warning in found.warnings]
    lines.append("")
    lines += [_line(each, found.prices.currency) for each in found.findings]
    for each in found.findings:
        if each.rows or each.unknown or each.expired:
            lines += ["", *_details(found, each)]
    return [*lines, "", f"verdict: {verdict(found)}"]


def verdict(found: AuditReport) -> str:
    """The last word, and how it comes about."""
    judged = found.judged
    of = "" if found.fail_on == "never" else f" of severity {found.fail_on} or higher"
    if not judged:
        return f"{found.status}: no audit is{of}"
    findings = sum(1 for each in judged if each.rows)
    untold = sum(1 for each in judged if each.unknown)
    idle = sum(1 for each in judged if each.status == "not asked")
    unasked = f", {idle} were not asked, for nothing is expected" if idle else ""
    never = "" if of else "; the exit code is 0 all the same: nothing fails"
    return (
        f"{found.status}: of {counted(len(judged), 'audit')}{of},"
        f" {findings} found something, {untold} cannot tell of all objects{unasked}{never}"
    )


def extent(each: AuditFinding) -> str:
    """How much was found: `12 objects (0.3 %), 4.0 MiB`."""
    size = "" if each.bytes is None else f", {bytes_text(each.bytes)}"
    return f"{counted(each.rows, 'object')} ({share_text(each.share)}){size}"


def money_text(each: AuditFinding, currency: str) -> str:
    """What was found stands for in a month, and what that is; empty where nothing is reckoned."""
    if each.money is None or not each.rows:
        return ""
    return f"{money_amount(each.money)} {currency} a month: {each.money_means}"


def unknown_texts(each: AuditFinding) -> list[str]:
    """What cannot be told, in numbers."""
    return [
        f"{counted(unknown.rows or 0, 'object')}: {unknown.doubt}: {unknown.what}"
        for unknown in each.unknown
    ]


def _line(each: AuditFinding, currency: str) -> str:
    parts = [
        extent(each) if each.rows else "",
        money_text(each, currency).partition(":")[0],
        f"{count(each.excused)} excused" if each.excused else "",
        f"not known of {counted(each.unknown_rows, 'object')}" if each.unknown else "",
    ]
    said = "; ".join(part for part in parts if part)
    return (
        f"{each.status:<{_STATUS_WIDTH}}{each.severity:<{_SEVERITY_WIDTH}}"
        f"{each.name:<{_NAME_WIDTH}}{said}"
    ).rstrip()


def _details(found: AuditReport, each: AuditFinding) -> list[str]:
    lines = [f"{each.name}: {each.question}"]
    lines += [f"  cannot tell  {text}" for text in unknown_texts(each)]
    lines += [
        f"  expired      {visible(gone.reason)} ({on_one_line(gone.prefix) or 'all keys'}, until {gone.until})"
        for gone in each.expired
    ]
    if not each.rows:
        return lines
    if money := money_text(each, found.prices.currency):
        lines.append(f"  money        {money}")
    worst = ", ".join(
        f"{on_one_line(share.prefix) or '(no folder)'} {count(share.rows)}"
        for share in each.prefixes[:_SHOWN_MAX]
    )
    lines.append(f"  worst        {worst}")
    lines += [
        f"  example      {on_one_line(example['Key'])}" for example in each.examples[:_SHOWN_MAX]
    ]
    lines.append(f"  remedy       {each.remedy}")
    lines.append(f"  export       {visible(found.export_command(each))}")
    return lines


def csv_text(found: AuditReport) -> str:
    """A line for each audit below a header, without a newline at the end."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for each in found.findings:
        writer.writerow(
            (
                each.name, each.topic, each.severity, each.status, each.rows, each.bytes, each.share,
                each.share_of_bytes, each.excused, each.unknown_rows, each.money, found.prices.currency, each.where,
            )
        )  # fmt: skip
    return text.getvalue().rstrip("\n")
