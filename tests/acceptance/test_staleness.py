"""Whatever can change about an object without a new version is found again, and not later than promised: within as many
runs as the share to revisit needs for all, or when the answer is too old, or at once where it was bound to change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stocktake.model.fields import BY_NAME, FIELDS, Source
from tests.acceptance.days import Days, ages_of, sidecar_of
from tests.servers.fault import Bucket, FaultServer, FixtureObject
from tests.servers.server import Server

KEYS = [f"k{number:02}" for number in range(24)]
CYCLE = 3  # runs in which `--revisit 34%` comes to every object

# What HEAD says of an object in the beginning, and after it was changed in place, by field.
HEADERS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ReplicationStatus": (
        {"x-amz-replication-status": "COMPLETED"},
        {"x-amz-replication-status": "REPLICA"},
    ),
    "EncryptionStatus": ({}, {"x-amz-server-side-encryption": "aws:kms"}),
    "BucketKeyStatus": (
        {"x-amz-server-side-encryption": "aws:kms"},
        {
            "x-amz-server-side-encryption": "aws:kms",
            "x-amz-server-side-encryption-bucket-key-enabled": "true",
        },
    ),
    "KmsKeyArn": (
        {"x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:r:1:key/a"},
        {"x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:r:1:key/b"},
    ),
    "ObjectLockMode": ({}, {"x-amz-object-lock-mode": "GOVERNANCE"}),
    "ObjectLockRetainUntilDate": (
        {"x-amz-object-lock-retain-until-date": "2030-01-01T00:00:00Z"},
        {"x-amz-object-lock-retain-until-date": "2040-01-01T00:00:00Z"},
    ),
    "ObjectLockLegalHoldStatus": ({}, {"x-amz-object-lock-legal-hold": "ON"}),
    "ObjectLockEventHoldStatus": ({}, {"x-amz-object-lock-event-hold": "ON"}),
    "ObjectLockEventHoldDuration": ({}, {"x-amz-object-lock-event-hold-duration-days": "9"}),
    "IntelligentTieringAccessTier": ({}, {"x-amz-archive-status": "ARCHIVE_ACCESS"}),
    "LifecycleExpirationDate": (
        {},
        {"x-amz-expiration": 'expiry-date="Fri, 21 Dec 2035 00:00:00 GMT", rule-id="r"'},
    ),
}


def test_every_field_that_can_change_in_place_is_tested_here() -> None:
    by_head = {field.name for field in FIELDS if field.mutable and field.source is Source.HEAD}
    assert by_head == set(HEADERS)
    asked = {field.name for field in FIELDS if field.mutable and field.source is not Source.HEAD}
    assert asked == {
        "IsLatest", "StorageClass", "ObjectOwner",  # LIST says them anew each time
        "RestoreStatus", "ObjectTags", "ObjectAccessControlList",  # below
        "IntelligentTieringReferenceDate",  # no call yields it
    }  # fmt: skip


@pytest.fixture
def days_of(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Days]:
    return lambda fields: Days("b", tmp_path, fault_server.environment(), monkeypatch, fields)


def put_all(bucket: Bucket, **changes: Any) -> None:
    """Write the objects in place: what LIST says of them stays."""
    for key in KEYS:
        bucket.put(FixtureObject(key, **changes))


def test_what_head_says_is_found_changed_within_the_cycle(
    fault_server: FaultServer, days_of: Callable[[str], Days]
) -> None:
    days = days_of(f"default,{','.join(HEADERS)}")
    bucket = fault_server.bucket("b")
    merged = {name: value for before, _ in HEADERS.values() for name, value in before.items()}
    merged |= HEADERS["BucketKeyStatus"][0]
    put_all(bucket, head_headers=merged)
    days.run()
    changed = merged | {n: v for _, after in HEADERS.values() for n, v in after.items()}
    changed["x-amz-server-side-encryption"] = "aws:kms:dsse"
    put_all(bucket, head_headers=changed)
    truth = days.in_full()
    found: list[int] = []
    revised = dict.fromkeys(HEADERS, 0)
    for _ in range(CYCLE):
        outcome = days.run("--revisit", "34%")
        rows = days.rows(outcome)
        for name, count in sidecar_of(outcome)["remembered"]["revised"].items():
            revised[name] += count
        columns = [BY_NAME[name].column for name in HEADERS]
        alike = [
            rows.select(columns).slice(n, 1) == truth.select(columns).slice(n, 1)
            for n in range(len(KEYS))
        ]
        found.append(sum(alike))
    assert found == sorted(found)
    assert 0 < found[0] < len(KEYS)
    assert found[-1] == len(KEYS)
    assert revised == dict.fromkeys(HEADERS, len(KEYS))


def test_no_answer_becomes_older_than_was_asked_for(
    fault_server: FaultServer, days_of: Callable[[str], Days]
) -> None:
    days = days_of("default,EncryptionStatus")
    bucket = fault_server.bucket("b")
    put_all(bucket)
    days.run()
    put_all(bucket, head_headers={"x-amz-server-side-encryption": "AES256"})
    for later, expected in ((6, "NOT-SSE"), (1, "SSE-S3")):
        outcome = days.run("--revisit", "0%", "--remember-for", "7d", days=later)
        rows = days.rows(outcome)
        assert rows.column("encryption_status").unique().to_pylist() == [expected]
        oldest = days.moment.date() - timedelta(days=6)
        assert all(day is not None and day >= oldest for day, _ in ages_of(outcome))


def test_what_is_fixed_for_good_is_never_asked_for_again(
    fault_server: FaultServer, days_of: Callable[[str], Days]
) -> None:
    days = days_of("default,ContentType,UserMetadata,ChecksumValue,PartsCount")
    put_all(fault_server.bucket("b"))
    days.run()
    outcome = days.run("--revisit", "100%", "--remember-for", "1d", days=400)
    assert outcome.document["remembered"]["reused"] == len(KEYS)
    assert outcome.document["requests"].get("head", 0) == 0


def test_what_is_bound_to_change_is_asked_for_again_at_once(
    fault_server: FaultServer, days_of: Callable[[str], Days]
) -> None:
    days = days_of("default,ReplicationStatus,RestoreStatus")
    bucket = fault_server.bucket("b")
    bucket.put(FixtureObject("ongoing", restore='ongoing-request="true"', storage_class="GLACIER"))
    bucket.put(FixtureObject("pending", head_headers={"x-amz-replication-status": "PENDING"}))
    bucket.put(FixtureObject("settled", head_headers={"x-amz-replication-status": "COMPLETED"}))
    days.run()
    restored = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"'
    bucket.put(FixtureObject("ongoing", restore=restored, storage_class="GLACIER"))
    bucket.put(FixtureObject("pending", head_headers={"x-amz-replication-status": "COMPLETED"}))
    outcome = days.run("--revisit", "0%")
    assert outcome.document["remembered"]["revisited"] == 2
    assert days.rows(outcome) == days.in_full()
    bucket.put(FixtureObject("ongoing", storage_class="GLACIER"))
    assert days.rows(days.run("--revisit", "0%")) == days.in_full()


def test_a_transition_to_another_class_has_the_object_asked_about_again(
    fault_server: FaultServer, days_of: Callable[[str], Days]
) -> None:
    days = days_of("default,IntelligentTieringAccessTier")
    bucket = fault_server.bucket("b")
    put_all(bucket)
    days.run()
    archived = {"x-amz-archive-status": "ARCHIVE_ACCESS"}
    bucket.put(FixtureObject(KEYS[3], storage_class="INTELLIGENT_TIERING", head_headers=archived))
    outcome = days.run("--revisit", "0%")
    assert outcome.document["remembered"]["revisited"] == 1
    assert days.rows(outcome) == days.in_full()


# -- on real stores ----------------------------------------------------------------------------------

REAL = "default,ObjectTags,ObjectAccessControlList,ObjectLockMode,ObjectLockRetainUntilDate,ObjectLockLegalHoldStatus"


@pytest.fixture(params=["moto_server", pytest.param("ceph_server", marks=pytest.mark.server)])
def store(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def locked(store: Server, buckets: Callable[..., str]) -> Iterator[tuple[Any, str]]:
    client, name = store.client(), buckets("stale")
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    for key in KEYS:
        client.put_object(Bucket=name, Key=key, Body=key.encode(), Tagging="team=old")
    yield client, name
    for key in KEYS:
        client.put_object_legal_hold(Bucket=name, Key=key, LegalHold={"Status": "OFF"})


@pytest.mark.slow
def test_tags_acls_holds_and_retention_are_found_changed_within_the_cycle(
    store: Server, locked: tuple[Any, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, name = locked
    days = Days(name, tmp_path, store.environment(), monkeypatch, REAL)
    first = days.rows(days.run())
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    for key in KEYS:
        named = {"Bucket": name, "Key": key}
        client.put_object_tagging(**named, Tagging={"TagSet": [{"Key": "team", "Value": "new"}]})
        client.put_object_acl(**named, ACL="public-read")
        client.put_object_legal_hold(**named, LegalHold={"Status": "ON"})
        client.put_object_retention(
            **named, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until}
        )
    truth = days.in_full()
    columns = [BY_NAME[field].column for field in REAL.split(",")[1:]]
    alike: list[int] = []
    for _ in range(CYCLE):
        rows = days.rows(days.run("--revisit", "34%"))
        found = 0
        for number in range(len(KEYS)):
            row = rows.slice(number, 1).select(columns)
            old, new = (each.slice(number, 1).select(columns) for each in (first, truth))
            assert row in (old, new)
            assert old != new
            found += rows.slice(number, 1) == truth.slice(number, 1)
        alike.append(found)
    assert 0 < alike[0] < len(KEYS)
    assert alike[-1] == len(KEYS)
