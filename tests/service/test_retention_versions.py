"""What a run wrote into a bucket with versions is what goes with its report, version by version, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.addresses import S3Address
from stocktake.model.paths import ReportPaths
from stocktake.model.retention import Condition, Retention
from stocktake.model.store import Store
from stocktake.service.retention import Expired, expire, find_reports, opened_shelf
from stocktake.service.runs import open_ledger
from tests.acceptance.command_line import stocktake
from tests.servers.fault import FaultServer, access_denied
from tests.servers.server import Server
from tests.service.runs import publish
from tests.service.taking import NOW, root_of, run_to

LAST = Retention(keep_last=1)
STORES = pytest.mark.parametrize(
    "name",
    ["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)],
    ids=["moto", "ceph"],
)


class Bucket:
    """A bucket with versions and two reports in it, and the ledger of the runs that wrote them."""

    def __init__(self, server: Server | FaultServer, name: str, state: Path) -> None:
        self.s3, self.name, self.state = server.client(), name, state
        store = Store(server.endpoint_url)
        self.run = run_to(S3Address(name, "p"), source=store, destination=store)
        for day in range(2):
            publish(state, replace(self.run, moment=NOW + timedelta(days=day)))
        self.old = ReportPaths(root_of(self.run), NOW)

    def versions(self) -> set[tuple[str, str]]:
        """Keys and versions, delete markers too."""
        page = self.s3.list_object_versions(Bucket=self.name)
        found = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        return {(each["Key"], each["VersionId"]) for each in found}

    def expire(self, **options: Any) -> Expired:
        place = S3Address(self.name)
        with (
            opened_shelf(place, self.run.destination, root_of(self.run)) as shelf,
            open_ledger(self.state) as ledger,
        ):
            [told] = expire(shelf, ledger, LAST, NOW + timedelta(days=1), **options)
            assert ledger.expiries.open() == ()
            return told

    def known(self, paths: ReportPaths) -> set[tuple[str, str]]:
        """What the ledger knows to be written."""
        place = S3Address(self.name)
        with (
            opened_shelf(place, self.run.destination, root_of(self.run)) as shelf,
            open_ledger(self.state) as ledger,
        ):
            found = ledger.expiries.versions(shelf.expiry(paths))
        return {(key, version) for key, versions in found.items() for version in versions}


@pytest.fixture
def make(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    buckets: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[str], Bucket]:
    def made(name: str) -> Bucket:
        server: Server = request.getfixturevalue(name)
        for variable, value in server.environment().items():
            monkeypatch.setenv(variable, value)
        bucket = buckets("versions")
        server.client().create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
        return Bucket(server, bucket, tmp_path / "state")

    return made


@STORES
def test_the_ledger_knows_each_version_that_was_written(
    make: Callable[[str], Bucket], name: str
) -> None:
    bucket = make(name)
    newer = ReportPaths(root_of(bucket.run), NOW + timedelta(days=1))
    assert bucket.known(bucket.old) | bucket.known(newer) == bucket.versions()
    assert bucket.known(bucket.old) & bucket.known(newer) == set()


@STORES
def test_exactly_these_go_and_what_others_wrote_stays_and_is_told(
    make: Callable[[str], Bucket], name: str
) -> None:
    bucket = make(name)
    own, before = bucket.known(bucket.old), bucket.versions()
    data = next(key for key, _ in own if "/data/" in key)
    bucket.s3.put_object(Bucket=bucket.name, Key=data, Body=b"of somebody else")
    bucket.s3.put_object(Bucket=bucket.name, Key=bucket.old.symlink, Body=b"likewise")
    bucket.s3.delete_object(Bucket=bucket.name, Key=bucket.old.symlink)
    foreign = bucket.versions() - before
    assert len(foreign) == 3
    told = bucket.expire(dry_run=True)
    assert (told.why, told.objects, told.others) == ("", len(own), 3)
    told = bucket.expire()
    assert (told.why, told.objects, told.others) == ("", len(own), 3)
    assert bucket.versions() == before - own | foreign


@STORES
def test_markers_go_with_the_versions_that_they_hide(
    make: Callable[[str], Bucket], name: str
) -> None:
    bucket = make(name)
    own, before = bucket.known(bucket.old), bucket.versions()
    for key in (bucket.old.symlink, bucket.old.sidecar):
        bucket.s3.delete_object(Bucket=bucket.name, Key=key)
    told = bucket.expire()
    assert (told.why, told.objects, told.others) == ("", len(own) + 2, 0)
    assert bucket.versions() == before - own


@STORES
def test_a_report_of_which_all_that_lies_there_is_of_others_is_nobodys_to_remove(
    make: Callable[[str], Bucket], name: str
) -> None:
    bucket = make(name)
    manifest = bucket.s3.get_object(Bucket=bucket.name, Key=bucket.old.manifest)["Body"].read()
    checksum = bucket.s3.get_object(Bucket=bucket.name, Key=bucket.old.checksum)["Body"].read()
    for key, body in ((bucket.old.manifest, manifest), (bucket.old.checksum, checksum)):
        bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=body)
    assert bucket.expire().others == 2
    before = bucket.versions()
    for _ in range(2):
        told = bucket.expire()
        assert told.report.condition is Condition.DAMAGED
        assert told.why == "of what lies there, its run wrote nothing"
        assert bucket.versions() == before


@STORES
def test_a_locked_version_keeps_its_report_whole_and_an_unlocked_foreign_one_does_not(
    make: Callable[[str], Bucket], name: str
) -> None:
    bucket = make(name)
    own, before = bucket.known(bucket.old), bucket.versions()
    locked = next((key, version) for key, version in own if "/data/" in key)
    which = {"Bucket": bucket.name, "Key": locked[0], "VersionId": locked[1]}
    bucket.s3.put_object_legal_hold(**which, LegalHold={"Status": "ON"})
    told = bucket.expire()
    assert told.why.endswith(f"{locked[0]} is under a legal hold")
    assert bucket.versions() == before
    bucket.s3.put_object_legal_hold(**which, LegalHold={"Status": "OFF"})
    # A lock on what somebody else wrote there is in nobody's way.
    bucket.s3.put_object(Bucket=bucket.name, Key=locked[0], Body=b"of somebody else")
    which.pop("VersionId")
    bucket.s3.put_object_legal_hold(**which, LegalHold={"Status": "ON"})
    foreign = bucket.versions() - before
    assert (bucket.expire().why, bucket.versions()) == ("", before - own | foreign)
    bucket.s3.put_object_legal_hold(**which, LegalHold={"Status": "OFF"})


def test_what_is_known_goes_where_versions_may_not_be_listed(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in fault_server.environment().items():
        monkeypatch.setenv(variable, value)
    fault_server.bucket("reports", versioning="Enabled")
    bucket = Bucket(fault_server, "reports", tmp_path / "state")
    own, before = bucket.known(bucket.old), bucket.versions()
    assert own
    fault_server.rule(access_denied(), operation="ListObjectVersions")
    told = bucket.expire()
    fault_server.clear_rules()
    assert (told.why, told.objects) == ("", len(own))
    assert bucket.versions() == before - own
    assert bucket.known(bucket.old) == set()


@pytest.mark.server
def test_a_whole_run_notes_all_that_it_wrote_companions_too(
    ceph_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    s3, source, reports = ceph_server.client(), buckets("source"), buckets("reports")
    for name in (source, reports):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=reports, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=source, Key="a", Body=b"x")
    environment = {**ceph_server.environment(), "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    for number in range(2):
        done = stocktake(
            "run", f"s3://{source}", f"s3://{reports}", "--id", "daily", "--usage",
            "--fields", "Size,EncryptionStatus", "--json", environment=environment,
        )  # fmt: skip
        assert done.code == 0, (number, done.err)
    page = s3.list_object_versions(Bucket=reports)["Versions"]
    written = {(each["Key"], each["VersionId"]) for each in page}
    assert {key.rpartition("/")[2] for key, _ in written} >= {
        "manifest.json", "manifest.checksum", "symlink.txt", "stocktake.json", "usage.parquet",
        "enrichment.parquet",
    }  # fmt: skip
    store = Store()  # which the environment says, as for the commands
    with (
        pytest.MonkeyPatch.context() as patch,
        open_ledger(tmp_path / "state") as ledger,
    ):
        for variable, value in ceph_server.environment().items():
            patch.setenv(variable, value)
        with opened_shelf(S3Address(reports), store, f"{source}/daily") as shelf:
            known = [
                ledger.expiries.versions(shelf.expiry(each.paths)) for each in find_reports(shelf)
            ]
    found = {(key, each) for one in known for key, versions in one.items() for each in versions}
    assert found == written
    stocktake(
        "reports", "expire", f"s3://{reports}/{source}/daily", "--keep-last", "1",
        environment=environment,
    )  # fmt: skip
    left = s3.list_object_versions(Bucket=reports)
    assert "DeleteMarkers" not in left
    gone = written - {(each["Key"], each["VersionId"]) for each in left["Versions"]}
    assert gone == {(key, each) for key, versions in known[0].items() for each in versions}


def test_an_error_of_a_store_removes_nothing_by_guesses(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in fault_server.environment().items():
        monkeypatch.setenv(variable, value)
    fault_server.bucket("reports", versioning="Enabled")
    bucket = Bucket(fault_server, "reports", tmp_path / "state")
    before = bucket.versions()
    with open_ledger(bucket.state) as ledger:  # as a ledger that knows nothing of the report
        [*runs] = ledger.runs()
        for run in runs:
            ledger.forget(run.id, [key for key, _ in before])
    fault_server.rule(access_denied(), operation="ListObjectVersions")
    told = bucket.expire()
    fault_server.clear_rules()
    assert told.why
    assert bucket.versions() == before
