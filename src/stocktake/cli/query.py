"""`stocktake query`: reports asked in SQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, say
from stocktake.cli.panels import LIMITS, OUTPUT, REPORT, STORE
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
EnrichedAt = Annotated[
    bool,
    typer.Option(
        "--enriched-at",
        help="Add a column `enriched_at`: the day on which the store was asked about the object.",
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


Report = Annotated[
    str | None, typer.Argument(metavar="[REPORT]", help=opt.REPORT_HELP, show_default=False)
]
Sql = Annotated[
    str | None,
    typer.Argument(
        metavar="[SQL]",
        help="One SELECT over the table `inventory_report`, in DuckDB's dialect. Without, a prompt.",
        show_default=False,
    ),
]
ReadOnly = Annotated[
    bool,
    typer.Option(
        "--read-only",
        help="For SQL that somebody else wrote: one SELECT and nothing else, in a process of its own.",
        rich_help_panel=LIMITS,
    ),
]
TimeMax = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        help="With --read-only: how long it may take.",
        min=0.1,
        rich_help_panel=LIMITS,
    ),
]
RowsMax = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="With --read-only: the rows after which the answer is cut.",
        min=1,
        rich_help_panel=LIMITS,
    ),
]
Form = Annotated[str, typer.Option(metavar="table|csv|jsonl|parquet", rich_help_panel=OUTPUT)]
File = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write there instead of stdout; it appears when it is whole.",
        rich_help_panel=OUTPUT,
    ),
]


def query(
    report: Report = None,
    sql: Sql = None,
    *,
    name: Names = None,
    dt: opt.Dates = None,
    enriched_at: EnrichedAt = False,
    store: Stores = None,
    memory: opt.Memory = None,
    threads: opt.Threads = None,
    spill_folder: opt.SpillFolder = None,
    read_only: ReadOnly = False,
    time_max: TimeMax = 60.0,
    rows_max: RowsMax = 100_000,
    format: Form = "table",  # noqa: A002 - the option's name
    output: File = None,
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
        _answer(asked)


def _answer(asked: dict[str, Any]) -> None:
    from stocktake.model.errors import UsageError
    from stocktake.service.commands.query import query as answer
    from stocktake.service.commands.query import query_guarded
    from stocktake.service.naming import named_reports, named_stores

    addresses, sql = named_reports([asked["report"], asked["sql"]], asked["name"] or ())
    words: dict[str, Any] = {
        "store": opt.store_of(asked),
        "stores": named_stores(asked["store"] or (), addresses, opt.store_words(asked)),
        "dt": asked["dt"],
        "aged": asked["enriched_at"],
    }
    limits = opt.limits_of(asked)
    if sql is None:
        if (
            asked["read_only"]
            or asked["output"]
            or not (sys.stdin.isatty() and sys.stdout.isatty())
        ):
            raise UsageError(
                "what? SQL is missing",
                hint="one SELECT over `inventory_report`; without it, a prompt opens on a terminal",
            )
        _converse(addresses, limits=limits, **words)
        return
    words |= {"output": asked["format"], "warn": _warn}
    with opened_sink(asked["output"], binary=asked["format"].lower() == "parquet") as sink:
        if asked["read_only"]:
            guarded = opt.guarded_limits_of(asked)
            words |= {"limits": guarded, "spill_folder": limits.spill_folder}
            query_guarded(addresses, sql, sink=sink, **words)
        else:
            answer(addresses, sql, sink=sink, limits=limits, **words)


def _converse(addresses: dict[str, str], **words: Any) -> None:
    from stocktake.cli.prompt import converse, prompt_session
    from stocktake.service.commands.asking import history_file, opened_questions

    with opened_questions(addresses, **words) as questions:
        converse(questions, prompt_session(questions, history_file()))


def _warn(text: str) -> None:
    say(f"warning: {text}")
