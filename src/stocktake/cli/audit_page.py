"""The page that `audit --html` writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stocktake import __version__
from stocktake.cli.audit_text import extent, money_text, unknown_texts, verdict
from stocktake.cli.outcome import on_one_line
from stocktake.cli.pages.charts import Value
from stocktake.cli.pages.document import render_document
from stocktake.cli.words import bytes_text, count, money_amount

if TYPE_CHECKING:
    from stocktake.service.commands.audit import AuditFinding, AuditReport

# Colours of `style.css`.
_KINDS = {"cannot tell": "unknown", "clean": "good", "not asked": "soft"}


def audit_page(found: AuditReport) -> str:
    """All that was found out, as one HTML file that stands alone."""
    found_any = [each for each in found.findings if each.rows]
    return render_document(
        "audit.html",
        title=f"Audit of s3://{found.source_bucket}",
        subtitle=f"{found.address}, taken {found.created:%Y-%m-%d %H:%M} UTC,"
        f" audited {found.audited:%Y-%m-%d %H:%M} UTC",
        generator=f"stocktake {__version__}",
        found=found,
        verdict=verdict(found),
        kind=_kind,
        extent=extent,
        money=lambda each: money_text(each, found.prices.currency),
        untold=unknown_texts,
        value_text=_value_text,
        counts=[Value(each.name, each.rows, extent(each), each.severity) for each in found_any],
        monies=[
            Value(each.name, each.money, money_amount(each.money), each.severity)
            for each in found_any
            if each.money
        ],
        worst=_worst,
    )


def _kind(each: AuditFinding) -> str:
    """The colour of what an audit came to."""
    return _KINDS.get(each.status, each.severity)


def _worst(each: AuditFinding) -> list[Value]:
    return [
        Value(
            on_one_line(share.prefix) or "(no folder)",
            share.rows,
            count(share.rows) + ("" if share.bytes is None else f", {bytes_text(share.bytes)}"),
            each.severity,
        )
        for share in each.prefixes
    ]


def _value_text(value: Any) -> str:
    """A value of an example, as text."""
    return "" if value is None else f"{value}"
