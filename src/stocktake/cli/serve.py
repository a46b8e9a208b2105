"""`stocktake serve`: AWS's S3 Inventory API for the stores that are described."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told

if TYPE_CHECKING:
    from stocktake.service.options import StoreKeywords
    from stocktake.service.server_settings import ServerSettings

SERVER = "The server"
EXAMPLES = """\
stocktake serve --endpoint-url http://127.0.0.1:7480 --domain s3.example.com
stocktake serve --settings stocktake.toml --listen 127.0.0.1:8170
"""


def serve(
    *,
    settings: opt.SettingsFile = None,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where to listen. Default: 127.0.0.1:8170, for a proxy on this machine.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A host name of the store, so that bucket.NAME is a bucket of it; more than once for more.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    store_name: opt.StoreName = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=64,
            metavar="N",
            help="How many workers take the inventories that are due; 0: they run elsewhere. Default: 1.",
            rich_help_panel=SERVER,
        ),
    ] = None,
    log_format: opt.LogFormat = None,
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
    """Answer AWS's S3 Inventory API for a store that lacks it.

    That is: put, get, list and delete inventory configurations. Requests are signed as for the
    store, by keys that `stocktake keys` was told. Workers beside it take the inventories that are due.
    """
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=False, verbose=verbose):
        from stocktake.service import house
        from stocktake.service.server_settings import check_sites, server_settings
        from stocktake.service.webhooks import read_webhooks

        with house.settings_from(settings):
            opt.speak_up(max(verbose, 1), opt.chosen_log_format(log_format))
            told = server_settings(
                settings,
                listen=listen,
                store_name=store_name,
                domains=domain or (),
                store_words=opt.store_words(asked),
            )
            check_sites(told.sites)
            words = opt.store_words(asked)
            beside = _worker_options(settings, store_name, log_format, words)
            count = house.settings().workers if workers is None else workers
            if count:  # they read them, too; what is wrong with them is told here, once
                read_webhooks(house.settings().file, [site.name for site in told.sites])
            _serve(told, beside, count)


def _worker_options(
    settings: Path | None, store_name: str | None, log_format: str | None, words: StoreKeywords
) -> list[str]:
    """The options of `stocktake worker` that describe the same stores, and the same log."""
    said = {"settings": settings, "log_format": log_format, "store_name": store_name, **words}
    options: list[str] = []
    for name, value in said.items():
        if value:
            options += [f"--{name.replace('_', '-')}", *([] if value is True else [str(value)])]
    return options


def _serve(told: ServerSettings, beside: list[str], workers: int) -> None:
    from stocktake.cli.signals import stopping_on_signals
    from stocktake.model.errors import UsageError
    from stocktake.service.beside import workers_beside

    try:
        from stocktake.api.server import listening_socket, serve
        from stocktake.service.serving import opened_service
    except ModuleNotFoundError as error:
        raise UsageError(
            f"`stocktake serve` needs the module {error.name}",
            hint="pip install 'stocktake[server]'",
        ) from error
    with (
        opened_service(told.sites) as service,
        stopping_on_signals() as stopping,
        listening_socket(told.host, told.port) as listener,
    ):
        address, port = listener.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        opt.announce(
            f"listening on http://{shown}:{port} for {', '.join(site.name for site in told.sites)}"
        )
        if told.is_public:
            opt.announce(
                "note: others than this machine can connect, and what they send is not encrypted"
            )
        if not service.keys():
            opt.announce(
                "note: nobody has a key yet; `stocktake keys create --role admin --bucket '*'` makes one,"
            )
            opt.announce(
                "note: and `stocktake keys import FILE` takes over those that users of the store have"
            )
        with workers_beside(beside, workers, stopping.event.is_set):
            serve(service, listener, stopping.event.is_set)
    opt.announce("stopped")
