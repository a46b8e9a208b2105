"""Workers try out what was put, keep what they found, and leave nothing at the destination, whatever befalls them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from stocktake.model.checks import Check, Outcome, StoredCheck
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.service.checking_put import check_until
from stocktake.service.server_settings import Site
from stocktake.service.working_scheduled import Workplace
from stocktake.state import checks
from stocktake.state.ledger import Ledger
from tests.acceptance.command_line import stocktake
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    access_denied,
    do_after,
    do_before,
)
from tests.service.worker_runs import REPORTS, SOURCE, STORE, put, until


@pytest.fixture
def place(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    fault_server.bucket(SOURCE, [FixtureObject(f"{n}", body=b"x") for n in range(3)])
    fault_server.bucket(REPORTS, versioning="Enabled")
    site = Site(STORE, Store(endpoint_url=fault_server.endpoint_url), ())
    with Ledger.open(tmp_path / "state", now=house.now) as ledger:
        yield Workplace(ledger, {STORE: site}, tmp_path, threading.Event())


def known(place: Workplace, key: ConfigurationKey) -> StoredCheck | None:
    found = place.ledger.checks.of_bucket(key.store, key.bucket, first=key.id, last=key.id)
    return found.get(key.id)


def checked(place: Workplace, key: ConfigurationKey) -> StoredCheck:
    """What a worker finds of it."""
    place.stop.clear()
    worker = threading.Thread(target=check_until, args=(place,))
    worker.start()
    try:
        found: StoredCheck = until(lambda: known(place, key), 180)
    finally:
        place.stop.set()
        worker.join(timeout=60)
    assert not worker.is_alive()
    return found


def test_what_was_put_is_tried_and_what_was_found_lies_beside_it(
    place: Workplace, fault_server: FaultServer, tmp_path: Path
) -> None:
    key = put(place.ledger)
    found = checked(place, key)
    assert found.result.verdict is Outcome.OK
    assert {each.check for each in found.result.checks} >= {Check.HEAD, Check.WRITE, Check.DELETE}
    assert fault_server.bucket_named(REPORTS).keys() == []
    fault_server.rule(access_denied(), operation="HeadObject", bucket=SOURCE)
    assert put(place.ledger) == key
    assert checked(place, key).result.verdict is Outcome.FAILED
    environment = {"STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    listed = stocktake("config", "list", f"s3://{SOURCE}", environment=environment)
    assert listed.out.endswith("; check failed: head\n"), listed


def test_options_that_make_no_sense_are_a_finding(place: Workplace) -> None:
    key = put(place.ledger)
    place.ledger.configurations.put_options(key, {"destination_store": "elsewhere"})
    [finding] = checked(place, key).result.checks
    assert (finding.check, finding.outcome) == (Check.DESTINATION, Outcome.FAILED)
    assert "elsewhere" in finding.evidence


def test_what_a_killed_worker_wrote_is_removed_by_the_next(
    place: Workplace, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = put(place.ledger)
    killed = place.ledger.checks.claim([STORE])
    assert killed is not None
    assert place.ledger.checks.name_trial(killed, f"s3://{REPORTS}/left")
    fault_server.client().put_object(Bucket=REPORTS, Key="left", Body=b"x")
    fault_server.client().create_multipart_upload(Bucket=REPORTS, Key="left")
    monkeypatch.setattr(checks, "CLAIM_S", 0.0)
    checked(place, key)
    bucket = fault_server.bucket_named(REPORTS)
    assert (bucket.keys(), bucket.uploads) == ([], {})


def test_what_is_deleted_meanwhile_gets_nothing_written(
    place: Workplace, fault_server: FaultServer
) -> None:
    key = put(place.ledger)
    delete = do_before(lambda: place.ledger.configurations.delete(key))
    fault_server.rule(delete, operation="List", bucket=SOURCE, times=1)
    other = put(place.ledger, "other")
    checked(place, other)
    assert [entry for entry in fault_server.log if f"/{key.id}/" in entry.path] == []


def test_a_worker_that_ends_in_the_middle_clears_up_and_the_next_one_begins_at_once(
    place: Workplace, fault_server: FaultServer
) -> None:
    key = put(place.ledger)
    fault_server.rule(do_after(place.stop.set), operation="PutObject", times=1)
    check_until(place)
    assert known(place, key) is None
    assert fault_server.bucket_named(REPORTS).keys() == []
    assert checked(place, key).result.verdict is Outcome.OK
