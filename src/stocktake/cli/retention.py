"""`stocktake reports list|expire|keep|unkeep|retention`: whole reports, and how long they stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.option_words import Forever, KeepDays, KeepLast, option_words
from stocktake.cli.outcome import failures_told, print_json, say, visible
from stocktake.cli.panels import OUTPUT, REPORT, PanelCommand
from stocktake.cli.scheduled import LedgerUrl
from stocktake.cli.sinks import print_text
from stocktake.cli.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stocktake.model.retention import KeptReport, Retention
    from stocktake.service.commands.retention import Listed, Whose
    from stocktake.service.retention import Expired

LIST_EXAMPLES = """\
stocktake reports list s3://audit/inventory/photos/daily
stocktake reports list ./reports --bucket photos --id stocktake --json
"""
EXPIRE_EXAMPLES = """\
stocktake reports expire s3://audit/inventory/photos/daily --keep-last 30 --dry-run
stocktake reports expire s3://audit/inventory/photos/daily --keep-last 7 --keep-days 90
"""
KEEP_EXAMPLES = """\
stocktake reports keep s3://audit/inventory/photos/daily/2026-11-22T01-00Z
"""
UNKEEP_EXAMPLES = """\
stocktake reports unkeep s3://audit/inventory/photos/daily/2026-11-22T01-00Z
"""
RETENTION_EXAMPLES = """\
stocktake reports retention s3://photos daily --keep-last 30
stocktake reports retention s3://photos daily --forever
stocktake reports retention s3://photos daily --keep-last 30 --server https://stocktake.example.com
"""
Address = Annotated[
    str,
    typer.Argument(
        metavar="ADDRESS",
        help="A configuration's folder, {prefix}/{bucket}/{id}; or, with --bucket and --id, the"
        " destination above it: s3://bucket/prefix, file:///folder or a path.",
        show_default=False,
    ),
]
Report = Annotated[
    str,
    typer.Argument(
        metavar="REPORT",
        help="The report's folder: s3://bucket/..., file:///folder or a path.",
        show_default=False,
    ),
]
Bucket = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="The bucket that the reports are about.", rich_help_panel=REPORT
    ),
]
Identity = Annotated[
    str | None,
    typer.Option(metavar="ID", help="The id of the configuration.", rich_help_panel=REPORT),
]
_HEADINGS = ("REPORT", "CONDITION", "FILES", "BYTES", "NOTE")


def list_(
    address: Address,
    *,
    bucket: Bucket = None,
    id: Identity = None,  # noqa: A002 - the option's name
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
    """List the reports of a configuration, and whether each is whole. Nothing is changed."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.commands.retention import list_reports

        found = list_reports(_whose(asked))
        if json:
            print_json(_listed(found))
        else:
            print_text("\n".join(_table(found)))


def expire(
    address: Address,
    *,
    keep_last: KeepLast = None,
    keep_days: KeepDays = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what would go.", rich_help_panel=OUTPUT),
    ] = False,
    bucket: Bucket = None,
    id: Identity = None,  # noqa: A002 - the option's name
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
    """Remove whole reports that neither --keep-last nor --keep-days keeps.

    Never the newest good one, nor one that `stocktake reports keep` marked. Exit code 1 says that a report
    stays that should have gone, 3 that it cannot be told: a manifest cannot be read.
    """
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.model.retention import retention_of
        from stocktake.service.commands.retention import expire_reports

        told = expire_reports(_whose(asked), retention_of(keep_last, keep_days), dry_run=dry_run)
        if json:
            print_json({"dry_run": dry_run, "reports": [_fate(each) for each in told]})
        else:
            print_text("\n".join(_fates(told, dry_run=dry_run)))
        for each in told:
            if each.why:
                say(f"warning: {each.uri} stays: {each.why}")
            if each.shared:
                files = counted(each.shared, "data file")
                say(f"warning: {files} of {each.uri} stay, as a manifest or a run names them, too")
            if each.others:
                versions = counted(each.others, "version")
                say(
                    f"warning: {versions} of objects of {each.uri} stay, as its run did not write them"
                )
        if any(each.why for each in told):
            raise typer.Exit(1)


