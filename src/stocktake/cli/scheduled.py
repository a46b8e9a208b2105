"""`stocktake runs scheduled|now|cancel|retry|workers`: the runs that the service does on its own, and who does them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, visible
from stocktake.cli.panels import OUTPUT, PanelCommand
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from stocktake.model.scheduled import KnownWorker, ScheduledRun
    from stocktake.service.kept_runs import KeptRuns, Overview

SCHEDULED_EXAMPLES = """\
stocktake runs scheduled
stocktake runs scheduled --all --json
stocktake runs scheduled --server https://stocktake.example.com
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
WORKERS_EXAMPLES = """\
stocktake runs workers
stocktake runs workers --server https://stocktake.example.com --json
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
_WORKER_HEADINGS = ("HOST", "PROCESS", "VERSION", "SINCE, UTC", "HEARD OF, UTC", "STATE")


def scheduled(
    *,
    everything: Annotated[
        bool,
        typer.Option("--all", help="List runs of long ago, too.", rich_help_panel=OUTPUT),
    ] = False,
    ledger: LedgerUrl = None,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """List the runs that the service does by itself, and when the next ones are due."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        from stocktake.service.kept_runs import overview

        found = overview(kept, everything=everything)
        if json:
            print_json(_document(found))
        else:
            print_text("\n".join(_lines(found)))


def now(
    bucket: opt.SourceBucket,
    id: opt.ConfigurationId,  # noqa: A002 - AWS's word
    *,
    store_name: opt.StoreName = None,
    ledger: LedgerUrl = None,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Have a configuration run as soon as a worker is free."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        _told(kept.now(bucket, id).id, "waits for a worker", as_json=json)


def cancel(
    run: Run,
    *,
    ledger: LedgerUrl = None,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Cancel a run. What it left in its destination is removed by a worker."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        _told(kept.cancel(run).id, "is cancelled", as_json=json)


def retry(
    run: Run,
    *,
    ledger: LedgerUrl = None,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Have a run that failed be tried again at once."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        _told(kept.retry(run).id, "waits for a worker", as_json=json)


def workers(
    *,
    ledger: LedgerUrl = None,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """List the workers that have not ended, with a run or without, and when each was heard of last."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        from stocktake.model.run_documents import WorkerDocument

        found = kept.workers()
        if json:
            documents = [WorkerDocument.of(each).model_dump(mode="json") for each in found]
            print_json({"workers": documents})
        else:
            lines = _aligned([_WORKER_HEADINGS, *map(_worker_row, found)])
            print_text("\n".join(lines if found else ["no worker is there"]))


def add_to(runs: typer.Typer) -> None:
    """Make these commands of `stocktake runs`."""
    for command, epilog in (
        (scheduled, SCHEDULED_EXAMPLES),
        (now, NOW_EXAMPLES),
        (cancel, CANCEL_EXAMPLES),
        (retry, RETRY_EXAMPLES),
        (workers, WORKERS_EXAMPLES),
    ):
        runs.command(cls=PanelCommand, epilog=epilog)(command)


def _kept(asked: dict[str, Any]) -> AbstractContextManager[KeptRuns]:
    opt.speak_up(asked["verbose"])
    from stocktake.service.kept_runs import kept_runs

    return kept_runs(
        asked["server"],
        asked.get("store_name"),
        opt.store_of(asked),
        token_file=asked["token_file"],
        ledger_url=asked["ledger"],
    )


# -- what they print ---------------------------------------------------------------------------------


def _told(run: str, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"run": run})
    else:
        print_text(f"the run {run} {what}")


def _document(found: Overview) -> dict[str, Any]:
    from stocktake.model.run_documents import RunDocument, UpcomingDocument

    upcoming = [
        UpcomingDocument(store=key.store, bucket=key.bucket, id=key.id, due=due)
        for key, due in sorted(found.next.items())
    ]
    return {
        "runs": [RunDocument.of(run).model_dump(mode="json") for run in found.runs],
        "next": [each.model_dump(mode="json") for each in upcoming],
    }


def _lines(found: Overview) -> list[str]:
    table = _aligned([_HEADINGS, *map(_row, found.runs)])
    upcoming = [
        f"next {due:%Y-%m-%d %H:%M} UTC  {visible(key.bucket)} {visible(key.id)}"
        for key, due in sorted(found.next.items(), key=lambda item: (item[1], item[0]))
    ]
    return [*(table if found.runs else ["no scheduled runs"]), *upcoming]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The lines of a table."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _worker_row(worker: KnownWorker) -> tuple[str, ...]:
    return (
        visible(worker.host),
        str(worker.process),
        visible(worker.version),
        f"{worker.begun:%Y-%m-%d %H:%M}",
        f"{worker.beaten:%Y-%m-%d %H:%M:%S}",
        "alive" if worker.alive else "silent",
    )


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
