"""A memory that is wrong does no harm: it is refused with a reason, or exactly its bad rows are asked about again."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from stocktake.model.configuration import Format
from stocktake.model.manifest import render_checksum
from tests.acceptance.command_line import Outcome, stocktake
from tests.acceptance.days import Days, manifest_of, sidecar_of
from tests.analysis.genuine import CREATED, columns_of, deliver
from tests.servers.fault import (
    Bucket,
    FaultServer,
    FixtureObject,
    access_denied,
    refuse_checksum_mode,
)

COUNT = 60
OBJECT_LOCK = b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"
FIELDS = "default,EncryptionStatus,ObjectTags"


@pytest.fixture
def bucket(fault_server: FaultServer) -> Bucket:
    objects = [FixtureObject(f"k{n:03}", size=n, tags={"n": str(n)}) for n in range(COUNT)]
    return fault_server.bucket("b", objects)


@pytest.fixture
def days(
    fault_server: FaultServer, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Days:
    return Days("b", tmp_path, fault_server.environment(), monkeypatch, FIELDS)


def data_file(manifest: Path) -> Path:
    [path] = (manifest.parents[1] / "data").iterdir()
    return path


def rewrite(manifest: Path, sidecar: dict[str, Any], body: dict[str, Any]) -> None:
    """Write a report's documents anew, with a checksum that fits."""
    manifest.write_text(json.dumps(body))
    manifest.with_name("manifest.checksum").write_bytes(render_checksum(manifest.read_bytes()))
    manifest.with_name("stocktake.json").write_text(json.dumps(sidecar))


def name_anew(manifest: Path, path: Path) -> None:
    """Have a report's documents say what its one data file is now."""
    body = json.loads(manifest.read_text())
    sidecar = json.loads(manifest.with_name("stocktake.json").read_text())
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    for document in (body, sidecar):
        document["files"][0] |= {"size": path.stat().st_size, "MD5checksum": md5}
    rewrite(manifest, sidecar, body)


def of_another_bucket(days: Days, manifest: Path) -> str:
    body = json.loads(manifest.read_text()) | {"sourceBucket": "other"}
    rewrite(manifest, json.loads(manifest.with_name("stocktake.json").read_text()), body)
    return "is about the bucket other, and not b"


def of_another_store(days: Days, manifest: Path) -> str:
    sidecar = json.loads(manifest.with_name("stocktake.json").read_text())
    sidecar["endpoint"] = "http://elsewhere:1"
    rewrite(manifest, sidecar, json.loads(manifest.read_text()))
    return "is about a bucket of that name on http://elsewhere:1"


def with_a_damaged_manifest(days: Days, manifest: Path) -> str:
    manifest.write_text(manifest.read_text().replace("b", "c", 1))
    return "does not match its checksum"


def without_its_ages(days: Days, manifest: Path) -> str:
    manifest.with_name("enrichment.parquet").unlink()
    return "there is no file"


def with_damaged_ages(days: Days, manifest: Path) -> str:
    path = manifest.with_name("enrichment.parquet")
    path.write_bytes(path.read_bytes()[:-40] + b"x" * 40)
    return "enrichment.parquet has the MD5"


def with_a_hand_that_is_nowhere(days: Days, manifest: Path) -> str:
    sidecar = json.loads(manifest.with_name("stocktake.json").read_text())
    sidecar["remembered"]["hand"] = -1
    rewrite(manifest, sidecar, json.loads(manifest.read_text()))
    return "not a stocktake.json: remembered.hand"


UNFIT = [
    of_another_bucket,
    of_another_store,
    with_a_damaged_manifest,
    without_its_ages,
    with_damaged_ages,
    with_a_hand_that_is_nowhere,
]


