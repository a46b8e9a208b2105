"""`stocktake diff` as people type it: what it says, what it writes, how it ends."""

from __future__ import annotations

import csv
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from stocktake.model.configuration import Format
from tests.acceptance.command_line import stocktake
from tests.analysis.reports import OUR_MOMENT, newer_report, our_report, republish
from tests.servers.server import Server

DOCUMENT = Path(__file__).parents[2] / "docs" / "diff.md"
COMMANDS = re.findall(
    r"^\$ stocktake (diff .*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE
)
NEXT_DAY = datetime(2026, 11, 23, 10, 17, tzinfo=UTC)


def row(key: str, version: str | None = None, **values: object) -> dict[str, object]:
    usual = {
        "bucket": "source",
        "key": key,
        "version_id": version,
        "is_latest": True,
        "is_delete_marker": False,
        "size": 10,
        "e_tag": "a" * 32,
        "storage_class": "STANDARD",
        "last_modified_date": OUR_MOMENT,
    }
    return usual | values


MONDAY = [
    row("a/gone, for good", "1"),
    row("a/kept", "1"),
    row("a/moved to Glacier", None),
    row("b/overwritten", "1"),
]
TUESDAY = [
    row("a/kept", "1"),
    row("a/moved to Glacier", None, storage_class="GLACIER"),
    row("a/new ü", "1", size=7),
    row("b/overwritten", "1", is_latest=False),
    row(
        "b/overwritten", "2", size=30, e_tag="b" * 32, last_modified_date=OUR_MOMENT + timedelta(1)
    ),
    row("c/marked", "9", size=None, is_delete_marker=True, e_tag=None),
]


