"""`stocktake audit`: what is wrong with the objects of a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json
from stocktake.cli.panels import OPTIONS, OUTPUT
from stocktake.cli.signals import ended_by_signals
from stocktake.cli.sinks import opened_sink, print_text

EXAMPLES = """\
stocktake audit s3://audit/inventory/photos/daily
stocktake audit REPORT --policy policy.toml --fail-on high --html audit.html
stocktake audit REPORT --only not-encrypted --only public-grant --json
"""


PolicyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="What to ask, what to expect where, and what is excused until when; TOML.",
        rich_help_panel=OPTIONS,
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Ask this audit alone; may be given several times.",
        rich_help_panel=OPTIONS,
    ),
]
FailOn = Annotated[
    str | None,
    typer.Option(
        metavar="info|low|medium|high|never",
        help="The least severity that makes the exit code other than 0. Default: the policy's, or medium.",
        rich_help_panel=OPTIONS,
    ),
]
Csv = Annotated[
    bool,
    typer.Option(
        "--csv", help="Print a line of CSV for each audit on stdout.", rich_help_panel=OUTPUT
    ),
]


def audit(
    report: opt.ReportAddress,
    *,
    policy: PolicyFile = None,
    only: Only = None,
    fail_on: FailOn = None,
    prices: opt.PriceTable = None,
    html: opt.Html = None,
    csv: Csv = False,
    memory: opt.Memory = None,
    threads: opt.Threads = None,
    spill_folder: opt.SpillFolder = None,
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
    """Ask a report what is wrong; exit 1 if something is.

    Exit code 0: nothing was found of the severity that --fail-on names, or of a higher one. 1: something was.
    3: nothing was, but it cannot be told of all objects.
    """
    asked = locals()
    with failures_told(as_json=json, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        from stocktake.cli.audit_text import csv_text, finding_lines
        from stocktake.model.errors import UsageError
        from stocktake.service.commands.audit import audit as ask

        if json and csv:
            raise UsageError("--json and --csv exclude each other: stdout holds one of them")
        found = ask(
            report,
            store=opt.store_of(asked),
            policy=policy,
            only=only or (),
            fail_on=fail_on,
            prices=prices,
            memory=memory,
            threads=threads,
            spill_folder=spill_folder,
        )
        if html is not None:
            from stocktake.cli.audit_page import audit_page

            with opened_sink(html, binary=True) as sink:
                sink.write(audit_page(found).encode())
        if json:
            print_json(found.to_json())
        else:
            print_text(csv_text(found) if csv else "\n".join(finding_lines(found)))
        if found.exit_code:
            raise typer.Exit(found.exit_code)
