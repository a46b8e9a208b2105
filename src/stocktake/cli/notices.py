"""`stocktake runs notices`: who was told what became of runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, visible
from stocktake.cli.panels import OUTPUT, PanelCommand
from stocktake.cli.scheduled import LedgerUrl
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stocktake.model.notifications import NoticeRecord

EXAMPLES = """\
stocktake runs notices
stocktake runs notices --last 1000 --json
"""
_HEADINGS = ("WEBHOOK", "EVENT", "RUN", "STATE", "TRIED", "NEXT, UTC", "ERROR")


def notices(
    *,
    last: Annotated[
        int,
        typer.Option(metavar="N", min=1, max=100_000, help="How many.", rich_help_panel=OUTPUT),
    ] = 50,
    ledger: LedgerUrl = None,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """List whom the service told, or is to tell, that a run was published or has failed; the newest first."""
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.commands.notices import list_notices

        found = list_notices(rows_max=last, ledger_url=ledger)
        if json:
            print_json({"notices": [_document(each) for each in found]})
        else:
            print_text("\n".join(_lines(found)))


def add_to(runs: typer.Typer) -> None:
    """Make it a command of `stocktake runs`."""
    runs.command(cls=PanelCommand, epilog=EXAMPLES)(notices)


def _document(each: NoticeRecord) -> dict[str, Any]:
    return {
        "id": each.event,
        "webhook": each.target,
        "event": str(each.kind),
        "run": each.run,
        "state": str(each.state),
        "attempts": each.attempts,
        "due": _iso(each.due),
        "finished": _iso(each.finished),
        "status": each.status,
        "error": each.error,
    }


def _lines(found: Sequence[NoticeRecord]) -> list[str]:
    if not found:
        return ["nobody was told anything"]
    rows = [_HEADINGS, *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(each: NoticeRecord) -> tuple[str, ...]:
    return (
        visible(each.target),
        str(each.kind),
        each.run,
        str(each.state),
        f"{each.attempts} times",
        "" if each.finished else f"{each.due:%Y-%m-%d %H:%M}",
        visible(each.error or ""),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")