@pytest.mark.parametrize("damage", UNFIT)
def test_an_unfit_report_is_refused_with_a_reason(
    days: Days, damage: Callable[[Days, Path], str]
) -> None:
    first = days.run()
    why = damage(days, manifest_of(first))
    second = days.run()
    assert any(
        "nothing is remembered" in text and why in text for text in second.document["warnings"]
    )
    assert second.document["requests"]["head"] == COUNT
    assert days.rows(second) == days.in_full()
    if damage in {of_another_bucket, of_another_store, with_a_hand_that_is_nowhere}:
        named = days.run("--remember", str(manifest_of(first)))
        named.failed_clearly(2, "--remember", why, "--no-remember")


def test_a_report_that_is_too_large_to_be_copied_is_refused_with_a_reason(
    days: Days, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault_server.bucket("d")
    words = ("run", "s3://b", "s3://d", "--fields", FIELDS, "--json", "--quiet")
    first = stocktake(*words, environment=days.environment).document
    monkeypatch.setattr("stocktake.service.remembering.STAGED_BYTES_MAX", 10)
    why = "bytes of data files; at most 10 are copied here"
    second = stocktake(*words, environment=days.environment).document
    assert any("nothing is remembered" in text and why in text for text in second["warnings"])
    assert second["remembered"]["fresh"] == COUNT
    named = stocktake(*words, "--remember", first["manifest"], environment=days.environment)
    named.failed_clearly(2, "--remember", why)


def test_a_report_that_lacks_fields_is_passed_over_for_one_that_has_them(days: Days) -> None:
    first = days.run()
    days.fields = "default,EncryptionStatus"
    lacking = days.run()
    days.fields = FIELDS
    third = days.run("--revisit", "0%")
    assert sidecar_of(third)["remembered"]["report"] == str(manifest_of(first))
    assert third.document["remembered"]["reused"] == COUNT
    named = days.run("--remember", str(manifest_of(lacking)))
    named.failed_clearly(2, "lacks the fields ObjectTags")
    days.fields = "EncryptionStatus"
    bare = days.run()
    days.fields = FIELDS
    days.run("--remember", str(manifest_of(bare))).failed_clearly(2, "ETag, Size, LastModifiedDate")


def test_reports_of_another_id_are_remembered_only_when_they_are_named(days: Days) -> None:
    first = days.run("--id", "weekly")
    assert days.run().document["remembered"]["fresh"] == COUNT
    named = days.run("--id", "third", "--revisit", "0%", "--remember", str(manifest_of(first)))
    assert named.document["remembered"]["reused"] == COUNT


def test_other_versions_are_refused(days: Days) -> None:
    first = days.run()
    named = days.run("--versions", "All", "--remember", str(manifest_of(first)))
    named.failed_clearly(2, "is about current versions, and not all")


def test_rows_that_cannot_be_read_are_asked_about_again(
    days: Days, fault_server: FaultServer
) -> None:
    first = days.run()
    path = data_file(manifest_of(first))
    whole = path.read_bytes()
    at = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset + 60
    path.write_bytes(whole[:at] + b"\xff" + whole[at + 1 :])  # the page's checksum tells
    second = days.run("--revisit", "0%")
    assert second.document["requests"]["head"] == COUNT
    assert any("could not be read" in text for text in second.document["warnings"])
    assert days.rows(second) == days.in_full()


def without_some_rows(rows: pa.Table) -> pa.Table:
    return rows.slice(7)


def with_bytes_for_keys(rows: pa.Table) -> pa.Table:
    return rows.set_column(1, "key", rows.column("key").cast(pa.binary()))


def with_numbers_for_moments(rows: pa.Table) -> pa.Table:
    at = rows.schema.get_field_index("last_modified_date")
    return rows.set_column(at, "last_modified_date", rows.column(at).cast(pa.int64()))


@pytest.mark.parametrize(
    "change", [without_some_rows, with_bytes_for_keys, with_numbers_for_moments]
)
def test_a_file_that_was_written_anew_as_another_is_not_read(
    days: Days, change: Callable[[pa.Table], pa.Table]
) -> None:
    first = manifest_of(days.run())
    path = data_file(first)
    pq.write_table(change(pq.read_table(path)), path)
    name_anew(first, path)
    second = days.run("--revisit", "0%")
    assert second.document["remembered"]["fresh"] == COUNT
    assert any("could not be read" in text for text in second.document["warnings"])
    assert days.rows(second) == days.in_full()


def test_rows_of_other_versions_of_their_keys_are_asked_about_again(
    days: Days, fault_server: FaultServer
) -> None:
    """A report that was written anew, with files that are whole: some rows tell of another ETag, size or moment."""
    first = days.run()
    manifest = manifest_of(first)
    path = data_file(manifest)
    rows = pq.read_table(path)
    numbers = pa.array(range(COUNT))
    e_tags = pc.if_else(pc.equal(numbers, 5), "0" * 32, rows.column("e_tag").combine_chunks())
    sizes = pc.if_else(pc.equal(numbers, 9), 77, rows.column("size").combine_chunks())
    statuses = pa.array(["SSE-KMS" if n in (5, 9) else "NOT-SSE" for n in range(COUNT)])
    for name, column in (("e_tag", e_tags), ("size", sizes), ("encryption_status", statuses)):
        at = rows.schema.get_field_index(name)
        rows = rows.set_column(at, rows.schema.field(at), column)
    pq.write_table(rows, path)
    name_anew(manifest, path)
    second = days.run("--revisit", "0%")
    assert second.document["remembered"]["fresh"] == 2
    assert days.rows(second) == days.in_full()


def test_what_was_never_answered_is_not_taken_for_an_answer(
    days: Days, bucket: Bucket, fault_server: FaultServer
) -> None:
    bucket.put(FixtureObject("k007", size=7, denied=True))
    first = days.run()
    assert first.document["problems"] == {"refused": 1}
    bucket.put(FixtureObject("k007", size=7, tags={"n": "7"}))
    second = days.run("--revisit", "0%")
    assert second.document["remembered"]["fresh"] == 1
    assert second.document["problems"] == {}
    assert days.rows(second) == days.in_full()


def test_a_report_of_before_there_were_ages_is_remembered_if_nothing_in_it_is_in_doubt(
    days: Days, bucket: Bucket
) -> None:
    first = manifest_of(days.run())
    first.with_name("enrichment.parquet").unlink()
    sidecar = json.loads(first.with_name("stocktake.json").read_text())
    del sidecar["ages"], sidecar["remembered"]
    rewrite(first, sidecar, json.loads(first.read_text()))
    second = days.run("--revisit", "0%")
    assert second.document["remembered"]["reused"] == COUNT
    shutil.rmtree(manifest_of(second).parent)
    sidecar["problems"] = {"failed": 1}
    rewrite(first, sidecar, json.loads(first.read_text()))
    third = days.run("--revisit", "0%")
    assert any("does not say in which rows" in text for text in third.document["warnings"])
    assert third.document["remembered"]["fresh"] == COUNT


def test_a_data_file_of_aws_that_was_damaged_is_not_read(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without checksums of pages, nothing but the manifest tells."""
    fault_server.bucket("source", [FixtureObject(f"k{n:03}", size=n) for n in range(COUNT)])
    fields = columns_of("2017", versions=False)
    names = ",".join(field.name for field in fields if field.name not in ("Bucket", "Key"))
    days = Days("source", tmp_path, fault_server.environment(), monkeypatch, names)
    days.moment = CREATED
    full = days.in_full()
    manifest = deliver(tmp_path / "aws", Format.PARQUET, fields, [full.to_pylist()[::-1]])
    options = ("--revisit", "0%", "--remember", str(manifest))
    assert days.run(*options, into="sound").document["remembered"]["reused"] == COUNT
    [path] = (manifest.parents[1] / "data").glob("*.parquet")
    path.write_bytes(path.read_bytes().replace(b"NOT-SSE", b"NOT-SSX"))
    damaged = days.run(*options, into="damaged")
    assert any("has the MD5" in text for text in damaged.document["warnings"])
    assert days.rows(damaged, "damaged") == full


def test_a_report_that_may_hide_what_was_not_answered_is_refused(
    days: Days, fault_server: FaultServer
) -> None:
    """Who may not list a bucket cannot tell a stocktake.json that is forbidden from one that AWS never wrote."""
    fault_server.bucket("d")
    words = ("run", "s3://b", "s3://d", "--fields", "default,ObjectTags", "--json", "--quiet")
    first = stocktake(*words, "--head-budget", "10", environment=days.environment).document
    fault_server.rule(access_denied(), where=lambda request: request.key.endswith("stocktake.json"))
    named = stocktake(
        *words, "--id", "other", "--remember", first["manifest"], environment=days.environment
    )
    named.failed_clearly(2, "may not say in which rows values are missing", "stocktake.json")


def test_a_value_that_may_be_withheld_stays_unknown_until_it_is_asked_for_again(
    days: Days, bucket: Bucket
) -> None:
    for number in range(COUNT):
        bucket.put(FixtureObject(f"k{number:03}", size=number))
    bucket.withheld = {"tagging"}
    first = days.run()
    assert first.document["unknowable"]["ObjectTags"]["rows"] == COUNT - 1
    bucket.withheld = set()
    second = days.run("--revisit", "0%")
    assert second.document["unknowable"]["ObjectTags"]["rows"] == COUNT - 1
    third = days.run("--revisit", "100%")
    assert third.document["unknowable"] == {}
    assert days.rows(third) == days.in_full()


def test_what_was_withheld_is_known_again_once_every_object_was_asked_about(
    days: Days, bucket: Bucket
) -> None:
    days.fields = "default,ObjectLockMode"
    bucket.documents["object-lock"] = OBJECT_LOCK
    bucket.withheld = {"retention"}
    assert unknown_locks(days.run()) == COUNT
    bucket.withheld = set()
    left = [unknown_locks(days.run("--revisit", "34%")) for _ in range(3)]
    assert COUNT > left[0] > left[1] > left[2] == 0
    # Those who may not read them any more still know what was known.
    bucket.withheld = {"retention"}
    lost = unknown_locks(days.run("--revisit", "34%"))
    assert 0 < lost < COUNT
    assert unknown_locks(days.run("--revisit", "0%")) == lost


def unknown_locks(outcome: Outcome) -> int:
    """In how many rows nobody knows whether there is a lock."""
    found = outcome.document["unknowable"].get("ObjectLockMode", {"rows": 0})
    return int(found["rows"])


def test_a_checksum_that_was_refused_is_asked_for_again(
    days: Days, bucket: Bucket, fault_server: FaultServer
) -> None:
    days.fields = "default,ChecksumValue"
    for key in ("k001", "k002"):
        bucket.put(FixtureObject(key, checksum_algorithm="SHA256", checksum_value="abc="))
    refused = fault_server.rule(refuse_checksum_mode(), operation="HeadObject", key="k001")
    first = days.rows(days.run())
    assert first.column("checksum_value").to_pylist()[:3] == [None, None, "SHA256:abc="]
    refused.remove()
    second = days.run("--revisit", "0%")
    assert second.document["remembered"]["fresh"] == 1
    assert days.rows(second) == days.in_full()


def test_a_report_that_lost_its_ages_has_no_answer_where_every_object_has_one(
    days: Days, bucket: Bucket
) -> None:
    """Nothing but that tells rows that were put off or refused, there and in AWS's reports."""
    days.fields = "default,EncryptionStatus,ObjectAccessControlList"
    bucket.put(FixtureObject("k007", size=7, denied=True))
    first = manifest_of(days.run("--head-budget", str(COUNT - 10)))
    for name in ("stocktake.json", "enrichment.parquet"):
        first.with_name(name).unlink()
    bucket.put(FixtureObject("k007", size=7, tags={"n": "7"}))
    second = days.run("--revisit", "0%", "--remember", str(first))
    assert second.document["remembered"]["fresh"] == 11
    assert days.rows(second) == days.in_full()
