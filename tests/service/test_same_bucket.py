"""What becomes of a configuration whose bucket was deleted, and made anew by somebody else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.scheduled import ScheduledRun, ScheduledState
from stocktake.model.store import Store
from stocktake.model.stored import ConfigurationKey, StoredConfiguration
from stocktake.service import house
from stocktake.service.known_buckets import KnownBuckets
from stocktake.service.server_settings import Site
from stocktake.service.worker import clear_over
from stocktake.service.working_scheduled import Workplace, work_on
from stocktake.state.ledger import Ledger
from tests.servers.fault import FaultServer, FixtureObject, access_denied, respond
from tests.servers.server import REGION, Server
from tests.service.worker_runs import REPORTS, SOURCE, STORE, configuration
from tests.state.scheduling import claimed, tick

READING = ["s3:ListBucket", "s3:ListBucketVersions", "s3:GetObject"]


@contextmanager
def workplace(
    server: Server | FaultServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    """Where a worker works that has the first user's keys."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("STOCKTAKE_STATE_FOLDER", str(folder / "state"))
    site = Site(STORE, Store(endpoint_url=server.endpoint_url, region=REGION), ())
    with Ledger.open(folder / "state", now=house.now) as ledger:
        yield Workplace(ledger, {STORE: site}, folder, threading.Event())


def put(place: Workplace, bucket: str, reports: str) -> StoredConfiguration:
    """Put a configuration as the service does."""
    with KnownBuckets({STORE: place.stores[STORE].store}, house.monotonic) as buckets:
        owner = buckets.owner(STORE, bucket)
    return place.ledger.configurations.put(STORE, bucket, configuration(bucket=reports), owner)


def worked(place: Workplace, key: ConfigurationKey) -> ScheduledRun:
    """The run of a configuration for its first period, once a worker has had it."""
    tick(place.ledger)
    claim = claimed(place.ledger)
    assert claim.key == key
    work_on(place, claim, house.monotonic())
    return place.ledger.schedule.get(claim.run)


def keys(client: Any, bucket: str) -> list[str]:
    return [each["Key"] for each in client.list_objects_v2(Bucket=bucket).get("Contents", [])]


@pytest.fixture
def place(
    ceph_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    with workplace(ceph_server, tmp_path, monkeypatch) as found:
        yield found


def made_anew(server: Server, bucket: str, *allowed: str) -> Any:
    """Have the other user make the bucket anew, and let the first one do so much there."""
    server.client().delete_bucket(Bucket=bucket)
    other = server.client(other=True)
    other.create_bucket(Bucket=bucket)
    other.put_object(Bucket=bucket, Key="secret", Body=b"x")
    names = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    statement = {"Effect": "Allow", "Principal": "*", "Action": [*allowed], "Resource": names}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    other.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))
    return other


@pytest.mark.server
def test_a_bucket_of_somebody_else_is_not_reported_to_where_the_old_one_was(
    place: Workplace, ceph_server: Server, buckets: Callable[..., str]
) -> None:
    client, source, reports = ceph_server.client(), buckets("source"), buckets("reports")
    for bucket in (source, reports):
        client.create_bucket(Bucket=bucket)
    stored = put(place, source, reports)
    assert stored.owner == "inventory"
    made_anew(ceph_server, source, *READING, "s3:GetBucketAcl")
    run = worked(place, stored.key)
    assert run.state is ScheduledState.FAILED
    assert run.error is not None
    assert "is other's; it was inventory's" in run.error
    suspended = place.ledger.configurations.get(stored.key).suspension
    assert suspended is not None
    assert suspended.reason == run.error
    assert keys(client, reports) == []
    # Whoever puts it again wants this bucket.
    again = put(place, source, reports)
    assert (again.owner, again.suspension) == ("other", None)
    assert worked(place, again.key).state is ScheduledState.PUBLISHED
    assert [key for key in keys(client, reports) if key.endswith("manifest.checksum")]


@pytest.mark.server
def test_a_bucket_that_may_be_somebody_elses_is_not_reported_on_either(
    place: Workplace, ceph_server: Server, buckets: Callable[..., str]
) -> None:
    client, source, reports = ceph_server.client(), buckets("source"), buckets("reports")
    for bucket in (source, reports):
        client.create_bucket(Bucket=bucket)
    stored = put(place, source, reports)
    made_anew(ceph_server, source, *READING)
    run = worked(place, stored.key)
    assert run.state is ScheduledState.WAITING  # to be tried again: a permission may be missing
    assert run.error is not None
    assert "cannot be told any more" in run.error
    assert place.ledger.configurations.get(stored.key).suspension is None
    assert keys(client, reports) == []


@pytest.mark.server
@pytest.mark.parametrize("name", ["ceph_server", "moto_server"])
def test_a_configuration_is_suspended_when_its_bucket_is_gone(
    name: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    buckets: Callable[..., str],
) -> None:
    server: Server = request.getfixturevalue(name)
    client, source, reports = server.client(), buckets("source"), buckets("reports")
    for bucket in (source, reports):
        client.create_bucket(Bucket=bucket)
    with workplace(server, tmp_path, monkeypatch) as place:
        stored = put(place, source, reports)
        client.delete_bucket(Bucket=source)
        run = worked(place, stored.key)
        assert (run.state, run.error) == (ScheduledState.FAILED, f"the bucket {source} is gone")
        assert place.ledger.configurations.get(stored.key).suspension is not None
        clear_over(place.ledger)
        assert place.ledger.claims.to_clear() == []


@pytest.fixture
def faulty(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workplace]:
    fault_server.bucket(SOURCE, [FixtureObject(f"{n}", body=b"x") for n in range(3)])
    fault_server.bucket(REPORTS)
    with workplace(fault_server, tmp_path, monkeypatch) as found:
        yield found


@pytest.mark.parametrize("status", [403, 404, 500, 501])
def test_a_store_that_tells_no_owners_has_its_buckets_reported_on(
    faulty: Workplace, fault_server: FaultServer, status: int
) -> None:
    fault_server.rule(respond(status, body=b""), operation="GetBucketAcl")
    stored = put(faulty, SOURCE, REPORTS)
    assert stored.owner is None
    assert worked(faulty, stored.key).state is ScheduledState.PUBLISHED
    assert faulty.ledger.configurations.get(stored.key).owner is None


def test_the_first_run_notes_whose_the_bucket_is(
    faulty: Workplace, fault_server: FaultServer
) -> None:
    fault_server.rule(access_denied(), operation="GetBucketAcl", times=1)
    stored = put(faulty, SOURCE, REPORTS)
    assert stored.owner is None
    assert worked(faulty, stored.key).state is ScheduledState.PUBLISHED
    assert faulty.ledger.configurations.get(stored.key).owner == "fault"


@pytest.mark.parametrize("status", [404, 503])
def test_a_proxy_that_answers_for_a_store_that_is_down_suspends_nothing(
    faulty: Workplace, fault_server: FaultServer, status: int
) -> None:
    stored = put(faulty, SOURCE, REPORTS)
    fault_server.rule(respond(status, body=b"<html>nothing here</html>"), method="GET")
    run = worked(faulty, stored.key)
    assert (run.state, run.attempts) == (ScheduledState.WAITING, 1)
    assert faulty.ledger.configurations.get(stored.key).suspension is None
