"""`stocktake export`: objects of a report, handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, say
from stocktake.cli.panels import OUTPUT, STORE
from stocktake.cli.signals import ended_by_signals
from stocktake.cli.sinks import print_text
from stocktake.cli.words import bytes_text, count, counted

if TYPE_CHECKING:
    from stocktake.service.commands.export import Exported

EXAMPLES = """\
stocktake export REPORT --where "encryption_status = 'NOT-SSE'" --to encrypt.csv --format manifest
stocktake export REPORT --where "size = 0" --to s3://audit/empty.parquet --format Parquet --dry-run
"""

Where = Annotated[
    str,
    typer.Option(
        metavar="SQL",
        help="Which objects: a condition over the report's columns; `true` for all.",
        show_default=False,
    ),
]
To = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="A path, or s3://bucket/key.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Form = Annotated[
    str,
    typer.Option(
        metavar="CSV|Parquet|JSONL|manifest",
        help="A manifest is for S3 Batch Operations.",
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace FILE where it is there.", rich_help_panel=OUTPUT),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Count the objects and write nothing.", rich_help_panel=OUTPUT),
]
Stores = Annotated[
    list[str] | None,
    typer.Option(
        metavar="to:OPTION=VALUE",
        help="A store option for FILE alone: --store to:endpoint-url=URL.",
        rich_help_panel=STORE,
    ),
]


def export(
    report: opt.ReportAddress,
    *,
    where: Where,
    to: To,
    format: Form = "CSV",  # noqa: A002 - the option's name
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    memory: opt.Memory = None,
    threads: opt.Threads = None,
    spill_folder: opt.SpillFolder = None,
    store: Stores = None,
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
    """Write the objects that a condition holds for to a file."""
    asked = locals()
    with failures_told(as_json=json, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        exported = _exported(asked)
        if exported.matched.delete_markers and exported.fields:
            markers = counted(exported.matched.delete_markers, "row")
            say(f"warning: {markers} of delete markers, which Batch Operations cannot act on")
        if json:
            print_json(exported.to_json())
        else:
            print_text(_line(exported))


def _exported(asked: dict[str, Any]) -> Exported:
    from stocktake.service.commands.export import export as hand_on
    from stocktake.service.naming import named_stores

    store = opt.store_of(asked)
    stores = named_stores(asked["store"] or (), {"to": asked["to"]}, opt.store_words(asked))
    return hand_on(
        asked["report"],
        store=store,
        to_store=stores.get("to", store),
        limits=opt.limits_of(asked),
        **{name: asked[name] for name in ("where", "to", "format", "overwrite", "dry_run")},
    )


def _line(exported: Exported) -> str:
    matched = exported.matched
    size = "" if matched.bytes is None else f", {bytes_text(matched.bytes)}"
    found = f"{count(matched.rows)} {'object' if matched.rows == 1 else 'objects'}{size}"
    said = f"written to {exported.address}" if exported.written else "nothing was written"
    return f"{found}: {said}"
