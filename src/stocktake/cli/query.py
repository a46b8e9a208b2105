"""`stocktake query`: reports asked in SQL."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, say
from stocktake.cli.panels import OUTPUT, REPORT, STORE
from stocktake.cli.signals import ended_by_signals
from stocktake.cli.sinks import opened_sink

EXAMPLES = """\
stocktake query REPORT "SELECT * FROM inventory_report WHERE encryption_status = 'NOT-SSE'"
stocktake query REPORT "SELECT storage_class, count(*), sum(size) FROM inventory_report \\
    GROUP BY ALL" --format csv --output classes.csv
stocktake query CONFIGURATION-FOLDER "SELECT dt, sum(size) FROM inventory_report GROUP BY dt" \\
    --dt 2026-11-01..2026-11-22
stocktake query "SELECT key FROM a ANTI JOIN b USING (key)" --name a=REPORT --name b=REPORT
"""

Names = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=REPORT",
        help="A report as a table of this name, in place of REPORT or beside it; again for each.",
        rich_help_panel=REPORT,
    ),
]
Dates = Annotated[
    str | None,
    typer.Option(
        metavar="FROM..TO",
        help="All reports of the configuration folder from these days, in UTC; a column `dt` says"
        " which.",
        rich_help_panel=REPORT,
    ),
]
Stores = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME:OPTION=VALUE",
        help="A store option for the report of that name alone: --store b:endpoint-url=URL.",
        rich_help_panel=STORE,
    ),
]


def query(
    report: Annotated[
        str | None,
        typer.Argument(metavar="[REPORT]", help=opt.REPORT_HELP, show_default=False),
    ] = None,
    sql: Annotated[
        str | None,
        typer.Argument(
            metavar="SQL",
            help="One SELECT over the table `inventory_report`, in DuckDB's dialect.",
            show_default=False,
        ),
    ] = None,
    *,
    name: Names = None,
    dt: Dates = None,
    store: Stores = None,
    memory: opt.Memory = None,
    threads: opt.Threads = None,
    spill_folder: opt.SpillFolder = None,
    format: Annotated[  # noqa: A002 - the option's name
        str,
        typer.Option(metavar="table|csv|jsonl|parquet", rich_help_panel=OUTPUT),
    ] = "table",
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write there instead of stdout; it appears when it is whole.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    endpoint_url: opt.EndpointUrl = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    addressing_style: opt.AddressingStyle = None,
    no_sign_request: opt.NoSignRequest = False,
    request_payer: opt.RequestPayer = False,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Ask reports a question in SQL.

    The columns are those of the report, in snake_case and typed, whatever its format.
    """
    asked = locals()
    with failures_told(as_json=False, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        from stocktake.model.errors import UsageError
        from stocktake.service.commands.query import query as answer
        from stocktake.service.naming import named_reports, named_stores

        addresses, question = named_reports([report, sql], name or ())
        if question is None:
            raise UsageError("what? SQL is missing", hint="one SELECT over `inventory_report`")
        stores = named_stores(store or (), addresses, opt.store_words(asked))
        with opened_sink(output, binary=format.lower() == "parquet") as sink:
            answer(
                addresses,
                question,
                output=format,
                sink=sink,
                store=opt.store_of(asked),
                stores=stores,
                dt=dt,
                limits=opt.limits_of(asked),
                warn=_warn,
            )


def _warn(text: str) -> None:
    say(f"warning: {text}")
