"""`stocktake runs scheduled|now|cancel|retry`: the runs that the service does on its own."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, visible
from stocktake.cli.panels import OUTPUT, STORE, PanelCommand
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from stocktake.model.scheduled import ScheduledRun
    from stocktake.service.commands.scheduled import Overview

SCHEDULED_EXAMPLES = """\
stocktake runs scheduled
stocktake runs scheduled --all --json
"""
NOW_EXAMPLES = """\
stocktake runs now s3://photos daily
"""
CANCEL_EXAMPLES = """\
stocktake runs cancel 7k3m9q2x
"""
RETRY_EXAMPLES = """\
stocktake runs retry 7k3m9q2x
"""
Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run, as `stocktake runs scheduled` calls it.",
        show_default=False,
    ),
]
LedgerUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="A ledger on PostgreSQL: postgresql://USER@HOST/DATABASE. Default: STOCKTAKE_LEDGER, else the"
        " state folder.",
    ),
]
_HEADINGS = ("RUN", "STATE", "BUCKET", "ID", "PERIOD, UTC", "ROWS", "DONE", "PROBLEMS", "ERROR")


def scheduled(
    *,
    everything: Annotated[
        bool,
        typer.Option("--all", help="List runs of long ago, too.", rich_help_panel=OUTPUT),
    ] = False,
    ledger: LedgerUrl = None,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """List the runs that the service does by itself, and when the next ones are due."""
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.commands.scheduled import list_scheduled

        found = list_scheduled(everything=everything, ledger_url=ledger)
        if json:
            print_json(_document(found))
        else:
            print_text("\n".join(_lines(found)))


def now(
    bucket: Annotated[
        str,
        typer.Argument(metavar="BUCKET", help="The source bucket: s3://NAME.", show_default=False),
    ],
    id: Annotated[  # noqa: A002 - AWS's word
        str, typer.Argument(metavar="ID", help="The configuration's Id.", show_default=False)
    ],
    *,
    store_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the ledger calls the store. Default: default.",
            rich_help_panel=STORE,
        ),
    ] = None,
    ledger: LedgerUrl = None,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Have a configuration run as soon as a worker is free."""
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.commands.scheduled import run_now

        run = run_now(bucket, id, store_name=store_name, ledger_url=ledger)
        _told(run, "waits for a worker", as_json=json)


def cancel(
    run: Run, *, ledger: LedgerUrl = None, json: opt.Json = False, verbose: opt.Verbose = 0
) -> None:
    """Cancel a run. What it left in its destination is removed by a worker."""
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.commands.scheduled import cancel_run

        _told(cancel_run(run, ledger_url=ledger).id, "is cancelled", as_json=json)


def retry(
    run: Run, *, ledger: LedgerUrl = None, json: opt.Json = False, verbose: opt.Verbose = 0
) -> None:
    """Have a run that failed be tried again at once."""
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.commands.scheduled import retry_run

        _told(retry_run(run, ledger_url=ledger).id, "waits for a worker", as_json=json)


def add_to(runs: typer.Typer) -> None:
    """Make these commands of `stocktake runs`."""
    for command, epilog in (
        (scheduled, SCHEDULED_EXAMPLES),
        (now, NOW_EXAMPLES),
        (cancel, CANCEL_EXAMPLES),
        (retry, RETRY_EXAMPLES),
    ):
        runs.command(cls=PanelCommand, epilog=epilog)(command)


# -- what they print ---------------------------------------------------------------------------------


def _told(run: str, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"run": run})
    else:
        print_text(f"the run {run} {what}")


def _document(found: Overview) -> dict[str, Any]:
    return {
        "runs": [_run_document(run) for run in found.runs],
        "next": [
            {"store": key.store, "bucket": key.bucket, "id": key.id, "due": _iso(due)}
            for key, due in sorted(found.next.items())
        ],
    }


def _run_document(run: ScheduledRun) -> dict[str, Any]:
    return {
        "run": run.id,
        "state": str(run.state),
        "store": run.key.store,
        "bucket": run.key.bucket,
        "id": run.key.id,
        "period": _iso(run.period),
        "due": _iso(run.due),
        "created": _iso(run.created),
        "finished": _iso(run.finished),
        "attempts": run.attempts,
        "claims": run.claims,
        "lease_until": _iso(run.lease_until),
        "worker": run.owner,
        "progress": dict(run.progress),
        "error": run.error,
        "hint": run.hint,
    }


def _lines(found: Overview) -> list[str]:
    rows = [_HEADINGS, *(_row(run) for run in found.runs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    table = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    upcoming = [
        f"next {due:%Y-%m-%d %H:%M} UTC  {visible(key.bucket)} {visible(key.id)}"
        for key, due in sorted(found.next.items(), key=lambda item: (item[1], item[0]))
    ]
    return [*(table if found.runs else ["no scheduled runs"]), *upcoming]


def _row(run: ScheduledRun) -> tuple[str, ...]:
    progress = run.progress
    done = progress.get("done")
    problems = progress.get("problems") or {}
    return (
        run.id,
        str(run.state),
        visible(run.key.bucket),
        visible(run.key.id),
        "now" if run.period is None else f"{run.period:%Y-%m-%d %H:%M}",
        f"{progress['rows']:,}" if "rows" in progress else "",
        "" if done is None else f"{done:.0%}",
        ", ".join(f"{count} {kind}" for kind, count in problems.items()),
        visible(run.error or ""),
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")
