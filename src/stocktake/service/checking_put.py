"""Trying out configurations that were put: by workers, beside their runs, with the credentials that runs have.

A put is answered before, and never fails because of what is found here: AWS takes configurations whose destination has
no policy that lets it write. What is found lies beside the configuration.
"""

from __future__ import annotations

import logging

from stocktake.model.checks import Check, CheckResult, Finding, Outcome
from stocktake.model.errors import (
    InventoryError,
    NoSuchConfigurationError,
    RunStateError,
    StoreError,
    UsageError,
)
from stocktake.model.stored import CheckClaim, StoredConfiguration
from stocktake.service import house
from stocktake.service.checking import check_run, clear_trial
from stocktake.service.working_scheduled import Workplace, planned

_log = logging.getLogger("stocktake")

POLL_S = 1.0  # between two looks for a configuration to try, while there is none
FAILED_POLL_S_MAX = 30.0


def check_until(place: Workplace) -> None:
    """Try out what wants it until the worker is to end; a ledger that cannot be used is asked again, more and more
    seldom.
    """
    failures = 0
    while not place.stop.is_set():
        try:
            claim = place.ledger.checks.claim(place.stores)
            if claim is not None:
                _check(place, claim)
                failures = 0
                continue
            failures = 0
        except InventoryError as error:
            failures += 1
            _log.warning("no configuration can be tried: %s", error)
        except Exception:  # noqa: BLE001 - a defect in one check must not end the others; its claim runs out
            failures += 1
            _log.exception("a check ended by a defect")
        place.stop.wait(min(POLL_S * 2 ** min(failures, 10), FAILED_POLL_S_MAX))


def _check(place: Workplace, claim: CheckClaim) -> None:
    """Try one configuration out, and keep what was found."""
    checks, key = place.ledger.checks, claim.key
    try:
        stored = place.ledger.configurations.get(key)
        result = _result(place, claim, stored)
    except (NoSuchConfigurationError, RunStateError) as error:
        _log.info("the check of %s of %s is no longer wanted: %s", key.id, key.bucket, error)
        return
    if place.stop.is_set():
        checks.give_back(claim)
        return
    checks.finish(claim, stored.version, result)
    _log.info("the check of %s of %s: %s", key.id, key.bucket, result.verdict)


def _result(place: Workplace, claim: CheckClaim, stored: StoredConfiguration) -> CheckResult:
    """What trying it has shown.

    Raises:
        RunStateError: somebody else tries it by now, or it is gone.
    """
    checks = place.ledger.checks

    def tell(address: str) -> None:
        if not checks.name_trial(claim, address):
            raise RunStateError("it was put anew, or deleted")

    try:
        run = planned(place, stored, place.ledger.schedule.moment())
        if claim.trial is not None:
            for left in clear_trial(run, claim.trial):
                _log.warning("an earlier check left %s", left)
        result = check_run(run, monotonic=house.monotonic, stopped=place.stop.is_set, tell=tell)
    except (UsageError, StoreError) as error:
        return _refused(stored, error)
    if not result.left:
        checks.name_trial(claim, None)
    return result


def _refused(stored: StoredConfiguration, error: InventoryError) -> CheckResult:
    """The result of a configuration that no run can be made of."""
    delivery = stored.configuration.delivery
    finding = Finding(
        check=Check.DESTINATION, outcome=Outcome.FAILED, evidence=error.message, remedy=error.hint
    )
    return CheckResult(
        source=f"s3://{stored.key.bucket}",
        destination=f"s3://{delivery.bucket_name}",
        checks=(finding,),
        requests=0,
    )
