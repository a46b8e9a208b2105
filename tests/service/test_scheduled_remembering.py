"""Scheduled runs take over what the last one knows, too, as the options beside their configuration have it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.scheduled import ScheduledState
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.service.server_settings import Site
from stocktake.service.working_scheduled import Workplace, work_on
from stocktake.state.ledger import Ledger
from tests.acceptance.reports import published
from tests.servers.fault import Bucket, FaultServer, FixtureObject
from tests.service.worker_runs import REPORTS, SOURCE, STORE, configuration
from tests.state.scheduling import claimed

COUNT = 40
FIELDS = ("Size", "LastModifiedDate", "ETag", "EncryptionStatus")


@pytest.fixture
def source(fault_server: FaultServer) -> Bucket:
    fault_server.bucket(REPORTS)
    return fault_server.bucket(SOURCE, [FixtureObject(f"k{n:03}", size=n) for n in range(COUNT)])


@pytest.fixture
def place(
    fault_server: FaultServer, source: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(tmp_path / "state"))
    site = Site(STORE, Store(endpoint_url=fault_server.endpoint_url), ())
    with Ledger.open(tmp_path / "state", now=house.now) as ledger:
        yield Workplace(ledger, {STORE: site}, tmp_path, threading.Event())


def put(place: Workplace, *, fields: tuple[str, ...] = FIELDS, **options: Any) -> ConfigurationKey:
    kept = place.ledger.configurations
    key = kept.put(STORE, SOURCE, configuration(fields=fields)).key
    kept.put_options(key, options)
    return key


def worked(place: Workplace, server: FaultServer, key: ConfigurationKey) -> tuple[Any, int]:
    """What stocktake.json says of one more run of a configuration, and how many objects were asked about."""
    server.reset_counts()
    place.ledger.schedule.run_now(key)
    claim = claimed(place.ledger)
    work_on(place, claim, house.monotonic())
    run = place.ledger.schedule.get(claim.run)
    assert run.state is ScheduledState.PUBLISHED, run.error
    heads = [entry.path for entry in server.log if entry.operation == "HeadObject"]
    asked = sum(path.startswith(f"/{SOURCE}/") for path in heads)
    bucket = server.bucket_named(REPORTS)
    newest = max(key for key in bucket.keys() if key.endswith("/stocktake.json"))  # noqa: SIM118
    return json.loads(bucket.read(newest)), asked


def test_a_scheduled_run_asks_about_what_is_new_and_what_is_due(
    place: Workplace, fault_server: FaultServer, source: Bucket
) -> None:
    key = put(place, revisit="0%")
    assert worked(place, fault_server, key)[1] == COUNT
    source.put(FixtureObject("new", size=1))
    second, asked = worked(place, fault_server, key)
    assert asked == 1
    assert second["warnings"] == []
    remembered = second["remembered"]
    assert (remembered["reused"], remembered["fresh"], remembered["number"]) == (COUNT, 1, 2)
    assert remembered["report"].startswith(f"s3://{REPORTS}/{SOURCE}/daily/")
    place.ledger.configurations.put_options(key, {"revisit": "100%", "head_budget": 5})
    third, asked = worked(place, fault_server, key)
    assert asked == 5
    assert third["problems"] == {"postponed": COUNT + 1 - 5}
    place.ledger.configurations.put_options(key, {"remember": False})
    assert worked(place, fault_server, key)[1] == COUNT + 1


def test_a_report_that_retention_removed_is_not_missed(
    place: Workplace, fault_server: FaultServer
) -> None:
    key = put(place, revisit="0%", keep_last=1)
    for asked in (COUNT, 0, 0):
        assert worked(place, fault_server, key)[1] == asked
    bucket = fault_server.bucket_named(REPORTS)
    assert len(published(bucket.keys(), bucket.read)) == 1


def test_a_run_without_such_fields_has_nothing_to_remember(
    place: Workplace, fault_server: FaultServer
) -> None:
    key = put(place, fields=("Size",))
    for _ in range(2):
        said, asked = worked(place, fault_server, key)
        assert (asked, said["warnings"]) == (0, [])
