"""The commands that say what a report is: `show`, `verify`, `ddl`."""

from __future__ import annotations

from typing import Annotated

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json
from stocktake.cli.panels import OUTPUT
from stocktake.cli.signals import ended_by_signals
from stocktake.cli.sinks import print_text

SHOW_EXAMPLES = """\
stocktake show ./reports/photos/stocktake
stocktake show s3://audit/inventory/photos/daily/2026-11-22T01-00Z --json
"""
VERIFY_EXAMPLES = """\
stocktake verify s3://audit/inventory/photos/daily
"""
DDL_EXAMPLES = """\
stocktake ddl s3://audit/inventory/photos/daily --engine athena
stocktake ddl s3://audit/inventory/photos/daily --engine trino --dt 2026-11-01..2026-11-22
"""


def show(
    report: opt.ReportAddress,
    *,
    endpoint_url: opt.EndpointUrl = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    addressing_style: opt.AddressingStyle = None,
    no_sign_request: opt.NoSignRequest = False,
    request_payer: opt.RequestPayer = False,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Say what a report is and what is in it, in a few lines."""
    asked = locals()
    with failures_told(as_json=json, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        from stocktake.cli.reports import summary_lines
        from stocktake.service.commands.show import show as summarize

        summary = summarize(report, store=opt.store_of(asked))
        if json:
            print_json(summary.to_json())
        else:
            print_text("\n".join(summary_lines(summary)))


def verify(
    report: opt.ReportAddress,
    *,
    endpoint_url: opt.EndpointUrl = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    addressing_style: opt.AddressingStyle = None,
    no_sign_request: opt.NoSignRequest = False,
    request_payer: opt.RequestPayer = False,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Check every file of a report; exit 1 if one is wrong.

    Checksums, sizes, schemas and the symlink against the manifest; and where stocktake.json claims
    them, row counts, key order, key ranges and that they tile the key space.
    """
    asked = locals()
    with failures_told(as_json=json, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        from stocktake.cli.reports import verification_lines
        from stocktake.service.commands.verify import verify as check

        verification = check(report, store=opt.store_of(asked))
        if json:
            print_json(verification.to_json())
        else:
            print_text("\n".join(verification_lines(verification)))
        if not verification.sound:
            raise typer.Exit(1)


def ddl(
    report: opt.ReportAddress,
    *,
    engine: Annotated[
        str,
        typer.Option(
            metavar="athena|hive|spark|trino|duckdb|clickhouse",
            help="The engine that shall read the report.",
            show_default=False,
            rich_help_panel=OUTPUT,
        ),
    ],
    table: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The table's name. Default: inventory_report.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Athena: find the partitions by MSCK REPAIR TABLE, not by projection.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    dt: opt.Dates = None,
    endpoint_url: opt.EndpointUrl = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    addressing_style: opt.AddressingStyle = None,
    no_sign_request: opt.NoSignRequest = False,
    request_payer: opt.RequestPayer = False,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Print the statement that makes a report a table.

    With --dt, the reports of several runs are one table.
    """
    asked = locals()
    with failures_told(as_json=json, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        from stocktake.service.commands.ddl import ddl as statement

        text = statement(
            report, engine=engine, store=opt.store_of(asked), table=table, dt=dt, repair=repair
        )
        if json:
            print_json({"engine": engine, "statement": text})
        else:
            print_text(text)
