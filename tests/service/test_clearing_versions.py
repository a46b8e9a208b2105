"""What a run left in a bucket with versions goes version by version: what it wrote, no marker is made, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.addresses import S3Address
from stocktake.model.runs import InventoryRun
from stocktake.model.store import Store
from stocktake.service.abandoning import abandon_run
from stocktake.service.runs import open_ledger
from stocktake.service.working import carry_out, resume_run
from tests.servers.fault import FaultServer, access_denied
from tests.servers.server import Server
from tests.service.runs import kill, publish
from tests.service.taking import run_to, taker

STORES = pytest.mark.parametrize(
    "server",
    ["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)],
    ids=["moto", "ceph"],
    indirect=True,
)
Versions = set[tuple[str, str]]


@pytest.fixture
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = request.getfixturevalue(request.param)
    for name, value in found.environment().items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def run(server: Server | FaultServer, buckets: Callable[..., str]) -> InventoryRun:
    s3, bucket, store = server.client(), buckets("reports"), Store(server.endpoint_url)
    if isinstance(server, FaultServer):
        server.bucket(bucket, versioning="Enabled")
    else:
        s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)  # and so with versions
    return run_to(S3Address(bucket, "p"), source=store, destination=store)


def versions(server: Server | FaultServer, run: InventoryRun) -> Versions:
    """Keys and versions in the run's destination, delete markers too."""
    assert isinstance(run.address, S3Address)
    page: Any = server.client().list_object_versions(Bucket=run.address.bucket)
    found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
    return {(each["Key"], each["VersionId"]) for each in found}


@STORES
def test_of_an_abandoned_run_no_version_is_left_wherever_it_was_killed(
    server: Server, run: InventoryRun, tmp_path: Path
) -> None:
    publish(tmp_path, run)
    others = versions(server, run)
    for after in ("delivered", "delivery told", "symlink.txt lies there", "manifest.json"):
        name = kill(tmp_path, run, after)
        assert versions(server, run) > others
        abandon_run(tmp_path, name)
        assert versions(server, run) == others, after


@STORES
def test_a_run_that_goes_on_leaves_nothing_of_what_it_placed_before(
    server: Server, run: InventoryRun, tmp_path: Path
) -> None:
    name = kill(tmp_path, run, "manifest.json lies there")
    with open_ledger(tmp_path) as ledger:
        carry_out(ledger, resume_run(ledger, name), taker())
        known = ledger.expiries.versions_of(name)
    there = versions(server, run)
    assert len(there) == len({key for key, _ in there})  # one of each, and no markers
    assert there <= {(key, each) for key, some in known.items() for each in some}


@STORES
def test_what_others_wrote_under_its_keys_stays_and_what_is_hidden_goes(
    server: Server, run: InventoryRun, tmp_path: Path
) -> None:
    name = kill(tmp_path, run, "manifest.json")
    own, s3 = versions(server, run), server.client()
    assert isinstance(run.address, S3Address)
    at = {"Bucket": run.address.bucket}
    data, other = sorted(key for key, _ in own if "/data/" in key)[:2]
    [symlink] = (key for key, _ in own if key.endswith("symlink.txt"))
    for key in (data, symlink):
        s3.put_object(**at, Key=key, Body=b"of somebody else")
    foreign = versions(server, run) - own
    s3.delete_object(**at, Key=other)  # as older releases did
    abandon_run(tmp_path, name)
    assert versions(server, run) == foreign


@pytest.mark.parametrize("server", ["fault_server"], indirect=True)
def test_where_versions_may_not_be_listed_what_is_known_and_what_is_seen_goes(
    server: FaultServer, run: InventoryRun, tmp_path: Path
) -> None:
    for after in ("delivered", "manifest.json lies there"):
        name = kill(tmp_path, run, after)
        server.rule(access_denied(), operation="ListObjectVersions")
        abandon_run(tmp_path, name)
        server.clear_rules()
        assert versions(server, run) == set(), after
