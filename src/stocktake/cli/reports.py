"""What `show` and `verify` print. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stocktake.cli.outcome import visible
from stocktake.cli.words import bytes_text, count, counted, tally
from stocktake.model.remembering import FATES

if TYPE_CHECKING:
    from stocktake.service.commands.show import ReportSummary, Share
    from stocktake.service.commands.verify import Verification

_LABEL_WIDTH = 16


def summary_lines(summary: ReportSummary) -> list[str]:
    """What a report is and holds, in a few lines."""
    held = "all versions" if summary.all_versions else "current objects"
    objects = "" if summary.object_bytes is None else f", {bytes_text(summary.object_bytes)}"
    facts = {
        "report": summary.address,
        "of": f"s3://{summary.source_bucket}, {held}",
        "created": f"{summary.created:%Y-%m-%d %H:%M} UTC"
        + (f" by {summary.generator}" if summary.generator else ""),
        "rows": f"{count(summary.rows)}{objects}",
        "files": f"{counted(summary.files, summary.format + ' file')},"
        f" {bytes_text(summary.report_bytes)}",
        "fields": ", ".join(summary.fields),
        "storage classes": _shares(summary.storage_classes, "StorageClass"),
        "encryption": _shares(summary.encryption, "EncryptionStatus"),
    }
    if summary.generator:
        facts["problems"] = tally(summary.problems) or "none"
    if summary.remembered is not None:
        facts["answers"] = _answers(summary.remembered)
    if summary.unknowable:
        facts["may be withheld"] = tally(summary.unknowable)
    if summary.never:
        facts["always empty"] = ", ".join(summary.never)
    lines = [f"{name:<{_LABEL_WIDTH}}{visible(value)}" for name, value in facts.items()]
    return [*lines, *(f"warning: {visible(warning)}" for warning in summary.warnings)]


def _answers(remembered: Mapping[str, Any]) -> str:
    """What became of the answers about objects, and the day of the oldest."""
    fates = {name: remembered[name] for name in FATES if remembered[name]}
    said = [tally(fates) or "none", f"the oldest of {remembered['oldest'] or 'no day'}"]
    if remembered["revised"]:
        said.append(f"changed in place: {tally(remembered['revised'])}")
    return "; ".join(said)


def _shares(shares: tuple[Share, ...] | None, field: str) -> str:
    if shares is None:
        return f"not known: the report lacks {field}"
    parts = (
        f"{share.name} {count(share.rows)}"
        + ("" if share.bytes is None else f" ({bytes_text(share.bytes)})")
        for share in shares
    )
    return ", ".join(parts) or "none"


def verification_lines(verification: Verification) -> list[str]:
    """What was checked, what could not be, and what is wrong."""
    lines = [f"checked    {fact}" for fact in verification.checked]
    lines += [f"unclaimed  {fact}" for fact in verification.unclaimed]
    for finding in verification.findings:
        lines.append(f"wrong      {visible(finding.what)}: {visible(finding.where)}")
        lines.append(
            f"           found {visible(finding.found)}, expected {visible(finding.expected)}"
        )
    wrong = counted(len(verification.findings), "finding")
    verdict = "sound" if verification.sound else f"not sound: {wrong}"
    return [*lines, f"{visible(verification.address)} is {verdict}"]
