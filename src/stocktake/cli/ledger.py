"""What the commands about runs print. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from stocktake.cli.outcome import visible
from stocktake.cli.summary import compared_document, compared_lines
from stocktake.cli.words import count, counted
from stocktake.model.ledger import RESUMABLE, RunRecord, RunState

if TYPE_CHECKING:
    from stocktake.service.clearing import Leftovers
    from stocktake.service.runs import RunDetails

_LABEL_WIDTH = 16
_HEADINGS = ("RUN", "STATE", "STARTED, UTC", "ROWS", "SOURCE", "DESTINATION", "NEXT")
_GAP = "  "


def next_step(record: RunRecord) -> str:
    """The command that the user may want now; empty for none."""
    if record.state in RESUMABLE:
        return f"stocktake run --resume {record.id}"
    if record.names and record.state is not RunState.RUNNING:
        return f"stocktake runs abandon {record.id}"
    return ""


def run_document(record: RunRecord) -> dict[str, Any]:
    """A run as JSON takes it."""
    return {
        "run": record.id,
        "state": str(record.state),
        "source": record.source,
        "destination": record.destination,
        "id": record.configuration_id,
        "started": _iso(record.started),
        "updated": _iso(record.updated),
        "finished": _iso(record.finished),
        "process": None if record.owner is None else str(record.owner),
        "rows": record.rows,
        "manifest": record.manifest,
        "error": record.error,
        "hint": record.hint,
        "next": next_step(record) or None,
    }


def details_document(details: RunDetails) -> dict[str, Any]:
    """A run and what it has, as JSON takes it."""
    kept = details.kept
    return {
        **run_document(details.record),
        "delivered": [
            {"key": each.file.file.key, "rows": each.file.rows, "size": each.file.file.size}
            for each in kept.files
        ],
        "spooled": [
            {"path": str(each.path), "rows": each.rows} for each in kept.segments if each.path
        ],
        "named": list(details.names),
        "spool_folder": str(details.record.spool),
        "compared": compared_document(details.compared),
    }


def run_lines(records: Sequence[RunRecord]) -> list[str]:
    """A table of runs."""
    if not records:
        return ["no runs"]
    rows = [_HEADINGS, *(_row(record) for record in records)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(record: RunRecord) -> tuple[str, ...]:
    return (
        record.id,
        str(record.state),
        f"{record.started:%Y-%m-%d %H:%M}",
        count(record.rows),
        visible(record.source),
        visible(record.destination),
        next_step(record),
    )


def details_lines(details: RunDetails) -> list[str]:
    """A run and what it has, in a few lines."""
    record, kept = details.record, details.kept
    spooled = sum(segment.rows for segment in kept.segments)
    facts = {
        "run": record.id,
        "state": f"{record.state}" + (f", by {record.owner}" if record.owner else ""),
        "source": record.source,
        "destination": record.destination,
        "id": record.configuration_id,
        "started": _utc(record.started),
        "last written": _utc(record.updated),
        "finished": _utc(record.finished),
        "manifest": record.manifest,
        "rows": count(record.rows),
        "delivered": counted(len(kept.files), "data file") if kept.files else None,
        "spooled": f"{counted(spooled, 'row')} in {record.spool}" if spooled else None,
        "named": f"{counted(len(details.names), 'key')} that no report names"
        if details.names
        else None,
        "error": record.error,
        "hint": record.hint,
        "next": next_step(record),
    }
    lines = [f"{name:<{_LABEL_WIDTH}}{visible(value)}" for name, value in facts.items() if value]
    return [*lines, *compared_lines(details.compared)]


def leftovers_document(run: str, left: Leftovers, *, removed: bool) -> dict[str, Any]:
    """What a run left as JSON takes it."""
    return {
        "run": run,
        "removed": removed,
        "objects": list(left.uris),
        "uploads": [{"key": upload.key, "id": upload.id} for upload in left.uploads],
        "spool_folder": None if left.spool is None else str(left.spool),
        "uploads_untold": left.untold,
    }


def leftovers_lines(left: Leftovers) -> list[str]:
    """What a run left, a line each."""
    lines = [f"object   {visible(uri)}" for uri in left.uris]
    lines += [f"upload   {visible(upload.id)} of {visible(upload.key)}" for upload in left.uploads]
    if left.spool is not None:
        lines.append(f"folder   {visible(str(left.spool))}")
    return lines or ["nothing is left of it"]


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _utc(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
