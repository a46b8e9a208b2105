"""`stocktake probe`: what a store can do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, visible
from stocktake.cli.panels import REPORT
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from rich.table import Table

    from stocktake.model.capabilities import Capabilities

EXAMPLES = """\
stocktake probe s3://photos
stocktake probe s3://photos/2026/ --versions All --endpoint-url http://rgw:8000 --json
"""
WIDTH_IN_PIPES = 160


def probe(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="s3://bucket[/prefix]", show_default=False)
    ],
    *,
    versions: Annotated[
        str | None,
        typer.Option(
            metavar="Current|All",
            help="All: a store that lists versions wrongly is broken, too. Default: Current.",
            rich_help_panel=REPORT,
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
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Find out what a store can do, by requests that only read.

    It takes about 13 of them. Exit code 0: all that a run needs is there. 1: something is broken. 3: the
    bucket holds too little to tell.
    """
    asked = locals()
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.model.configuration import IncludedObjectVersions
        from stocktake.service.options import StoreKeywords, choose, make_store
        from stocktake.service.probing import probe as find_out

        included = choose(IncludedObjectVersions, versions or "Current", "choice of versions")
        all_versions = included is IncludedObjectVersions.ALL
        store = make_store(**{name: asked[name] for name in StoreKeywords.__annotations__})
        found = find_out(source, store)
        if json:
            print_json(found.to_json(all_versions=all_versions))
        else:
            print_text(_text(found, all_versions=all_versions))
        exit_code = _EXIT_CODES[found.verdict(all_versions=all_versions)]
        if exit_code:
            raise typer.Exit(exit_code)


def _text(found: Capabilities, *, all_versions: bool) -> str:
    """What was found, as a table between a few lines."""
    from rich.console import Console

    in_pipe = sys.stdout is None or not sys.stdout.isatty()
    console = Console(highlight=False, width=WIDTH_IN_PIPES if in_pipe else None)
    with console.capture() as captured:
        console.print(_table(found))
    table = "\n".join(line.rstrip() for line in captured.get().splitlines())
    return "\n".join([*_head(found), "", table, "", *_foot(found, all_versions=all_versions)])


def _head(found: Capabilities) -> list[str]:
    named = f", which calls itself {found.server}" if found.server else ""
    times = {"a LIST": found.list_s, "a HEAD": found.head_s}
    took = [
        f"{name} took {took * 1000:,.1f} ms" for name, took in times.items() if took is not None
    ]
    return [visible(f"{found.address} at {found.endpoint}{named}"), ", ".join(took)]


def _table(found: Capabilities) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name, ratio in (("question", 5), ("", 1), ("what was seen", 6)):
        table.add_column(name, ratio=ratio, overflow="fold")
    for row in found.rows:
        answer = Text(str(row.found), style=_STYLES[row.found])
        table.add_row(Text(row.fact.question), answer, Text(visible(row.evidence)))
    return table


def _foot(found: Capabilities, *, all_versions: bool) -> list[str]:
    lacking = [row for row in found.rows if row.consequence]
    lines = [f"{row.ability}: {row.consequence}" for row in lacking]
    verdict = _VERDICTS[found.verdict(all_versions=all_versions)]
    walk = _WALKS[found.walk(all_versions=all_versions)]
    return [*lines, f"{found.requests} requests; {verdict}{walk}"]


_STYLES = {"yes": "green", "no": "bold red", "unknown": "yellow"}
_VERDICTS = {
    "fine": "all that a run needs is there",
    "broken": "a run on this store cannot be trusted",
    "untold": "nothing is known to be broken, but the bucket holds too little to tell",
}
_WALKS = {"parallel": "", "serial": "; it would list serially", "none": ""}
_EXIT_CODES = {"fine": 0, "broken": 1, "untold": 3}
