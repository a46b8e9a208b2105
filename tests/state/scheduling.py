"""What tests of the schedule and of claims share: a ledger on either database, and configurations in it."""

from __future__ import annotations

from datetime import timedelta

from stocktake.model.scheduled import ScheduledClaim
from stocktake.model.store_limits import StoreLimits
from stocktake.model.stored import ConfigurationKey
from stocktake.service.scheduler import Scheduler
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.model.test_runs import RUN

STORE = "default"
LIMITS = {STORE: StoreLimits()}
LEASE = timedelta(seconds=60)


def put(
    ledger: Ledger, identity: str = "daily", bucket: str = "b", **changes: object
) -> ConfigurationKey:
    """An enabled daily configuration."""
    configuration = RUN.configuration.model_copy(
        update={"id": identity, "is_enabled": True, **changes}
    )
    return ledger.configurations.put(STORE, bucket, configuration).key


def tick(ledger: Ledger) -> None:
    """What a scheduler that was just started does first."""
    Scheduler(ledger.schedule).tick()


def claim(
    ledger: Ledger, lease: timedelta = LEASE, limits: dict[str, StoreLimits] | None = None
) -> ScheduledClaim | None:
    """The next run, claimed by this process."""
    return ledger.claims.claim(this_process(), lease, LIMITS if limits is None else limits)


def claimed(ledger: Ledger, lease: timedelta = LEASE) -> ScheduledClaim:
    """The next run, which is there."""
    found = claim(ledger, lease)
    assert found is not None
    return found
