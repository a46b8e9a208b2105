"""A report in Python: batches, relations, data frames."""

from __future__ import annotations

import gc
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas
import polars
import pyarrow as pa
import pytest

import stocktake
from stocktake.model.configuration import Format
from stocktake.model.errors import NoReportError, QueryError, UsageError
from tests.analysis.reports import (
    AWS_MOMENT,
    GENUINE_FIELDS,
    OUR_MOMENT,
    SOURCE,
    aws_report,
    genuine_rows,
    newer_report,
    objects,
    our_report,
)
from tests.servers.fault import FaultServer, FixtureObject, access_denied
from tests.servers.server import Server


@pytest.fixture(params=Format)
def report(request: pytest.FixtureRequest, tmp_path: Path) -> stocktake.OpenReport:
    """AWS's genuine rows in one format."""
    return stocktake.open_report(aws_report(tmp_path, request.param))


def test_a_report_says_what_it_is(report: stocktake.OpenReport) -> None:
    assert report.columns == tuple(field.column for field in GENUINE_FIELDS)
    assert report.manifest.source_bucket == SOURCE
    assert report.manifest.created == AWS_MOMENT
    assert report.sidecar is None
    assert report.address.endswith("/2024-05-07T01-00Z/manifest.json")


def test_batches_have_the_same_schema_and_rows_whatever_the_format(
    report: stocktake.OpenReport,
) -> None:
    table = pa.Table.from_batches(report.batches(), report.schema)
    assert table.to_pylist() == genuine_rows()
    kinds = {field.name: str(field.type) for field in report.schema}
    assert kinds["key"] == "string"
    assert kinds["is_latest"] == "bool"
    assert kinds["size"] == "int64"
    assert kinds["last_modified_date"] == "timestamp[ms, tz=UTC]"
    some = list(report.batches(["size", "key"]))
    assert [batch.schema.names for batch in some] == [["size", "key"]]
    assert [row["key"] for batch in some for row in batch.to_pylist()] == [
        row["key"] for row in genuine_rows()
    ]


def test_a_column_that_is_not_there_is_named(report: stocktake.OpenReport) -> None:
    with pytest.raises(QueryError, match="lacks the column `object_owner`"):
        list(report.batches(["key", "object_owner"]))
    with pytest.raises(QueryError, match="sise"):
        list(report.batches(["sise"]))
    with pytest.raises(UsageError, match="no columns are asked for"):
        list(report.batches([]))


def test_a_relation_is_duckdbs_and_reads_only_when_it_is_asked(
    report: stocktake.OpenReport,
) -> None:
    relation = report.relation()
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.columns == list(report.columns)
    latest = relation.filter("is_latest AND size > 0").project("key, size")
    del relation
    assert latest.fetchall() == [("inventory-test/key1", 5)]
    assert str(report.relation().types[3]) == "BOOLEAN"


def test_a_relation_outlives_the_report_that_made_it_and_keeps_it_open(tmp_path: Path) -> None:
    path = aws_report(
        tmp_path, Format.ORC
    )  # the engine opens other files of this machine by itself
    report = stocktake.open_report(path)
    files = weakref.ref(report.reports[0].files)
    relation = report.relation().filter("size = 5")
    del report
    gc.collect()
    assert files() is not None
    assert relation.project("key").fetchall() == [
        ("inventory-test/key1",),
        ("inventory-test/key2",),
    ]
    del relation
    gc.collect()
    assert files() is None


def test_pandas_has_whole_numbers_and_nulls(report: stocktake.OpenReport) -> None:
    frame = report.pandas("SELECT key, size, is_latest FROM inventory_report ORDER BY size, key")
    assert isinstance(frame, pandas.DataFrame)
    assert [str(kind) for kind in frame.dtypes][1:] == ["int64[pyarrow]", "bool[pyarrow]"]
    assert frame["size"].isna().sum() == 1
    assert len(report.pandas()) == 5


def test_polars_has_the_same_rows(report: stocktake.OpenReport) -> None:
    frame = report.polars()
    assert isinstance(frame, polars.DataFrame)
    assert frame.to_dicts() == genuine_rows()
    sizes = report.polars("SELECT sum(size)::BIGINT AS bytes FROM inventory_report")
    assert sizes.to_dicts() == [{"bytes": 10}]


def test_a_library_that_is_not_installed_is_named(report: stocktake.OpenReport) -> None:
    script = (
        "import sys, stocktake\n"
        "report = stocktake.open_report(sys.argv[1])\n"
        "list(report.batches(['key']))\n"
        "sys.modules['pandas'] = sys.modules['polars'] = None\n"
        "for name in ('pandas', 'polars'):\n"
        "    try: getattr(report, name)()\n"
        "    except stocktake.UsageError as error: print(error.message, '|', error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, report.address], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == [
        f"{name} is not installed | python3 -m pip install {name}" for name in ("pandas", "polars")
    ]


# -- several reports -----------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration's folder with three days' reports, of which the first has less columns."""
    for number, report_format in enumerate(Format):
        moment = OUR_MOMENT + timedelta(days=number)
        fields = ("Size", "ETag") if number else ("Size",)
        rows = [objects([*"abc"[: number + 1]])]
        our_report(tmp_path, report_format, rows, fields=fields, moment=moment, first_name=number)
    return tmp_path / "inventory/source/stocktake"


