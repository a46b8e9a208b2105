"""`stocktake run`: take an inventory now."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any

from stocktake.cli import options as opt
from stocktake.cli import run_options as its
from stocktake.cli.outcome import failures_told, print_json, say
from stocktake.cli.signals import stopping_on_signals
from stocktake.cli.sinks import print_text

if TYPE_CHECKING:
    from stocktake.model.runs import InventoryResult, InventoryRun

EXAMPLES = """\
stocktake run s3://photos ./reports
stocktake run s3://photos/2026/ s3://audit/inventory --fields all --versions All
stocktake run s3://photos --configuration inventory.json --endpoint-url http://rgw:8000
stocktake run --resume
"""
TICK_S = 0.2  # between two looks at signals and at what the display should say
_FACE_WORDS = ("source", "resume", "json", "quiet", "verbose")


def run(
    source: its.Source = None,
    destination: its.Destination = None,
    *,
    id: its.Id = None,  # noqa: A002 - the option's name
    format: its.Format = None,  # noqa: A002 - the option's name
    fields: its.Fields = None,
    versions: its.Versions = None,
    encryption: its.Encryption = None,
    configuration: its.Configuration = None,
    destination_bucket: its.DestinationBucket = None,
    owner_full_control: its.OwnerFullControl = False,
    strict: its.Strict = False,
    usage: its.Usage = False,
    endpoint_url: opt.EndpointUrl = None,
    profile: opt.Profile = None,
    region: opt.Region = None,
    addressing_style: opt.AddressingStyle = None,
    no_sign_request: opt.NoSignRequest = False,
    request_payer: opt.RequestPayer = False,
    ca_bundle: opt.CaBundle = None,
    no_verify_ssl: opt.NoVerifySsl = False,
    destination_endpoint_url: its.DestinationEndpointUrl = None,
    destination_profile: its.DestinationName = None,
    destination_region: its.DestinationName = None,
    destination_addressing_style: its.DestinationAddressingStyle = None,
    destination_no_sign_request: its.DestinationNoSignRequest = False,
    destination_request_payer: its.DestinationRequestPayer = False,
    destination_ca_bundle: its.DestinationCaBundle = None,
    destination_no_verify_ssl: its.DestinationNoVerifySsl = False,
    concurrency: its.Concurrency = None,
    processes: its.Processes = None,
    rate: its.Rate = None,
    nice: its.Nice = False,
    spool_folder: its.SpoolFolder = None,
    remember: its.Remember = None,
    no_remember: its.NoRemember = False,
    revisit: its.Revisit = None,
    remember_for: its.RememberFor = None,
    head_budget: its.HeadBudget = None,
    deadline: its.Deadline = None,
    resume: its.Resume = False,
    json: opt.Json = False,
    quiet: its.Quiet = False,
    verbose: opt.Verbose = 0,
) -> None:
    """Take an inventory of SOURCE now, into DESTINATION.

    Exit code 0 means that the report is published: its manifest.checksum is written last.
    """
    asked = locals()  # every option, by the name that the use case knows it by
    with failures_told(as_json=json, verbose=verbose):
        opt.speak_up(verbose)
        keywords = {name: value for name, value in asked.items() if name not in _FACE_WORDS}
        result = _resumed(source, keywords, quiet) if resume else _begun(source, keywords, quiet)
        for warning in result.warnings:
            say(f"warning: {warning}")
        _print_result(result, as_json=json)


def _begun(source: str | None, keywords: dict[str, Any], quiet: bool) -> InventoryResult:
    from stocktake.model.errors import UsageError
    from stocktake.service.commands.run import plan, run_inventory
    from stocktake.service.options import make_options
    from stocktake.service.planning import notes

    if source is None:
        raise UsageError("of what? SOURCE is missing", hint="s3://bucket, or --resume to go on")
    inventory_run = plan(make_options(source, keywords.pop("destination"), **keywords))
    for note in notes(inventory_run):
        say(f"note: {note}")
    return _watched(inventory_run, partial(run_inventory, inventory_run), quiet=quiet)


def _resumed(name: str | None, keywords: dict[str, Any], quiet: bool) -> InventoryResult:
    from stocktake.model.errors import UsageError
    from stocktake.service.commands.run import find_run, resume_inventory

    if given := [name for name, value in keywords.items() if value]:
        options = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"--resume goes on with what the run was asked for, and {options} asks for something else",
            hint="leave that out, or begin a new run",
        )
    run, inventory_run = find_run(name)
    say(f"note: going on with the run {run}, of {inventory_run.moment:%Y-%m-%d %H:%M} UTC")
    return _watched(inventory_run, partial(resume_inventory, run), quiet=quiet)


def _watched(
    inventory_run: InventoryRun, take: Callable[..., InventoryResult], *, quiet: bool
) -> InventoryResult:
    """Take the inventory in a thread, so that this one is free for signals and the display."""
    from stocktake.cli.progress import Told, choose_display
    from stocktake.model.errors import StoppedError

    with (
        stopping_on_signals() as stopping,
        choose_display(inventory_run, quiet=quiet) as display,
        ThreadPoolExecutor(max_workers=1, thread_name_prefix="run") as pool,
    ):
        told = Told(display)
        work = pool.submit(take, on_progress=told.take, stop=stopping.event)
        while not wait([work], timeout=TICK_S).done:
            if stopping.first_look():
                display.say("stopping; once more to leave at once")
            told.draw()
        try:
            return work.result()
        except StoppedError as error:
            number = stopping.signal_number
            if number is None:
                raise
            raise StoppedError(error.message, hint=error.hint, signal_number=number) from error


def _print_result(result: InventoryResult, *, as_json: bool) -> None:
    from stocktake.cli.summary import result_document, result_lines

    if as_json:
        print_json(result_document(result))
        return
    print_text("\n".join(result_lines(result)))