def keep(
    report: Report,
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
    """Have a report stay for ever, whatever its configuration's retention is."""
    asked: dict[str, Any] = dict(locals())
    _mark(asked, keep=True)


def unkeep(
    report: Report,
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
    """Take back that a report stays for ever."""
    asked: dict[str, Any] = dict(locals())
    _mark(asked, keep=False)


def retention(
    bucket: opt.SourceBucket,
    id: opt.ConfigurationId,  # noqa: A002 - AWS's word
    *,
    keep_last: KeepLast = None,
    keep_days: KeepDays = None,
    forever: Forever = False,
    ledger: LedgerUrl = None,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    store_name: opt.StoreName = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: opt.Json = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Say which reports of a configuration stay, or change that; in the ledger, or on a server.

    A report stays that either of --keep-last and --keep-days keeps. Workers remove the others each time that they
    have published one.
    """
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.kept_configurations import kept_configurations
        from stocktake.service.option_words import option_change

        change = option_change(option_words(asked), id)
        with kept_configurations(
            server, store_name, opt.store_of(asked), token_file, ledger
        ) as kept:
            options = (
                kept.change_options(bucket, id, change) if change else kept.options(bucket, id)
            )
            found = options.retention
        if json:
            print_json({"bucket": bucket, "id": id, "retention": _retention(found)})
        else:
            print_text(f"{id} of {bucket} keeps {found} reports".replace("days reports", "days"))


def add_to(reports: typer.Typer) -> None:
    """Make these commands of `stocktake reports`."""
    for name, command, epilog in (
        ("list", list_, LIST_EXAMPLES),
        ("expire", expire, EXPIRE_EXAMPLES),
        ("keep", keep, KEEP_EXAMPLES),
        ("unkeep", unkeep, UNKEEP_EXAMPLES),
        ("retention", retention, RETENTION_EXAMPLES),
    ):
        reports.command(name, cls=PanelCommand, epilog=epilog)(command)


# -- what they ask and print -------------------------------------------------------------------------


def _whose(asked: dict[str, Any]) -> Whose:
    from stocktake.service.commands.retention import Whose

    return Whose(asked["address"], opt.store_of(asked), asked["bucket"], asked["id"])


def _mark(asked: dict[str, Any], *, keep: bool) -> None:
    with failures_told(as_json=asked["json"], verbose=asked["verbose"]):
        opt.speak_up(asked["verbose"])
        from stocktake.service.commands.retention import mark_report

        where = mark_report(asked["report"], opt.store_of(asked), keep=keep)
        if asked["json"]:
            print_json({"report": where, "kept": keep})
        else:
            print_text(f"{visible(where)} {'stays' if keep else 'may go'}")


def _listed(found: Listed) -> dict[str, Any]:
    return {
        "configuration": found.address,
        "reports": [_report(report, uri) for report, uri in found.reports],
        "leaving": [
            {
                "report": each.expiry.paths.folder,
                "objects": len(each.expiry.objects),
                "error": each.error,
            }
            for each in found.leaving
        ],
    }


def _report(report: KeptReport, uri: str) -> dict[str, Any]:
    return {
        "report": uri,
        "moment": f"{report.paths.moment:%Y-%m-%dT%H:%MZ}",
        "condition": str(report.condition),
        "files": None if report.manifest is None else len(report.manifest.files),
        "bytes": None if report.manifest is None else report.file_bytes,
        "kept": report.spared,
        "why": report.why,
    }


def _table(found: Listed) -> list[str]:
    rows = [_HEADINGS, *(_row(report) for report, _ in found.reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for each in found.leaving:
        name = each.expiry.paths.folder.rpartition("/")[2]
        lines.append(f"{name} is being removed: {visible(each.error or 'not over yet')}")
    return lines


def _row(report: KeptReport) -> tuple[str, ...]:
    known = report.manifest is not None
    notes = ["kept"] if report.spared else []
    return (
        report.paths.folder.rpartition("/")[2],
        str(report.condition),
        f"{len(report.manifest.files):,}" if report.manifest is not None else "",
        f"{report.file_bytes:,}" if known else "",
        visible("; ".join([*notes, *([report.why] if report.why else [])])),
    )


def _fate(each: Expired) -> dict[str, Any]:
    return {
        **_report(each.report, each.uri),
        "objects": each.objects,
        "shared": each.shared,
        "others": each.others,
        "stays": each.why or None,
    }


def _fates(told: Sequence[Expired], *, dry_run: bool) -> list[str]:
    verb = "would remove" if dry_run else "removed"
    gone = [each for each in told if not each.why]
    lines = [f"{verb} {visible(each.uri)}: {counted(each.objects, 'object')}" for each in gone]
    return lines or ["no report is to go" if not told else "no report went"]


def _retention(found: Retention) -> dict[str, int | None]:
    return {"keep_last": found.keep_last, "keep_days": found.keep_days}