def test_several_reports_are_one_with_a_dt(folder: Path) -> None:
    report = stocktake.open_report(folder, dt="2026-11-23..2026-11-24")
    assert len(report.reports) == 2
    assert report.columns == ("bucket", "key", "size", "e_tag", "dt")
    assert report.manifest.created == OUR_MOMENT + timedelta(days=2)
    rows = [row for batch in report.batches(["dt", "key"]) for row in batch.to_pylist()]
    first, second = "2026-11-23-10-17", "2026-11-24-10-17"
    assert [(row["dt"], row["key"]) for row in rows] == [
        (first, "a"), (first, "b"), (second, "a"), (second, "b"), (second, "c"),
    ]  # fmt: skip


def test_what_some_reports_lack_is_warned_of_wherever_it_is_asked_for(folder: Path) -> None:
    report = stocktake.open_report(folder, dt="2026")
    with pytest.warns(UserWarning, match="1 of the 3 reports of `inventory_report` lack"):
        assert report.polars()["e_tag"].null_count() == 1
    with pytest.warns(UserWarning, match="`e_tag`"):
        report.relation()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(report.polars("SELECT key FROM inventory_report")) == 6


def test_a_warning_names_the_line_that_asked(folder: Path) -> None:
    report = stocktake.open_report(folder, dt="2026")
    (folder / "2026-11-24T10-17Z" / "usage.parquet").write_bytes(b"damaged")
    asking: list[Callable[[], object]] = [
        report.arrow,
        report.pandas,
        report.polars,
        report.relation,
        lambda: list(report.batches(["e_tag"])),
        lambda: stocktake.query("SELECT e_tag FROM a", a=report).close(),
        lambda: stocktake.usage(folder),
    ]
    for ask in asking:
        with pytest.warns(UserWarning, match="lack|not used") as told:
            ask()
        assert {each.filename for each in told} == {__file__}


def test_dates_without_a_report_are_none(folder: Path) -> None:
    with pytest.raises(NoReportError, match="2026-11-22-10-17 to 2026-11-24-10-17"):
        stocktake.open_report(folder, dt="2019")


def test_reports_are_joined_by_names(folder: Path, tmp_path: Path) -> None:
    new = stocktake.open_report(folder)
    old = stocktake.open_report(folder / "2026-11-22T10-17Z")
    sql = "SELECT key FROM new ANTI JOIN old USING (key) ORDER BY key"
    with stocktake.query(sql, new=new, old=old) as answer:
        assert answer.columns == ("key",)
        assert answer.arrow().to_pydict() == {"key": ["b", "c"]}
    with pytest.raises(UsageError, match="no report"):
        stocktake.query("SELECT 1")
    with pytest.raises(UsageError, match="cannot be a table's name"):
        stocktake.query("SELECT 1", **{"a b": new})


def test_a_report_of_a_newer_kind_keeps_its_columns(tmp_path: Path) -> None:
    report = stocktake.open_report(newer_report(tmp_path, Format.ORC))
    assert report.columns[-2:] == ("freshness_date", "heat_score")
    assert report.polars()["heat_score"].to_list() == [9]


# -- in a bucket ---------------------------------------------------------------------------------


def test_a_report_in_a_bucket_is_closed_when_nothing_refers_to_it(
    moto_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in moto_server.environment().items():
        monkeypatch.setenv(name, value)
    client = moto_server.client()
    client.create_bucket(Bucket="opened-in-python")
    root = tmp_path / "bucket"
    path = aws_report(root, Format.PARQUET)
    for file in root.rglob("*.*"):
        if file.is_file():
            key = file.relative_to(root).as_posix()
            client.put_object(Bucket="opened-in-python", Key=key, Body=file.read_bytes())
    address = f"s3://opened-in-python/{path.relative_to(root).parents[1].as_posix()}"
    relation = stocktake.open_report(address).relation()
    gc.collect()
    assert len(relation.project("key").fetchall()) == 5
    with stocktake.open_report(address) as report:
        files = weakref.ref(report.reports[0].files)
        assert len(report.arrow()) == 5
    del report, relation
    gc.collect()
    assert files() is None


def test_a_report_of_awss_opens_for_who_may_read_it_and_not_list(
    fault_server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = aws_report(tmp_path, Format.PARQUET)
    files = {str(p.relative_to(tmp_path)): p for p in tmp_path.rglob("*") if p.is_file()}
    fault_server.bucket("b", [FixtureObject(key, body=p.read_bytes()) for key, p in files.items()])
    # As S3 answers for what is absent to those who may not list the bucket.
    fault_server.rule(access_denied(), where=lambda asked: asked.key not in files)
    for name, value in fault_server.environment().items():
        monkeypatch.setenv(name, value)
    address = f"s3://b/{manifest.relative_to(tmp_path)}"
    with stocktake.open_report(address) as report:
        assert report.sidecar is None
        assert report.arrow().to_pylist() == genuine_rows()
    found = stocktake.audit(address, only=["empty-object"])
    assert found.findings[0].rows == 1
    assert "stocktake.json is not there or may not be read" in found.warnings[0]
    assert [line.figures.objects for line in stocktake.usage(address, by="class").lines]
