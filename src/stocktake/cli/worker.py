"""`stocktake worker`: schedule and carry out the runs of the configurations in the ledger."""

from __future__ import annotations

import os
import threading
from typing import Annotated, Any

import typer

from stocktake.cli import options as opt
from stocktake.cli.outcome import failures_told
from stocktake.cli.scheduled import LedgerUrl

EXAMPLES = """\
stocktake worker --endpoint-url http://127.0.0.1:7480
stocktake worker --settings stocktake.toml --ledger postgresql://stocktake@db/stocktake
"""


def worker(
    *,
    settings: opt.SettingsFile = None,
    ledger: LedgerUrl = None,
    lease: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="How long a run stays this worker's without a word from it. 1 to 3600. Default: 60.",
        ),
    ] = None,
    log_format: opt.LogFormat = None,
    store_name: opt.StoreName = None,
    endpoint_url: opt.EndpointUrl = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    addressing_style: opt.AddressingStyle = None,
    no_sign_request: opt.NoSignRequest = False,
    request_payer: opt.RequestPayer = False,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    while_stdin_is_open: Annotated[
        bool,
        typer.Option("--while-stdin-is-open", hidden=True, help="For a parent."),
    ] = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Take the inventories that are due, by and by.

    They are those of the configurations in the ledger. Any number of workers may run, over PostgreSQL on any
    machine. SIGTERM gives back the run that is under way, with all that it has done.
    """
    asked: dict[str, Any] = dict(locals())
    with failures_told(as_json=False, verbose=verbose):
        from stocktake.cli.signals import stopping_on_signals
        from stocktake.service import house
        from stocktake.service.server_settings import check_sites, server_settings
        from stocktake.service.webhooks import read_webhooks
        from stocktake.service.worker import run_worker

        with house.settings_from(settings):
            opt.speak_up(max(verbose, 1), opt.chosen_log_format(log_format))
            told = server_settings(
                settings, store_name=store_name, store_words=opt.store_words(asked)
            )
            check_sites(told.sites)
            stores = {site.name: site for site in told.sites}
            webhooks = read_webhooks(house.settings().file, stores)
            with stopping_on_signals() as stopping:
                if while_stdin_is_open:
                    threading.Thread(
                        target=_stop_at_end, args=(stopping.event,), daemon=True
                    ).start()
                opt.announce(f"working for {', '.join(stores)}")
                lease_s = house.settings().lease_s if lease is None else lease
                run_worker(
                    stores,
                    stop=stopping.event,
                    ledger_url=ledger,
                    lease_s=lease_s,
                    webhooks=webhooks,
                )
            opt.announce("stopped")


def _stop_at_end(stop: threading.Event) -> None:
    """Stop when nobody holds the other end of stdin any more. From the descriptor: at exit, an interpreter waits for
    whoever reads the stream.
    """
    while os.read(0, 4096):
        pass
    stop.set()
