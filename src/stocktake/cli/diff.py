"""`stocktake diff`: what differs between two reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told, print_json, visible
from stocktake.cli.panels import OUTPUT, STORE
from stocktake.cli.signals import ended_by_signals
from stocktake.cli.sinks import opened_sink, print_text
from stocktake.cli.words import bytes_text, count

if TYPE_CHECKING:
    from stocktake.service.commands.diff import Change, Count, Differences

EXAMPLES = """\
stocktake diff ./monday ./tuesday
stocktake diff ./monday ./tuesday --output changes.parquet
stocktake diff ./source ./replica --as-manifest --side a --output missing.csv
stocktake diff s3://here/inventory s3://there/inventory --store b:endpoint-url=https://ceph.example
"""
_PREFIXES_SHOWN_MAX = 20
_SOME_DIFFER, _CANNOT_TELL = 1, 3
_BOTH = "The newer report, or the copy: as REPORT-A."


_ReportA = Annotated[
    str,
    typer.Argument(
        metavar="REPORT-A",
        help="The older report, or the source: a manifest.json, a report folder or a"
        " configuration folder (then its newest report).",
        show_default=False,
    ),
]
_ReportB = Annotated[str, typer.Argument(metavar="REPORT-B", help=_BOTH, show_default=False)]
_Mode = Annotated[
    str | None,
    typer.Option(
        metavar="history|copies",
        help="Two moments of one bucket, or two buckets that shall hold the same. Default: as the"
        " reports' buckets and stores say.",
    ),
]
_Columns = Annotated[
    str,
    typer.Option(
        metavar="FIELD,...",
        help="Compare these columns instead of those of the mode.",
        show_default=False,
    ),
]
_Current = Annotated[
    bool,
    typer.Option("--current", help="Compare current objects by key, whatever their versions."),
]
_Depth = Annotated[int, typer.Option(metavar="N", help="Count by prefixes of so many folders.")]
_Output = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write what differs there, row by row; it appears when it is whole.",
        rich_help_panel=OUTPUT,
    ),
]
_Format = Annotated[
    str,
    typer.Option(
        metavar="parquet|csv|jsonl", help="The form of these rows.", rich_help_panel=OUTPUT
    ),
]
_AsManifest = Annotated[
    bool,
    typer.Option(
        "--as-manifest",
        help="Write a manifest of S3 Batch Operations (S3BatchOperations_CSV_20180820) instead.",
        rich_help_panel=OUTPUT,
    ),
]
_Side = Annotated[
    str,
    typer.Option(
        metavar="a|b",
        help="The report whose objects the manifest names.",
        rich_help_panel=OUTPUT,
    ),
]
_Only = Annotated[
    str,
    typer.Option(
        metavar="KIND,...",
        help="The objects the manifest names: created, deleted, changed, undecided. Default:"
        " created and changed, with --side a deleted and changed.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
_Prefix = Annotated[
    str,
    typer.Option(
        metavar="PREFIX",
        help="Compare only objects below it. Default: what both reports cover.",
        show_default=False,
    ),
]
_Stores = Annotated[
    list[str] | None,
    typer.Option(
        metavar="a|b:OPTION=VALUE",
        help="A store option for one report alone: --store b:endpoint-url=URL.",
        rich_help_panel=STORE,
    ),
]


def diff(
    report_a: _ReportA,
    report_b: _ReportB,
    *,
    mode: _Mode = None,
    columns: _Columns = "",
    current: _Current = False,
    prefix: _Prefix = "",
    depth: _Depth = 1,
    output: _Output = None,
    format: _Format = "parquet",  # noqa: A002 - the option's name
    as_manifest: _AsManifest = False,
    side: _Side = "b",
    only: _Only = "",
    store: _Stores = None,
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
    """Say what differs between two reports.

    Exit code 0: nothing; 1: something; 3: nothing that is known, but of some objects nobody can tell.
    """
    asked = locals()
    with failures_told(as_json=json, verbose=verbose), ended_by_signals():
        opt.speak_up(verbose)
        differences = _compared(asked)
        if json:
            print_json(differences.to_json())
        else:
            print_text("\n".join(difference_lines(differences)))
        if differences.differ:
            raise typer.Exit(_SOME_DIFFER)
        if differences.undecided:
            raise typer.Exit(_CANNOT_TELL)


def _compared(asked: dict[str, Any]) -> Differences:
    from stocktake.model.errors import UsageError
    from stocktake.service.commands.diff import Wanted
    from stocktake.service.commands.diff import diff as compare
    from stocktake.service.naming import named_stores

    wanted = Wanted(**{name: asked[name] for name in Wanted.__dataclass_fields__})
    addresses = {"a": asked["report_a"], "b": asked["report_b"]}
    stores: dict[str, Any] = {
        "store": opt.store_of(asked),
        "stores": named_stores(asked["store"] or (), addresses, opt.store_words(asked)),
    }
    if asked["output"] is None:
        if wanted.as_manifest:
            raise UsageError("a manifest needs a file", hint="name one with --output FILE")
        return compare(**addresses, wanted=wanted, **stores)
    with opened_sink(asked["output"], binary=True) as sink:
        return compare(**addresses, wanted=wanted, sink=sink, **stores)


def difference_lines(differences: Differences) -> list[str]:
    """What differs, as people read it. Pure."""
    comparison, totals = differences.comparison, differences.totals
    facts = {
        "report A": differences.a.address,
        "report B": differences.b.address,
        "compared as": f"{comparison.mode.value}, by "
        + ("key and version" if comparison.by_version else "key"),
        "below": comparison.prefix,
        "columns": ", ".join(differences.to_json()["compared"]) or "none",
        "not compared": ", ".join(comparison.ignored),
        "only in A": ", ".join(comparison.only_a),
        "only in B": ", ".join(comparison.only_b),
        "same": count(totals.same),
        **{kind.value: _counted(each) for kind, each in totals.counts.items()},
        "changed columns": ", ".join(
            f"{column} {count(number)}" for column, number in totals.columns.most_common()
        ),
    }
    lines = [f"{name:<17}{visible(value)}" for name, value in facts.items() if value]
    lines += [f"warning: {visible(text)}" for text in differences.warnings()]
    return lines + _prefix_lines(differences)


def _counted(each: Count) -> str:
    if not each.objects:
        return "0"
    parts = [f"{bytes_text(each.bytes_a)} in A" if each.bytes_a else ""]
    parts.append(f"{bytes_text(each.bytes_b)} in B" if each.bytes_b else "")
    told = ", ".join(part for part in parts if part)
    return count(each.objects) + (f" ({told})" if told else "")


def _prefix_lines(differences: Differences) -> list[str]:
    shown = differences.worst_prefixes()
    if not shown:
        return []
    lines = ["", f"{'created':>12}{'deleted':>12}{'changed':>12}{'undecided':>12}  prefix"]
    for prefix, kinds in shown[:_PREFIXES_SHOWN_MAX]:
        lines.append(f"{_columns(kinds)}  {visible(prefix) or '(no folder)'}")
    if rest := len(shown) - _PREFIXES_SHOWN_MAX:
        lines += [f"and {count(rest)} more prefixes, see --json"] if rest > 0 else []
    return lines


def _columns(kinds: dict[Change, Count]) -> str:
    return "".join(f"{count(each.objects):>12}" for each in kinds.values())
