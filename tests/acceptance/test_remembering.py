"""The second inventory costs what changed since the first one, and says the same as if everything had been asked."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

import pytest

from stocktake.inventory.asking_later import ROWS_TOGETHER
from tests.acceptance.command_line import Outcome, stocktake
from tests.acceptance.days import Days, ages_of, manifest_of, sidecar_of
from tests.servers.fault import Bucket, FaultServer, FixtureObject, latency, synthetic

# More objects, before a release: STOCKTAKE_TEST_OBJECTS=1000000.
OBJECTS = int(os.environ.get("STOCKTAKE_TEST_OBJECTS", "1000"))
FIELDS = (
    "default,EncryptionStatus,ReplicationStatus,ObjectLockLegalHoldStatus,UserMetadata,ContentType"
)


def key_of(number: int) -> str:
    return f"photos/{number // 500:05}/{number:08}.jpg"


def make(number: int, key: str) -> FixtureObject:
    headers = {"x-amz-meta-number": str(number % 7), "x-amz-replication-status": "COMPLETED"}
    if number % 3:
        headers["x-amz-server-side-encryption"] = "AES256"
    if number % 50 == 1:
        headers["x-amz-object-lock-legal-hold"] = "ON"
    return FixtureObject(key, size=number % 1000, head_headers=headers, etag=f"{number:032x}")


@pytest.fixture
def bucket(fault_server: FaultServer) -> Bucket:
    return fault_server.bucket("b", generated=synthetic(OBJECTS, key_of, make=make))


@pytest.fixture
def days(
    fault_server: FaultServer, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Days:
    return Days("b", tmp_path, fault_server.environment(), monkeypatch, FIELDS)


def headed(server: FaultServer) -> list[str]:
    """The keys that were asked about since this was asked last, in order."""
    found = [entry.path for entry in server.log if entry.operation == "HeadObject"]
    server.reset_counts()
    return sorted(path.removeprefix("/b/") for path in found)


def change_a_little(bucket: Bucket) -> set[str]:
    """Change 1 % of the objects, half of these without another size, a tenth of them without another ETag; add 0.1 %
    and take 0.1 % away. The keys of those that are there and not as before.
    """
    written: set[str] = set()
    kms = {"x-amz-server-side-encryption": "aws:kms"}
    for place, number in enumerate(range(0, OBJECTS, 100)):
        old = bucket.find(key_of(number))
        assert old is not None
        size = old.size if place % 2 else old.size + 1
        etag = old.etag if place % 10 == 1 else f"{place:031x}f"
        bucket.overwrite(old.key, size=size, etag=etag, head_headers=kms)
        written.add(old.key)
    for number in range(50, OBJECTS, 1000):
        bucket.remove(key_of(number))
        bucket.put(FixtureObject(f"{key_of(number)}.new", size=9, head_headers=kms))
        written.add(f"{key_of(number)}.new")
    return written


def test_the_second_run_asks_about_exactly_what_is_new_or_changed_and_says_what_a_full_run_says(
    days: Days, bucket: Bucket, fault_server: FaultServer
) -> None:
    days.options = ("--processes", "2")
    first = days.run()
    assert first.code == 0, first.err
    assert len(headed(fault_server)) == OBJECTS
    written = change_a_little(bucket)
    second = days.run("--revisit", "0%")
    assert headed(fault_server) == sorted(written)
    assert days.rows(second) == days.in_full()
    remembered = sidecar_of(second)["remembered"]
    assert remembered["report"] == str(manifest_of(first))
    assert remembered["fresh"] == len(written)
    assert remembered["reused"] == second.document["rows"] - len(written)
    assert (remembered["revisited"], remembered["postponed"]) == (0, 0)
    assert remembered["oldest"] == "2026-11-02"


@pytest.mark.parametrize("form", ["CSV", "ORC"])
def test_reports_of_other_formats_are_remembered_as_well(
    days: Days, bucket: Bucket, fault_server: FaultServer, form: str
) -> None:
    days.run("--format", form, "--head-budget", str(OBJECTS - 10))
    written = change_a_little(bucket)
    headed(fault_server)
    second = days.run("--revisit", "0%")
    late = {key_of(number) for number in range(OBJECTS - 10, OBJECTS)}
    assert headed(fault_server) == sorted(written | late)
    assert days.rows(second) == days.in_full()


def test_a_report_without_stocktakes_own_files_is_sorted_first(
    days: Days, bucket: Bucket, fault_server: FaultServer
) -> None:
    """As AWS's are: no order, no stocktake.json."""
    first = manifest_of(days.run())
    elsewhere = days.folder / "aws" / first.parent.name
    shutil.copytree(first.parent, elsewhere)
    shutil.copytree(first.parents[1] / "data", days.folder / "aws" / "data")
    for name in ("stocktake.json", "enrichment.parquet"):
        (elsewhere / name).unlink()
    written = change_a_little(bucket)
    headed(fault_server)
    second = days.run("--revisit", "0%", "--remember", str(elsewhere), into="other")
    assert headed(fault_server) == sorted(written)
    assert days.rows(second, "other") == days.in_full()


