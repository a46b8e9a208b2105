"""`stocktake reports orphans`: data files that nobody needs any more."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.groups import ExamplesGroup
from stocktake.cli.outcome import failures_told, print_json, say, visible
from stocktake.cli.panels import REPORT, PanelCommand
from stocktake.cli.sinks import print_text
from stocktake.cli.words import counted

if TYPE_CHECKING:
    from stocktake.model.store import Store
    from stocktake.service.orphans import Orphans

REPORTS_EXAMPLES = """\
stocktake reports list s3://audit/inventory/photos/daily
stocktake reports expire s3://audit/inventory/photos/daily --keep-last 30 --dry-run
stocktake reports orphans s3://audit/inventory/photos/daily
"""
ORPHANS_EXAMPLES = """\
stocktake reports orphans s3://audit/inventory/photos/daily
stocktake reports orphans s3://audit/inventory --bucket photos --id daily
stocktake reports orphans ./reports --bucket photos --id stocktake --json
"""
_CAUTION = (
    "runs of other machines and users are not known here: be sure that none of them is under way"
    " before you remove anything"
)

app = typer.Typer(cls=ExamplesGroup, no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=REPORTS_EXAMPLES)
def reports() -> None:
    """Look after the reports in a destination."""


@app.command(cls=PanelCommand, epilog=ORPHANS_EXAMPLES)
def orphans(
    destination: Annotated[
        str,
        typer.Argument(
            metavar="DESTINATION",
            help="A configuration's folder, {prefix}/{bucket}/{id}; or, with --bucket and --id, the"
            " destination above it: s3://bucket/prefix, file:///folder or a path.",
            show_default=False,
        ),
    ],
    *,
    bucket: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The bucket that the reports are about.", rich_help_panel=REPORT
        ),
    ] = None,
    id: Annotated[  # noqa: A002 - the option's name
        str | None,
        typer.Option(metavar="ID", help="The id of the configuration.", rich_help_panel=REPORT),
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
    """List data files that no manifest and no unfinished run names.

    Nothing is removed. Exit code 3 says that it cannot be told: a manifest cannot be read.
    """
    asked = locals()
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.options import StoreKeywords
        from stocktake.service.orphans import find_orphans
        from stocktake.service.settings import read_settings

        found = find_orphans(
            read_settings().state_folder,
            destination,
            _store({name: asked[name] for name in StoreKeywords.__annotations__}),
            source_bucket=bucket,
            configuration_id=id,
        )
        if json:
            print_json(found.to_json())
        else:
            print_text("\n".join(_lines(found, endpoint_url=endpoint_url, profile=profile)))
        if found.uploads is None:
            say("note: the store does not say which multipart uploads are open")
        say(f"note: {_CAUTION}")


def _store(words: dict[str, Any]) -> Store:
    from stocktake.service.options import make_store

    return make_store(**words)


def _lines(found: Orphans, *, endpoint_url: str | None, profile: str | None) -> list[str]:
    """The orphans, with the commands that would remove them."""
    lines = [f"object   {visible(uri)}" for uri in found.uris]
    lines += [f"upload   {visible(each.id)} of {visible(each.key)}" for each in found.uploads or ()]
    if not lines:
        return [f"no orphans among {counted(found.objects, 'object')}"]
    given = (("--endpoint-url", endpoint_url), ("--profile", profile))
    options = [word for name, value in given if value is not None for word in (name, value)]
    return [
        *lines,
        "to remove them:",
        *(f"  {shlex.join(words)}" for words in _removals(found, options)),
    ]


def _removals(found: Orphans, options: list[str]) -> list[list[str]]:
    if found.bucket is None:
        files = [["rm", "--", uri] for uri in found.uris]
        folder = f"{found.address}/data"
        return files + [["rm", "--", f"{folder}/{each.id}"] for each in found.uploads or ()]
    objects = [["aws", "s3", "rm", uri, *options] for uri in found.uris]
    abort = ["aws", "s3api", "abort-multipart-upload", "--bucket", found.bucket]
    return objects + [
        [*abort, "--key", each.key, "--upload-id", each.id, *options]
        for each in found.uploads or ()
    ]
