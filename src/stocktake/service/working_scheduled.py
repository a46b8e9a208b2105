"""Carrying out one scheduled run under its lease, and telling the ledger how that ended."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from stocktake.inventory.stopping import unless_stopped
from stocktake.model.documents import decode_run
from stocktake.model.errors import (
    BucketChangedError,
    InventoryError,
    LedgerError,
    RunStateError,
    StoppedError,
    UsageError,
)
from stocktake.model.ledger import SPOOL_PREFIX
from stocktake.model.pieces import Kept
from stocktake.model.report_options import parse_report_options
from stocktake.model.runs import InventoryRun
from stocktake.model.scheduled import ScheduledClaim
from stocktake.model.stored import StoredConfiguration
from stocktake.service import house
from stocktake.service.commands.run import carried_out
from stocktake.service.journal import Work
from stocktake.service.leases import LeaseKeeper, about_claim
from stocktake.service.options import RunOptions
from stocktake.service.planning import plan_run
from stocktake.service.remembering import choose_memory
from stocktake.service.retention import expire_after
from stocktake.service.same_bucket import check_same_bucket
from stocktake.service.server_settings import Site
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process

_log = logging.getLogger("stocktake")

TELL_AGAIN_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a worker works with: the ledger, the stores by name, and where rows wait. `stop`: it is to end."""

    ledger: Ledger
    stores: Mapping[str, Site]
    spool: Path
    stop: threading.Event


def work_on(place: Workplace, claim: ScheduledClaim, claimed_s: float) -> None:
    """Carry out the run of `claim`, which was asked for at `claimed_s` by the monotonic clock. Whatever becomes of
    it, the ledger knows when this returns, unless the worker is to end while the ledger cannot be reached; then the
    lease ends by itself.
    """
    limits = place.stores[claim.key.store].limits
    keeper = LeaseKeeper(
        place.ledger.claims,
        claim,
        asked=place.stop,
        quiet=lambda: limits.quiet(house.now()),
        monotonic=house.monotonic,
        confirmed_s=claimed_s,
    )
    _log.info(
        "run %s: %s of %s", claim.run, claim.key.id, claim.key.bucket, extra=about_claim(claim)
    )
    try:
        with keeper:
            work, note = _prepared(place, claim, keeper.stop)
            carried_out(place.ledger, work, keeper.take, keeper.stop, note)
    except (StoppedError, RunStateError, LedgerError) as error:
        why = keeper.ending or error
        _log.warning("the run %s is given back: %s", claim.run, why, extra=about_claim(claim))
        _tell(place, claim, lambda: place.ledger.claims.give_back(claim))
    except BucketChangedError as error:
        _fail(place, claim, error, suspend=True)
    except InventoryError as error:
        _fail(place, claim, error)
    except Exception as error:  # noqa: BLE001 - a defect in one run must not end the worker
        _log.exception("the run %s ended by a defect", claim.run, extra=about_claim(claim))
        _fail(place, claim, InventoryError(f"internal error: {type(error).__name__}: {error}"))
    else:
        expire_after(place.ledger, claim.key, work.run, stopping=place.stop.is_set)


def _fail(
    place: Workplace, claim: ScheduledClaim, error: InventoryError, *, suspend: bool = False
) -> None:
    _log.error("the run %s failed: %s", claim.run, error, extra=about_claim(claim))
    if suspend:
        key = claim.key
        _log.error("%s of %s is suspended", key.id, key.bucket, extra=about_claim(claim))
    _tell(place, claim, lambda: place.ledger.claims.fail(claim, error, suspend=suspend))


def _tell(place: Workplace, claim: ScheduledClaim, tell: Callable[[], object]) -> None:
    """Tell the ledger, as soon as it can be told. Where the claim has ended, only that nobody works on the run any
    more: one that was cancelled is free to be cleared away.
    """
    wait_s = 0.5
    while True:
        try:
            try:
                tell()
            except RunStateError:
                place.ledger.claims.release(claim)
        except LedgerError as error:
            _log.warning("the ledger cannot be told: %s", error, extra=about_claim(claim))
        else:
            return
        if place.stop.wait(wait_s):
            return
        wait_s = min(2 * wait_s, TELL_AGAIN_S_MAX)


# -- what is to be done ------------------------------------------------------------------------------


def _prepared(place: Workplace, claim: ScheduledClaim, stop: threading.Event) -> tuple[Work, str]:
    """The work that is still to be done: the rest of a run that was begun, else all of it; and why it remembers no
    report, where there is one.

    Raises:
        StoppedError: `stop` was set.
        BucketChangedError: the bucket is not the one that the configuration was put for.
        InventoryError: the configuration cannot be run.
    """
    ledger = place.ledger
    spool = place.spool.absolute() / f"{SPOOL_PREFIX}{claim.run}"
    stored = ledger.configurations.get(claim.key)
    check_same_bucket(ledger.configurations, stored, place.stores[claim.key.store].store)
    run = planned(place, stored, ledger.schedule.moment())
    if claim.begun:
        begun = decode_run(ledger.run(claim.run).document)
        if begun.configuration == run.configuration and begun.address == run.address:
            ledger.move_spool(claim.claim, place.spool)
            # Limits are this worker's, and may have changed.
            run = replace(begun, limits=run.limits, spool_folder=place.spool)
            return Work(claim.claim, run, ledger.kept(claim.run), spool, resumed=True), ""
    run, note = unless_stopped(stop, lambda: choose_memory(run))
    ledger.enter(claim.claim, run, this_process(), place.spool)
    return Work(claim.claim, run, Kept(), spool), note


def planned(place: Workplace, stored: StoredConfiguration, moment: datetime) -> InventoryRun:
    """The run that a configuration asks for at `moment`, with the options beside it.

    Raises:
        UsageError: the options make no sense, or name a store that the settings do not have.
    """
    key, configuration = stored.key, stored.configuration
    options = parse_report_options(place.ledger.configurations.options(key), key.id)
    served = place.stores[key.store]
    elsewhere = options.destination_store
    if elsewhere is not None and elsewhere not in place.stores:
        raise UsageError(
            f"the configuration {key.id} delivers to the store `{elsewhere}`, which no settings describe",
            hint=f"expected {', '.join(place.stores)}",
        )
    settings = house.settings()
    return plan_run(
        RunOptions(
            source=f"s3://{key.bucket}/{configuration.prefix}",
            configuration=configuration,
            store=served.store,
            destination_store=None if elsewhere is None else place.stores[elsewhere].store,
            fields=options.extension_fields or None,
            owner_full_control=options.owner_full_control,
            strict=options.strict,
            no_remember=not options.remember,
            revisit=options.revisit,
            remember_for=options.remember_for,
            head_budget=options.head_budget,
            deadline=options.deadline,
            rate=served.limits.rate,
        ),
        configuration,
        moment=moment,
        working_folder=settings.working_folder,
        spool_folder=place.spool,
        cores=settings.cores,
        file_rows=settings.file_rows,
    )
