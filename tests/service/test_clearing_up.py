"""What a run leaves whose worker is killed between its report and clearing up: other workers remove it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from stocktake.model.ledger import SPOOL_PREFIX
from stocktake.model.store import Store
from stocktake.service import house
from stocktake.service.clearing import clear_spools
from stocktake.service.scheduler import Scheduler
from stocktake.service.server_settings import Site
from stocktake.service.worker import clear_over
from stocktake.service.working_scheduled import Workplace, planned
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.servers.fault import FaultServer
from tests.service.worker_runs import REPORTS, SOURCE, STORE, configuration, until

LEASE = timedelta(seconds=1)
LEFT = f"{SOURCE}/daily/data/begun.parquet"


@pytest.fixture
def place(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    for bucket in (SOURCE, REPORTS):
        fault_server.bucket(bucket)
    site = Site(STORE, Store(endpoint_url=fault_server.endpoint_url), ())
    (tmp_path / "spool").mkdir()
    with Ledger.open(tmp_path / "state", now=house.now) as ledger:
        yield Workplace(ledger, {STORE: site}, tmp_path / "spool", threading.Event())


def test_what_a_published_run_left_goes_once_its_lease_is_over(
    place: Workplace, fault_server: FaultServer
) -> None:
    ledger = place.ledger
    stored = ledger.configurations.put(STORE, SOURCE, configuration())
    Scheduler(ledger.schedule).tick()
    held = ledger.claims.claim(this_process(), LEASE, {STORE: place.stores[STORE].limits})
    assert held is not None
    run = planned(place, stored, ledger.schedule.moment())
    ledger.enter(held.claim, run, this_process(), place.spool)
    spool = place.spool / f"{SPOOL_PREFIX}{held.run}"
    spool.mkdir()
    ledger.name(held.claim, LEFT)
    client, bucket = fault_server.client(), fault_server.bucket_named(REPORTS)
    client.put_object(Bucket=REPORTS, Key=LEFT, Body=b"x")
    ledger.publish(held.claim, "s3://destination/manifest.json", [], 0)
    # Here its worker is killed.
    until(ledger.claims.to_clear, 30)
    clear_over(ledger)
    assert bucket.keys() == []
    assert not ledger.names(held.run)
    assert ledger.claims.to_clear() == []
    assert not spool.exists()
    assert ledger.schedule.get(held.run).claims == 1


def test_rows_on_this_machine_go_where_their_run_came_to_its_end_on_another(
    place: Workplace,
) -> None:
    ledger = place.ledger
    stored = ledger.configurations.put(STORE, SOURCE, configuration())
    Scheduler(ledger.schedule).tick()
    held = ledger.claims.claim(this_process(), LEASE, {STORE: place.stores[STORE].limits})
    assert held is not None
    run = planned(place, stored, ledger.schedule.moment())
    ledger.enter(held.claim, run, this_process(), Path("/another/machine"))
    own, foreign = (place.spool / f"{SPOOL_PREFIX}{name}" for name in (held.run, "zzzzzzzz"))
    for folder in (own, foreign):
        folder.mkdir()
    clear_spools(ledger, place.spool)
    assert own.exists(), "it is under way"
    ledger.publish(held.claim, "s3://destination/manifest.json", [], 0)
    clear_spools(ledger, place.spool)
    assert not own.exists()
    assert foreign.exists(), "it may be of another ledger"
