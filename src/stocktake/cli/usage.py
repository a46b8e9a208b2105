"""`stocktake usage`: how much of what a report holds, where, and what it costs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, say
from stocktake.cli.panels import OPTIONS, OUTPUT
from stocktake.cli.signals import ended_by_signals
from stocktake.cli.sinks import opened_sink, print_text

if TYPE_CHECKING:
    from stocktake.service.commands.usage import UsageSource

EXAMPLES = """\
stocktake usage s3://audit/inventory/photos/daily --depth 2
stocktake usage REPORT --by class --csv
stocktake usage CONFIGURATION-FOLDER --dt 2026-10..2026-11 --html usage.html
stocktake usage REPORT -i
"""
_LIMIT = 20

_Depth = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="How many levels of folders to tell. Default: 1; by anything but prefix 0, the whole report.",
        rich_help_panel=OPTIONS,
    ),
]
_By = Annotated[
    str,
    typer.Option(
        metavar="prefix|class|age|size|extension|owner|encryption|version-state",
        help="What to tell it by.",
        rich_help_panel=OPTIONS,
    ),
]
_Dt = Annotated[
    str | None,
    typer.Option(
        metavar="FROM..TO",
        help="Growth over all reports of these days in a configuration's folder, and a forecast.",
        rich_help_panel=OPTIONS,
    ),
]
_Save = Annotated[
    bool,
    typer.Option(
        "--save",
        help="Write usage.parquet beside the report, so that it answers at once from then on.",
        rich_help_panel=OPTIONS,
    ),
]
_Interactive = Annotated[
    bool,
    typer.Option(
        "--interactive",
        "-i",
        help="Walk through the folders on the terminal.",
        rich_help_panel=OUTPUT,
    ),
]
_Limit = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=1,
        help="How many folders and values to print in each folder.",
        rich_help_panel=OUTPUT,
    ),
]
_Csv = Annotated[
    bool,
    typer.Option(
        "--csv", help="Print a line of CSV for each folder and value.", rich_help_panel=OUTPUT
    ),
]


def usage(
    report: opt.ReportAddress,
    *,
    depth: _Depth = None,
    by: _By = "prefix",
    dt: _Dt = None,
    prices: opt.PriceTable = None,
    save: _Save = False,
    interactive: _Interactive = False,
    limit: _Limit = _LIMIT,
    csv: _Csv = False,
    html: opt.Html = None,
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
    """Say how much of what a report holds, where, and what it costs.

    Exit code 3: the report lacks what the usage is to be told by.
    """
    asked = locals()
    with failures_told(as_json=json, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        _check(asked)
        from stocktake.service.commands.usage import keep_usage, opened_usage

        store = opt.store_of(asked)
        if save:
            say(f"wrote {keep_usage(report, store)}")
        warn = _warn
        with opened_usage(report, store=store, dt=dt, prices=prices, warn=warn) as source:
            if interactive:
                from stocktake.cli.usage_walk import walk

                walk(source)
                return
            _tell(source, asked)


def _warn(text: str) -> None:
    say(f"warning: {text}")


def _check(asked: dict[str, Any]) -> None:
    from stocktake.model.errors import UsageError

    forms = [name for name in ("csv", "json", "interactive") if asked[name]]
    if len(forms) > 1:
        named = " and ".join(f"--{name}" for name in forms)
        raise UsageError(f"{named} exclude each other: stdout holds one of them")
    if asked["save"] and asked["dt"] is not None:
        raise UsageError("--save is for one report, and --dt names several")
    if asked["interactive"] and asked["html"] is not None:
        raise UsageError("--interactive writes nothing; ask for --html by itself")
    if asked["interactive"] and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "--interactive wants a terminal, and stdin or stdout is none",
            hint="leave it out, or ask for --json, --csv or --html FILE",
        )


def _tell(source: UsageSource, asked: dict[str, Any]) -> None:
    from stocktake.cli.usage_text import csv_text, usage_lines
    from stocktake.service.commands.usage import checked_depth, parse_dimension

    by = parse_dimension(asked["by"])
    depth = checked_depth(asked["depth"], by)
    if asked["html"] is not None:
        source.prepare(source.dimensions, depth)
    told = source.usage(by, depth)
    if asked["html"] is not None:
        from stocktake.cli.usage_page import usage_page

        with opened_sink(asked["html"], binary=True) as sink:
            sink.write(usage_page(source, told).encode())
    if asked["json"]:
        print_json(told.to_json())
    else:
        print_text(csv_text(told) if asked["csv"] else "\n".join(usage_lines(told, asked["limit"])))
