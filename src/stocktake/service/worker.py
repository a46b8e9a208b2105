"""A worker: claims runs one after the other, carries them out, and clears away what those left that are over. Beside
that it schedules, and tries out the configurations that were put.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Mapping, Sequence
from datetime import timedelta

from stocktake.model.errors import InventoryError, UsageError
from stocktake.model.notifications import Webhook
from stocktake.service import house
from stocktake.service.beating import beat_until
from stocktake.service.checking_put import check_until
from stocktake.service.clearing import (
    clear_spools,
    find_left_at,
    opened_place_of,
    remove_leftovers,
)
from stocktake.service.notifying import notify_until
from stocktake.service.retention import TRY_AGAIN_AFTER, finish_expiries
from stocktake.service.runs import open_ledger
from stocktake.service.scheduler import schedule_until
from stocktake.service.server_settings import Site
from stocktake.service.working_scheduled import Workplace, work_on
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process

_log = logging.getLogger("stocktake")

LEASE_S = 60.0
LEASE_S_MIN, LEASE_S_MAX = 1.0, 3600.0
POLL_S = 1.0  # between two looks for a run, while there is none
FAILED_POLL_S_MAX = 30.0
CLEAR_EVERY_S = 30.0


def run_worker(
    stores: Mapping[str, Site],
    *,
    stop: threading.Event,
    ledger_url: str | None = None,
    lease_s: float = LEASE_S,
    webhooks: Sequence[Webhook] = (),
) -> None:
    """Schedule and work until `stop` is set; a run that is under way then is given back, and can be gone on with.

    Raises:
        UsageError: the lease is out of bounds.
        InventoryError: the ledger, or the place where rows wait, cannot be used to begin with.
    """
    if not LEASE_S_MIN <= lease_s <= LEASE_S_MAX:
        raise UsageError(
            f"a lease of {lease_s:g} s is out of bounds; expected {LEASE_S_MIN:g} to {LEASE_S_MAX:g}"
        )
    settings = house.settings()
    spool = house.made_spool_folder(settings.spool_folder)
    with open_ledger(settings.state_folder, ledger_url) as ledger:
        place = Workplace(ledger, stores, spool, stop)
        beside = (
            threading.Thread(target=beat_until, args=(stop, ledger.workers)),
            threading.Thread(target=schedule_until, args=(stop, ledger.schedule)),
            threading.Thread(target=check_until, args=(place,)),
            # One each, so that a target that hangs holds up nobody else.
            *(
                threading.Thread(target=notify_until, args=(stop, ledger.notices, each, webhooks))
                for each in webhooks
            ),
        )
        for thread in beside:
            thread.start()
        try:
            _work(place, timedelta(seconds=lease_s))
        finally:
            stop.set()
            for thread in beside:
                thread.join()


def _work(place: Workplace, lease: timedelta) -> None:
    owner = this_process()
    limits = {name: served.limits for name, served in place.stores.items()}
    failures, cleared_at = 0, -math.inf  # others may have been killed before
    while not place.stop.is_set():
        try:
            claimed_s = house.monotonic()
            claim = place.ledger.claims.claim(owner, lease, limits)
            failures = 0
            if claim is not None:
                work_on(place, claim, claimed_s)
                cleared_at = -math.inf  # it may have been cancelled
                continue
            if house.monotonic() - cleared_at >= CLEAR_EVERY_S:
                cleared_at = house.monotonic()
                clear_over(place.ledger)
                clear_spools(place.ledger, place.spool)
                finish_expiries(place.ledger, untried_for=TRY_AGAIN_AFTER)
        except InventoryError as error:
            failures += 1
            _log.warning("no run can be claimed: %s", error)
        place.stop.wait(min(POLL_S * 2 ** min(failures, 10), FAILED_POLL_S_MAX))


def clear_over(ledger: Ledger) -> None:
    """Remove what runs left that are over, once nobody works on them: cancelled ones, and those whose worker was killed
    between its report and clearing up. What cannot be removed is tried again next time.

    Raises:
        LedgerError: the ledger cannot be used.
    """
    for run in ledger.claims.to_clear():
        record = ledger.run(run)
        try:
            with opened_place_of(record) as place:
                # Where the report was published before anybody heard, this keeps what it names.
                remove_leftovers(place, find_left_at(place, ledger, record))
        except InventoryError as error:
            _log.warning("what the run %s left was not removed: %s", run, error, extra={"run": run})
            continue
        ledger.forget_all(run)
        ledger.claims.cleared(run)
