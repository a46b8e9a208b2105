"""`stocktake config`: the configurations in the local ledger, or on a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.groups import ExamplesGroup
from stocktake.cli.option_words import (
    Deadline,
    DestinationStore,
    ExtensionFields,
    Forever,
    HeadBudget,
    Hour,
    KeepDays,
    KeepLast,
    OwnerFullControl,
    Remember,
    RememberFor,
    Revisit,
    Strict,
    option_words,
    options_document,
    options_line,
)
from stocktake.cli.outcome import failures_told, print_json
from stocktake.cli.panels import OUTPUT, PanelCommand
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from stocktake.model.stored import StoredConfiguration
    from stocktake.service.kept_configurations import KeptConfigurations

GROUP_EXAMPLES = """\
stocktake config put s3://photos daily.json
stocktake config get s3://photos daily
stocktake config list s3://photos
stocktake config check s3://photos daily
stocktake config delete s3://photos daily
"""
PUT_EXAMPLES = """\
stocktake config put s3://photos daily.json --endpoint-url http://127.0.0.1:7480
stocktake config put s3://photos daily.json --hour 3 --extension-fields ObjectTags --keep-last 30
"""
GET_EXAMPLES = """\
stocktake config get s3://photos daily
stocktake config get s3://photos daily --json
"""
LIST_EXAMPLES = """\
stocktake config list s3://photos
stocktake config list s3://photos --json
"""
CHECK_EXAMPLES = """\
stocktake config check s3://photos daily
"""
DELETE_EXAMPLES = """\
stocktake config delete s3://photos daily
"""

app = typer.Typer(cls=ExamplesGroup, no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog=GROUP_EXAMPLES)
def config() -> None:
    """Keep inventory configurations, here or on a server.

    Without --server it is the ledger of this machine, the one that its `stocktake serve` answers from.
    """


@app.command(cls=PanelCommand, epilog=PUT_EXAMPLES)
def put(
    bucket: opt.SourceBucket,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="The configuration as the AWS CLI takes it, JSON, or as XML; - is stdin.",
            show_default=False,
        ),
    ],
    *,
    hour: Hour = None,
    extension_fields: ExtensionFields = None,
    destination_store: DestinationStore = None,
    owner_full_control: OwnerFullControl = None,
    strict: Strict = None,
    remember: Remember = None,
    revisit: Revisit = None,
    remember_for: RememberFor = None,
    head_budget: HeadBudget = None,
    deadline: Deadline = None,
    keep_last: KeepLast = None,
    keep_days: KeepDays = None,
    forever: Forever = False,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    store_name: opt.StoreName = None,
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
    """Put a configuration, in place of any with its Id. The store is asked whether it has the bucket.

    The options beside it stay as they are, but for those that are said; where these are refused, nothing is put.
    """
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        from stocktake.service.configuration_files import read_configuration
        from stocktake.service.option_words import option_change

        configuration = read_configuration(sys.stdin.buffer if file == "-" else Path(file))
        change = option_change(option_words(asked), configuration.id)
        with _kept(asked) as kept:
            stored = kept.put(bucket, configuration, change)
        if json:
            print_json(_document(stored))
        else:
            print_text(f"put {stored.key.id} of {stored.key.bucket}")


@app.command(cls=PanelCommand, epilog=GET_EXAMPLES)
def get(
    bucket: opt.SourceBucket,
    id: opt.ConfigurationId,  # noqa: A002 - AWS's word
    *,
    server: opt.Server = None,
    token_file: opt.TokenFile = None,
    store_name: opt.StoreName = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="With what is known of it: when it was put, the options beside it, what trying it has shown.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Print a configuration as `aws s3api get-bucket-inventory-configuration` does, as JSON."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=True, verbose=verbose), _kept(asked) as kept:
        stored = kept.get(bucket, id)
        print_json(_document(stored) if json else {"InventoryConfiguration": _aws(stored)})


@app.command("list", cls=PanelCommand, epilog=LIST_EXAMPLES)
def list_(
    bucket: opt.SourceBucket,
    *,
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
    """List a bucket's configurations, by Id."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        found = kept.list(bucket)
        if json:
            print_json({"configurations": [_document(stored) for stored in found]})
        else:
            print_text("\n".join(map(_line, found)) or f"{bucket} has no inventory configuration")


@app.command(cls=PanelCommand, epilog=CHECK_EXAMPLES)
def check(
    bucket: opt.SourceBucket,
    id: opt.ConfigurationId,  # noqa: A002 - AWS's word
    *,
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
    """Have a worker try a configuration out anew; `get --json` shows what it finds."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        key = kept.check(bucket, id)
        if json:
            print_json({"waiting": {"store": key.store, "bucket": key.bucket, "id": key.id}})
        else:
            print_text(f"{key.id} of {key.bucket} waits for a worker to try it out")


@app.command(cls=PanelCommand, epilog=DELETE_EXAMPLES)
def delete(
    bucket: opt.SourceBucket,
    id: opt.ConfigurationId,  # noqa: A002 - AWS's word
    *,
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
    """Delete a configuration, and the options beside it. Its reports stay."""
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=json, verbose=verbose), _kept(asked) as kept:
        key = kept.delete(bucket, id)
        if json:
            print_json({"deleted": {"store": key.store, "bucket": key.bucket, "id": key.id}})
        else:
            print_text(f"deleted {key.id} of {key.bucket}")


def _kept(asked: dict[str, Any]) -> AbstractContextManager[KeptConfigurations]:
    from stocktake.service.kept_configurations import kept_configurations

    return kept_configurations(
        asked["server"], asked["store_name"], opt.store_of(asked), asked["token_file"]
    )


def _aws(stored: StoredConfiguration) -> dict[str, Any]:
    return stored.configuration.model_dump(by_alias=True, exclude_none=True, mode="json")


def _document(stored: StoredConfiguration) -> dict[str, object]:
    suspension = stored.suspension
    since = suspension and {"since": suspension.since.isoformat(), "reason": suspension.reason}
    return {
        "store": stored.key.store,
        "bucket": stored.key.bucket,
        "id": stored.key.id,
        "created": stored.created.isoformat(),
        "changed": stored.changed.isoformat(),
        "version": stored.version,
        "configuration": _aws(stored),
        "options": options_document(stored.options),
        **({"suspended": since} if since else {}),
        **({"check": stored.check.to_json()} if stored.check is not None else {}),
    }


def _line(stored: StoredConfiguration) -> str:
    configuration = stored.configuration
    delivery = configuration.delivery
    paused = "" if configuration.is_enabled else ", disabled"
    if stored.suspension is not None:
        paused += f", suspended: {stored.suspension.reason}"
    place = f"s3://{delivery.bucket_name}/{delivery.prefix or ''}".removesuffix("/")
    return (
        f"{stored.key.id}: {configuration.schedule.frequency}, {delivery.format} to {place},"
        f" {configuration.included_object_versions} versions{paused}{_beside(stored)}{_checked(stored)}"
    )


def _beside(stored: StoredConfiguration) -> str:
    """The options beside it, where somebody has said some."""
    line = options_line(stored.options)
    return f"; {line}" if line else ""


def _checked(stored: StoredConfiguration) -> str:
    """What trying it has shown, where that is worth a word."""
    if stored.check is None or stored.check.result.verdict == "ok":
        return ""
    wrong = [str(each.check) for each in stored.check.result.checks if each.outcome != "ok"]
    return f"; check {stored.check.result.verdict}: {', '.join(wrong)}"
