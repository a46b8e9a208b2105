"""A bucket that changes while it is inventoried: every row true of one moment, every problem counted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.acceptance.reports import folder_keys, parquet_rows, run
from tests.servers.fault import (
    FaultServer,
    FixtureObject,
    latency,
    refuse_checksum_mode,
    synthetic,
)

LATER = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
OBJECT_LOCK = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
SSE_KMS = {"x-amz-server-side-encryption": "aws:kms"}


def objects() -> list[FixtureObject]:
    return [FixtureObject(f"k{number:04d}", body=b"old") for number in range(1500)]


def new(key: str) -> FixtureObject:
    """An object that is written while the run is under way."""
    return FixtureObject(key, body=b"new", last_modified=datetime.now(UTC))


def test_an_object_overwritten_after_it_was_listed_is_reported_as_the_new_one(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    bucket = fault_server.bucket("b", objects())
    fault_server.before_head(
        "k0007",
        lambda: bucket.overwrite(
            "k0007", body=b"newer", last_modified=LATER, head_headers=SSE_KMS, storage_class="STANDARD_IA",
            checksum_algorithm="SHA256", checksum_value="abc=",
        ),
    )  # fmt: skip
    outcome = run(
        fault_server.environment(),
        "s3://b",
        str(tmp_path),
        "--fields",
        "default,EncryptionStatus,ObjectOwner",
    )
    assert outcome.code == 0, outcome.words
    assert outcome.summary["problems"] == {"changed": 1}
    row = parquet_rows(tmp_path)[7]
    assert (row["key"], row["size"], row["last_modified_date"]) == ("k0007", 5, LATER)
    assert (row["encryption_status"], row["storage_class"]) == ("SSE-KMS", "STANDARD_IA")
    assert row["e_tag"] == bucket.find("k0007").etag  # type: ignore[union-attr]
    assert row["checksum_algorithm"] == "SHA256"


def test_objects_deleted_and_added_meanwhile_leave_true_rows(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    bucket = fault_server.bucket("b", objects())

    def change() -> None:
        bucket.remove("k0001")
        bucket.put(new("a-new-one"))  # before what is being listed
        bucket.put(new("z-new-one"))  # behind it

    fault_server.before_head("k0000", change)
    outcome = run(
        fault_server.environment(),
        "s3://b",
        str(tmp_path),
        "--fields",
        "Size,EncryptionStatus",
        "--concurrency",
        "1",
    )
    assert outcome.code == 0, outcome.words
    assert outcome.summary["problems"] == {"vanished": 1}
    rows = {row["key"]: row for row in parquet_rows(tmp_path)}
    assert rows["k0001"]["size"] == 3  # what listing knew
    assert rows["k0001"]["encryption_status"] is None
    assert "z-new-one" in rows
    assert "a-new-one" not in rows
    assert len(rows) == 1501


def test_strict_turns_a_problem_into_failure_and_publishes_nothing(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.bucket("b", [FixtureObject("mine"), FixtureObject("theirs", denied=True)])
    arguments = ("s3://b", str(tmp_path), "--fields", "EncryptionStatus")
    outcome = run(fault_server.environment(), *arguments, "--strict")
    assert outcome.code == 1
    assert "1 refused" in outcome.words
    assert folder_keys(tmp_path) == []


def test_a_session_token_that_expires_in_mid_run_changes_nothing(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.bucket(
        "b",
        [
            FixtureObject(f"k{number:04d}", sse_c=number % 100 == 50, denied=number % 100 == 70)
            for number in range(1500)
        ],
    )
    fault_server.require({"first", "second"}, {"token-1", "token-2"})
    uri = fault_server.issue("first", "secret-1", "token-1")
    fault_server.expire_token("token-1", after_requests=700)
    fault_server.rule(latency(0.002))

    environment = {
        "AWS_ENDPOINT_URL": fault_server.endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": uri,
    }
    # The next credentials are handed out as soon as the first ones were fetched by all who need them.
    fault_server.after_page(1, lambda: fault_server.issue("second", "secret-2", "token-2") and None)
    outcome = run(environment, "s3://b", str(tmp_path), "--fields", "EncryptionStatus")
    assert outcome.code == 0, outcome.words
    rows = parquet_rows(tmp_path)
    found = {row["key"]: row["encryption_status"] for row in rows}
    assert {key for key, status in found.items() if status == "SSE-C"} == {
        f"k{number:04d}" for number in range(50, 1500, 100)
    }
    assert {key for key, status in found.items() if status is None} == {
        f"k{number:04d}" for number in range(70, 1500, 100)
    }
    assert outcome.summary["problems"]["refused"] == 15
    assert "failed" not in outcome.summary["problems"]


def test_withheld_headers_are_unknowable_until_a_permission_is_proven(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    lock = {"object-lock": OBJECT_LOCK}
    two = [FixtureObject("a"), FixtureObject("b")]
    fault_server.bucket("b", two, documents=lock, withheld={"retention", "legal-hold"})
    arguments = ("--fields", "ObjectLockMode,ObjectLockLegalHoldStatus")
    outcome = run(fault_server.environment(), "s3://b", str(tmp_path / "withheld"), *arguments)
    assert outcome.code == 0, outcome.words
    assert outcome.summary["problems"] == {"unknowable": 4}
    fault_server.bucket("open", two, documents=lock)
    outcome = run(fault_server.environment(), "s3://open", str(tmp_path / "open"), *arguments)
    assert outcome.summary["problems"] == {}


def test_fields_that_no_other_store_here_can_answer_come_out_as_aws_writes_them(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    headers = {
        "x-amz-replication-status": "COMPLETE",
        "x-amz-server-side-encryption": "aws:kms:dsse",
        "x-amz-server-side-encryption-bucket-key-enabled": "true",
        "x-amz-archive-status": "DEEP_ARCHIVE_ACCESS",
        "x-amz-expiration": 'expiry-date="Fri, 23 Dec 2033 00:00:00 GMT", rule-id="a%20rule"',
        "x-amz-object-lock-event-hold": "ON",
        "x-amz-object-lock-event-hold-duration-days": "30",
    }
    fault_server.bucket(
        "b", [FixtureObject("a", storage_class="INTELLIGENT_TIERING", head_headers=headers)]
    )
    outcome = run(fault_server.environment(), "s3://b", str(tmp_path), "--fields", "all")
    assert outcome.code == 0, outcome.words
    [row] = parquet_rows(tmp_path)
    assert row["replication_status"] == "COMPLETED"
    assert row["encryption_status"] == "DSSE-KMS"
    assert row["bucket_key_status"] == "ENABLED"
    assert row["intelligent_tiering_access_tier"] == "DEEP_ARCHIVE"
    assert row["lifecycle_expiration_date"] == datetime(2033, 12, 23, tzinfo=UTC)
    assert row["object_lock_event_hold_status"] == "ON"
    assert row["object_lock_event_hold_duration"] == "30 days"
    assert row["intelligent_tiering_reference_date"] is None
    [sidecar] = tmp_path.rglob("stocktake.json")
    assert json.loads(sidecar.read_text())["never"] == ["IntelligentTieringReferenceDate"]


def test_no_head_is_sent_where_none_is_needed(fault_server: FaultServer, tmp_path: Path) -> None:
    fault_server.bucket("b", generated=synthetic(2500))
    outcome = run(fault_server.environment(), "s3://b", str(tmp_path), "--fields", "free")
    assert outcome.code == 0, outcome.words
    assert fault_server.counts["HeadObject"] == 0
    assert outcome.summary["rows"] == 2500


def test_checksum_mode_is_given_up_for_an_object_that_forbids_it(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    fault_server.bucket("b", [FixtureObject("a"), FixtureObject("b")])
    fault_server.rule(refuse_checksum_mode(), operation="HeadObject", key="a")
    fields = "EncryptionStatus,ChecksumAlgorithm"
    outcome = run(fault_server.environment(), "s3://b", str(tmp_path), "--fields", fields)
    assert outcome.code == 0, outcome.words
    assert [row["encryption_status"] for row in parquet_rows(tmp_path)] == ["NOT-SSE", "NOT-SSE"]
    assert outcome.summary["problems"] == {}