def test_a_budget_goes_to_what_is_new_first_and_then_to_the_oldest_answers(
    days: Days, bucket: Bucket, fault_server: FaultServer
) -> None:
    half = OBJECTS // 2
    first = days.run("--head-budget", str(half))
    assert first.document["problems"] == {"postponed": OBJECTS - half}
    assert headed(fault_server) == [key_of(number) for number in range(half)]
    answered, never = (date(2026, 11, 2), False), (None, True)
    assert ages_of(first) == [answered] * half + [never] * (OBJECTS - half)
    assert days.rows(first).column("content_type").null_count == OBJECTS - half
    second = days.run("--head-budget", str(half + 10), "--revisit", "100%")
    asked = headed(fault_server)
    assert len(asked) == half + 10
    assert set(asked) > {key_of(number) for number in range(half, OBJECTS)}
    remembered = second.document["remembered"]
    assert remembered["fresh"] == OBJECTS - half
    assert remembered["revisited"] == 10 + 2 * half - OBJECTS
    assert remembered["postponed"] == half - remembered["revisited"]
    left = remembered["postponed"]
    days_told = sidecar_of(second)["remembered"]["days"]
    assert days_told == {"2026-11-02": left, "2026-11-03": OBJECTS - left}
    assert days.rows(second) == days.in_full()
    third = days.run("--head-budget", str(half), "--revisit", "0%")
    assert third.document["remembered"]["revisited"] == remembered["postponed"]
    assert third.document["problems"] == {}
    strict = days.run("--head-budget", "1", "--revisit", "100%", "--strict")
    strict.failed_clearly(1, f"{OBJECTS - 1} postponed", "--strict")


def test_objects_that_are_refused_leave_a_budget_to_all_others_and_take_turns(
    days: Days, fault_server: FaultServer
) -> None:
    refused = {f"k{number:03}" for number in range(40)}
    objects = [FixtureObject(f"k{n:03}", denied=n < len(refused)) for n in range(100)]
    fault_server.bucket("b", objects)
    asked: list[set[str]] = []
    for _ in range(6):
        outcome = days.run("--head-budget", "30", "--revisit", "0%")
        log = [entry.path for entry in fault_server.log if entry.operation == "HeadObject"]
        asked.append({path.removeprefix("/b/") for path in log})
        fault_server.reset_counts()
        assert len(asked[-1]) == 30
    others = {each.key for each in objects} - refused
    assert set.union(*asked[:4]) == others | refused
    assert asked[4] | asked[5] == refused
    assert days.rows(outcome).column("content_type").null_count == len(refused)
    assert (
        days.run("--head-budget", "30", "--revisit", "100%").document["remembered"]["revisited"]
        == 30
    )


def test_a_deadline_puts_off_what_it_leaves_no_time_for(
    days: Days, fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = fault_server.rule(latency(0.2), operation="HeadObject")
    # The second look takes longer than there is time to ask, which begins behind it.
    slow_to_list = fault_server.rule(latency(1.5), operation="ListObjectsV2")
    monkeypatch.setattr(Days, "run", _by_the_real_clock)
    first = days.run("--deadline", "1s", "--concurrency", "1")
    remembered = first.document["remembered"]
    # Not even what would have been asked about together is, once time is up.
    assert 0 < remembered["fresh"] < ROWS_TOGETHER
    assert remembered["fresh"] + remembered["postponed"] == OBJECTS
    assert first.document["problems"] == {"postponed": remembered["postponed"]}
    asked = headed(fault_server)
    assert len(asked) == remembered["fresh"]
    slow.remove()
    slow_to_list.remove()
    second = days.run("--deadline", "60s", "--revisit", "0%")
    assert headed(fault_server) == sorted({*map(key_of, range(OBJECTS))} - {*asked})
    assert second.document["problems"] == {}
    assert days.rows(second) == days.in_full()


def _by_the_real_clock(
    inventories: Days, *options: str, into: str = "reports", **_: float
) -> Outcome:
    return stocktake(*inventories.command(*options, into=into), environment=inventories.environment)
