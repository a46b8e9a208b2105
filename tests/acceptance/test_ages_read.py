"""How old answers are, as `query`, `show`, `verify` and `plan` tell it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.command_line import stocktake
from tests.acceptance.days import Days, ages_of, manifest_of
from tests.servers.fault import Bucket, FaultServer, FixtureObject

COUNT = 40
SQL = "SELECT key, enriched_at FROM inventory_report ORDER BY key"


@pytest.fixture
def bucket(fault_server: FaultServer) -> Bucket:
    return fault_server.bucket("b", [FixtureObject(f"k{n:03}", size=n) for n in range(COUNT)])


@pytest.fixture
def days(
    fault_server: FaultServer, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Days:
    fields = "default,EncryptionStatus"
    return Days("b", tmp_path, fault_server.environment(), monkeypatch, fields)


@pytest.mark.parametrize("form", ["CSV", "ORC", "Parquet"])
def test_query_gives_each_row_the_day_of_its_answer(days: Days, form: str) -> None:
    days.run("--format", form, "--head-budget", str(COUNT - 5))
    second = days.run("--format", form, "--revisit", "30%")
    manifest = manifest_of(second)
    expected = [None if day is None else str(day) for day, _ in ages_of(second)]
    assert len(set(expected)) == 2
    for more in ((), ("--read-only",)):
        said = stocktake("query", manifest, SQL, "--enriched-at", "--format", "jsonl", *more)
        assert said.code == 0, said.err
        rows = [json.loads(line) for line in said.out.splitlines()]
        assert [row["key"] for row in rows] == [f"k{n:03}" for n in range(COUNT)]
        assert [row["enriched_at"] for row in rows] == expected
    plain = stocktake("query", manifest, SQL)
    plain.failed_clearly(2, "enriched_at")


def test_a_report_that_asked_nothing_has_no_ages(days: Days) -> None:
    days.fields = "default"
    manifest = manifest_of(days.run())
    assert not manifest.with_name("enrichment.parquet").exists()
    said = stocktake("query", manifest, SQL, "--enriched-at")
    said.failed_clearly(2, "does not say how old its answers are", "--enriched-at")
    assert stocktake("show", manifest, "--json").document["remembered"] is None


def test_show_and_verify_tell_of_them_and_verify_finds_damage(days: Days) -> None:
    days.run()
    manifest = manifest_of(days.run("--revisit", "50%"))
    shown = stocktake("show", manifest)
    assert "answers         reused" in shown.out
    assert "the oldest of 2026-11-02" in shown.out
    remembered = stocktake("show", manifest, "--json").document["remembered"]
    assert remembered["reused"] + remembered["revisited"] == COUNT
    verified = stocktake("verify", manifest)
    assert verified.code == 0
    assert "MD5 and rows of enrichment.parquet" in verified.out
    path = manifest.with_name("enrichment.parquet")
    whole = path.read_bytes()
    path.write_bytes(whole + b"x")
    damaged = stocktake("verify", manifest)
    assert damaged.code == 1
    assert "enrichment.parquet" in damaged.out
    path.unlink()
    assert stocktake("verify", manifest).code == 1


def test_plan_says_what_the_run_costs_with_a_memory_and_without(days: Days) -> None:
    words = ("plan", "s3://b", str(days.folder / "reports"), "--fields", days.fields, "--json")
    first = stocktake(*words, environment=days.environment)
    assert first.document["requests"]["head"]["value"] == COUNT
    assert not any("without what" in note for note in first.document["notes"])
    days.run()
    second = stocktake(*words, "--revisit", "25%", environment=days.environment)
    assert second.document["requests"]["head"]["value"] == round(COUNT * 0.26)
    [note] = [note for note in second.document["notes"] if "without what" in note]
    assert note.endswith(f"knows it would be head {COUNT}")
    bounded = stocktake(*words, "--head-budget", "4", environment=days.environment)
    assert bounded.document["requests"]["head"]["value"] == 4
    forgotten = stocktake(*words, "--no-remember", environment=days.environment)
    assert forgotten.document["requests"]["head"]["value"] == COUNT
