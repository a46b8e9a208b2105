"""The second inventory costs what changed since the first one, and says the same as if everything had been asked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stocktake.service import house
from tests.acceptance.command_line import Outcome, stocktake
from tests.servers.fault import Bucket, FaultServer, FixtureObject, synthetic

# More objects, before a release: STOCKTAKE_TEST_OBJECTS=1000000.
OBJECTS = int(os.environ.get("STOCKTAKE_TEST_OBJECTS", "3000"))
FIELDS = (
    "default,EncryptionStatus,ReplicationStatus,ObjectLockLegalHoldStatus,UserMetadata,ContentType"
)


def key_of(number: int) -> str:
    return f"photos/{number // 500:05}/{number:08}.jpg"


def make(number: int, key: str) -> FixtureObject:
    headers = {
        "x-amz-meta-number": str(number % 7),
        "x-amz-replication-status": "COMPLETED",
    }
    if number % 3:
        headers["x-amz-server-side-encryption"] = "AES256"
    if number % 50 == 1:
        headers["x-amz-object-lock-legal-hold"] = "ON"
    return FixtureObject(key, size=number % 1000, head_headers=headers, etag=f"{number:032x}")


@dataclass(slots=True)
class Taking:
    """Inventories of the bucket `b`, one after the other, each on a day of its own unless told otherwise."""

    store: FaultServer
    folder: Path
    patch: pytest.MonkeyPatch
    fields: str = FIELDS
    moment: datetime = datetime(2026, 11, 1, 1, tzinfo=UTC)
    taken: int = field(default=0)

    def run(self, *options: str, into: str = "reports", days: float = 1) -> Outcome:
        """Take one; what the store counted is of this run alone."""
        self.moment += timedelta(days=days)
        self.patch.setattr(house, "now", lambda: self.moment)
        self.store.reset_counts()
        return stocktake(
            "run", "s3://b", self.folder / into, "--fields", self.fields, "--json",
            "--spool-folder", self.spool, *options, environment=self.store.environment(),
        )  # fmt: skip

    @property
    def spool(self) -> Path:
        path = self.folder / "spool"
        path.mkdir(exist_ok=True)
        return path

    def rows(self, outcome: Outcome, into: str = "reports") -> pa.Table:
        """The rows of the report that a run came to."""
        assert outcome.code == 0, outcome.err
        manifest = json.loads(
            Path(outcome.document["manifest"].removeprefix("file://")).read_text()
        )
        return pa.concat_tables(
            pq.read_table(self.folder / into / file["key"]) for file in manifest["files"]
        )

    def in_full(self, *options: str) -> pa.Table:
        """The rows of a report that knows of none before."""
        self.taken += 1
        into = f"full-{self.taken}"
        return self.rows(self.run("--no-remember", *options, into=into, days=0), into)

    def headed(self) -> list[str]:
        """The keys that were asked about in the last run, in order."""
        entries = [entry for entry in self.store.log if entry.operation == "HeadObject"]
        return sorted(entry.path.removeprefix("/b/") for entry in entries)


def sidecar(outcome: Outcome) -> Any:
    """The stocktake.json of the report that a run came to."""
    path = Path(outcome.document["manifest"].removeprefix("file://"))
    return json.loads(path.with_name("stocktake.json").read_text())


def ages(outcome: Outcome) -> list[tuple[date | None, bool]]:
    """The day of each row's answer, and whether asking was put off, in the report's order."""
    path = Path(outcome.document["manifest"].removeprefix("file://"))
    table = pq.read_table(path.with_name("enrichment.parquet"))
    return list(
        zip(
            table.column("enriched_at").to_pylist(), table.column("postponed").to_pylist(),
            strict=True,
        )
    )  # fmt: skip


@pytest.fixture
def bucket(fault_server: FaultServer) -> Bucket:
    return fault_server.bucket("b", generated=synthetic(OBJECTS, key_of, make=make))


@pytest.fixture
def taking(
    fault_server: FaultServer, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Taking]:
    return Taking(fault_server, tmp_path, monkeypatch)


def changed_a_little(bucket: Bucket) -> set[str]:
    """Change 1 % of the objects, half of these without another size, and 0.1 % of them without another ETag; add 0.1 %
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
    taking: Taking, bucket: Bucket
) -> None:
    first = taking.run()
    assert first.code == 0, first.err
    assert len(taking.headed()) == OBJECTS
    written = changed_a_little(bucket)
    second = taking.run("--revisit", "0%")
    assert taking.headed() == sorted(written)
    assert taking.rows(second) == taking.in_full()
    remembered = sidecar(second)["remembered"]
    assert remembered["report"] == first.document["manifest"].removeprefix("file://")
    assert remembered["fresh"] == len(written)
    assert remembered["reused"] == second.document["rows"] - len(written)
    assert (remembered["revisited"], remembered["postponed"]) == (0, 0)
    assert remembered["oldest"] == "2026-11-02"


def test_a_budget_goes_to_what_is_new_first_and_then_to_the_oldest_answers(
    taking: Taking, bucket: Bucket
) -> None:
    half = OBJECTS // 2
    first = taking.run("--head-budget", str(half))
    assert first.document["problems"] == {"postponed": OBJECTS - half}
    assert taking.headed() == [key_of(number) for number in range(half)]
    found = ages(first)
    assert found == [(date(2026, 11, 2), False)] * half + [(None, True)] * (OBJECTS - half)
    assert taking.rows(first).column("content_type").null_count == OBJECTS - half
    second = taking.run("--head-budget", str(half + 100), "--revisit", "100%")
    assert len(taking.headed()) == half + 100
    assert set(taking.headed()) > {key_of(number) for number in range(half, OBJECTS)}
    remembered = second.document["remembered"]
    assert remembered["fresh"] == OBJECTS - half
    assert remembered["revisited"] == 100 + 2 * half - OBJECTS
    assert remembered["postponed"] == OBJECTS - half - 100
    assert taking.rows(second) == taking.in_full()
    third = taking.run("--head-budget", str(half), "--revisit", "0%")
    assert third.document["remembered"]["revisited"] == OBJECTS - half - 100
    assert third.document["problems"] == {}
    strict = taking.run("--head-budget", "1", "--revisit", "100%", "--strict")
    strict.failed_clearly(1, f"{OBJECTS - 1} postponed", "--strict")