@pytest.fixture
def days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders `monday` and `tuesday`, of other formats; `replica`, another bucket that lacks objects."""
    monkeypatch.chdir(tmp_path)
    our_report(tmp_path / "monday", Format.CSV, [MONDAY], all_versions=True)
    our_report(tmp_path / "tuesday", Format.ORC, [TUESDAY], all_versions=True, moment=NEXT_DAY)
    our_report(tmp_path / "source", Format.CSV, [TUESDAY], all_versions=True)
    replica = our_report(tmp_path / "replica", Format.PARQUET, [TUESDAY[:2]], all_versions=True)
    republish(tmp_path / "replica", replica.paths, replica.manifest, source_bucket="replica")
    for name in ("monday", "tuesday", "source", "replica"):
        (tmp_path / f"{name}-report").symlink_to(tmp_path / name / "inventory/source/stocktake")
    return tmp_path


def diff(*arguments: str | Path) -> Any:
    return stocktake("diff", *arguments)


def test_the_journal_says_what_s3_metadata_would(days: Path) -> None:
    done = diff("monday-report", "tuesday-report", "--output", "changes.parquet")
    assert done.code == 1, done
    table = pq.read_table(days / "changes.parquet")
    assert table.column_names[:5] == [
        "record_type",
        "record_timestamp",
        "bucket",
        "key",
        "version_id",
    ]
    assert set(table.column("record_timestamp").to_pylist()) == {NEXT_DAY}
    told = [
        (
            each["record_type"],
            each["key"],
            each["version_id"],
            each["size"],
            each["changed_columns"],
        )
        for each in table.to_pylist()
    ]
    assert told == [
        ("DELETE", "a/gone, for good", "1", None, None),
        ("CREATE", "a/new ü", "1", 7, None),
        ("CREATE", "b/overwritten", "2", 30, None),
        ("DELETE", "c/marked", "9", None, None),
        ("UPDATE_METADATA", "a/moved to Glacier", None, 10, "storage_class"),
    ]


def test_an_object_that_was_written_anew_is_created(days: Path) -> None:
    done = diff(
        "monday-report", "tuesday-report", "--current", "--format", "csv", "--output", "rows.csv"
    )
    assert done.code == 1, done
    with (days / "rows.csv").open(newline="") as file:
        told = {each["key"]: each for each in csv.DictReader(file)}
    assert told["b/overwritten"]["record_type"] == "CREATE"
    assert told["b/overwritten"]["changed_columns"] == "version_id,size,last_modified_date,e_tag"
    assert told["a/moved to Glacier"]["record_type"] == "UPDATE_METADATA"
    assert "c/marked" not in told


def test_json_counts_objects_and_bytes_by_kind_and_prefix(days: Path) -> None:
    found = diff("monday-report", "tuesday-report", "--json").document
    assert (found["mode"], found["byVersion"], found["same"]) == ("history", True, 2)
    assert found["created"] == {"objects": 3, "bytesA": 0, "bytesB": 37}
    assert found["deleted"] == {"objects": 1, "bytesA": 10, "bytesB": 0}
    assert found["changed"] == {"objects": 1, "bytesA": 10, "bytesB": 10}
    assert found["changedColumns"] == {"storage_class": 1}
    prefixes = {each["prefix"]: each["created"]["objects"] for each in found["prefixes"]}
    assert prefixes == {"a/": 1, "b/": 1, "c/": 1}


@pytest.mark.parametrize("form", list(Format))
def test_columns_that_nobody_knows_yet_are_compared_where_both_have_them_alike(
    tmp_path: Path, form: Format
) -> None:
    a, b = newer_report(tmp_path / "a", Format.PARQUET), newer_report(tmp_path / "b", form)
    journal = tmp_path / "journal.parquet"
    found = stocktake("diff", str(a), str(b), "--json", "--output", str(journal))
    assert (found.code, found.err) == (3, "")  # without a date or an ETag nobody can tell
    newer = {"freshness_date", "heat_score"}  # texts in CSV, since nothing there types them
    told = "notCompared" if form is Format.CSV else "compared"
    assert newer <= set(found.document[told])
    columns = set(pq.read_schema(journal).names)
    assert newer & columns == (set() if form is Format.CSV else newer)


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("name", ["heat_score", "HeatScore"])
def test_columns_that_nobody_knows_yet_can_be_named_where_both_have_them_alike(
    tmp_path: Path, form: Format, name: str
) -> None:
    a, b = newer_report(tmp_path / "a", Format.PARQUET), newer_report(tmp_path / "b", form)
    found = stocktake("diff", str(a), str(b), "--json", "--columns", f"{name},size")
    if form is Format.CSV:
        found.failed_clearly(2, f"`{name}` cannot be compared")
    else:
        assert set(found.document["compared"]) == {"size", "heat_score"}


def test_a_prefix_below_which_there_is_nothing_is_told(days: Path) -> None:
    done = diff("monday-report", "tuesday-report", "--prefix", "typo/")
    assert done.code == 0, done
    assert "warning: neither report has an object below 'typo/': there was nothing" in done.out
    there = diff("monday-report", "monday-report", "--prefix", "a/")
    assert (there.code, "neither report" in there.out) == (0, False)


@pytest.mark.parametrize("words", [("--only", "changed"), ("--side", "a")])
def test_what_only_a_manifest_heeds_is_refused_without_one(
    days: Path, words: tuple[str, str]
) -> None:
    done = diff("monday-report", "tuesday-report", *words)
    done.failed_clearly(2, f"{words[0]} says what a manifest names", "--as-manifest")


def test_a_manifest_names_what_a_replica_lacks_and_no_delete_marker(days: Path) -> None:
    done = diff(
        "source-report", "replica-report", "--as-manifest", "--side", "a", "--output", "missing.csv"
    )
    assert done.code == 1, done
    assert (days / "missing.csv").read_text().splitlines() == [
        "source,a/new%20%C3%BC,1",
        "source,b/overwritten,1",
        "source,b/overwritten,2",
    ]


def test_the_null_version_is_called_null_in_a_manifest(days: Path) -> None:
    arguments = ("--as-manifest", "--only", "changed", "--output", "changed.csv")
    assert diff("monday-report", "tuesday-report", *arguments).code == 1
    assert (days / "changed.csv").read_text() == "source,a/moved%20to%20Glacier,null\n"


def test_a_report_differs_from_itself_in_nothing(days: Path) -> None:
    done = diff("monday-report", "monday-report")
    assert (done.code, done.err) == (0, "")


def test_copies_of_which_nobody_can_tell_end_with_3(tmp_path: Path) -> None:
    reports = []
    for name, tag in (("a", "c" * 32 + "-2"), ("b", "d" * 32 + "-3")):
        report = our_report(tmp_path / name, Format.PARQUET, [[row("k", e_tag=tag)]])
        reports.append(report.manifest_path)
    done = diff(*reports, "--mode", "copies", "--json")
    assert done.code == 3, done
    assert done.document["undecided"]["objects"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--mode", "sideways"], "unknown mode `sideways`"),
        (["--columns", "Sizes"], "`Sizes` cannot be compared"),
        (["--columns", "ObjectTags"], "`ObjectTags` cannot be compared"),
        (["--depth", "-1"], "--depth -1 is out of range"),
        (["--format", "table"], "unknown format `table`; expected parquet, csv, jsonl\n"),
        (["--format", "x"], "unknown format `x`; expected parquet, csv, jsonl\n"),
        (["--as-manifest"], "a manifest needs a file"),
        (["--store", "c:profile=x"], "`--store c:profile=x` is of no report"),
        (["--as-manifest", "--only", "deleted", "--output", "m.csv"], "deleted objects are not in report B"),
        (["--as-manifest", "--only", "lost", "--output", "m.csv"], "unknown kind of change `lost`"),
        (["--as-manifest", "--side", "c", "--output", "m.csv"], "unknown side `c`"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_clear_error(
    days: Path, arguments: list[str], said: str
) -> None:
    diff("monday-report", "tuesday-report", *arguments).failed_clearly(2, said)
    assert not (days / "m.csv").exists()


def test_each_report_is_read_from_its_own_store(days: Path, moto_server: Server) -> None:
    client = moto_server.client()
    for day in ("monday", "tuesday"):
        client.create_bucket(Bucket=f"differing-{day}")
        for file in (days / day).rglob("*.*"):
            if file.is_file():
                key = file.relative_to(days / day).as_posix()
                client.put_object(Bucket=f"differing-{day}", Key=key, Body=file.read_bytes())
    environment = moto_server.environment()
    endpoint = environment.pop("AWS_ENDPOINT_URL")
    done = stocktake(
        "diff", *(f"s3://differing-{day}/inventory/source/stocktake" for day in ("monday", "tuesday")),
        "--json", "--prefix", "a/", "--endpoint-url", "http://127.0.0.1:9",
        "--store", f"a:endpoint-url={endpoint}", "--store", f"b:endpoint-url={endpoint}",
        environment=environment,
    )  # fmt: skip
    assert done.code == 1, done
    here = diff("monday-report", "tuesday-report", "--json", "--prefix", "a/").document
    assert {**done.document, "a": here["a"], "b": here["b"]} == here
    assert [here[kind]["objects"] for kind in ("created", "deleted", "changed")] == [1, 1, 1]


@pytest.mark.parametrize("line", sorted(set(COMMANDS)))
def test_every_command_in_the_document_runs(days: Path, line: str) -> None:
    done = stocktake(*shlex.split(line))
    assert (done.code, done.err) == (1, "")
    assert done.out
