"""Several reports as one table, and several tables in one question."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.analysis.session import open_session
from stocktake.analysis.tables import (
    Table,
    merged_fields,
    one_table,
    open_dated_table,
)
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError, NoReportError, QueryError, UsageError
from stocktake.model.fields import FIELDS, FLAG, NUMBER, TEXT, Field, Kind, Source
from stocktake.model.partitions import PartitionRange
from stocktake.store.files import FolderFiles
from tests.analysis.questions import opened
from tests.analysis.reports import OUR_MOMENT, aws_report, newer_report, objects, our_report

ALL = PartitionRange()
DAYS = [OUR_MOMENT + timedelta(days=day) for day in range(3)]
DTS = ["2026-11-22-10-17", "2026-11-23-10-17", "2026-11-24-10-17"]


def asked(tables: list[Table], sql: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The answer's rows and its warnings."""
    with open_session(tables).run(sql, once=True) as found:
        return [row for batch in found.batches() for row in batch.to_pylist()], found.warnings


def dated(root: Path, partitions: PartitionRange = ALL) -> Table:
    """The reports that `our_report` left below `root`."""
    return open_dated_table(*FolderFiles.at(root / "inventory/source/stocktake"), partitions)


def three_days(root: Path, formats: list[Format], fields: list[tuple[str, ...]]) -> Table:
    """A report a day, in these formats, with these fields, of one object more each day."""
    for number, (day, report_format, names) in enumerate(zip(DAYS, formats, fields, strict=True)):
        rows = [{**row, "encryption_status": "SSE-S3"} for row in objects([*"abc"[: number + 1]])]
        our_report(root, report_format, [rows], fields=names, moment=day, first_name=number)
    return dated(root)


# -- one table of several reports ----------------------------------------------------------------


def test_a_range_of_dates_is_one_table_with_the_partition_as_a_column(tmp_path: Path) -> None:
    for number, day in enumerate(DAYS):
        our_report(tmp_path, Format.PARQUET, [objects(["k"])], moment=day, first_name=number)
        assert len(dated(tmp_path).reports) == number + 1
    table = dated(tmp_path, PartitionRange("2026-11-23", "2026-11-24"))
    sql = "SELECT dt, count(*) AS n FROM inventory_report GROUP BY dt ORDER BY dt"
    assert asked([table], sql) == ([{"dt": dt, "n": 1} for dt in DTS[1:]], ())
    assert [field.column for field in table.fields][-1] == "dt"


@pytest.mark.parametrize("report_format", Format)
def test_only_the_reports_of_the_dates_in_the_condition_are_read(
    tmp_path: Path, report_format: Format
) -> None:
    for number, day in enumerate(DAYS):
        files = [objects(["k"]), objects(["l"])]
        ours = our_report(tmp_path, report_format, files, moment=day, first_name=2 * number)
    table = dated(tmp_path)
    ours.data_path(tmp_path, 1).unlink()  # whoever reads the last report's rows fails
    sql = f"SELECT key FROM inventory_report WHERE dt < '{DTS[2]}' AND key = 'l'"
    assert len(asked([table], sql)[0]) == 2
    with pytest.raises(DataFileError, match="is missing"):
        asked([table], sql.replace("<", "<="))


def test_a_column_that_some_reports_lack_is_null_there_with_a_warning(tmp_path: Path) -> None:
    with_status = ("Size", "EncryptionStatus")
    table = three_days(
        tmp_path,
        [Format.CSV, Format.ORC, Format.PARQUET],
        [("Size",), with_status, with_status],
    )
    sql = "SELECT dt, key, encryption_status AS s FROM inventory_report ORDER BY ALL"
    rows, warnings = asked([table], sql)
    assert [(row["dt"], row["key"], row["s"]) for row in rows] == [
        (DTS[0], "a", None),
        *((DTS[1], key, "SSE-S3") for key in "ab"),
        *((DTS[2], key, "SSE-S3") for key in "abc"),
    ]
    [warning] = warnings
    assert "1 of the 3 reports" in warning
    assert "`encryption_status`; it is NULL there" in warning
    assert warning.endswith(DTS[0])


@pytest.mark.parametrize(
    ("sql", "warned"),
    [
        ("SELECT count(*) FROM inventory_report WHERE size > 0", 0),
        ("SELECT key, size FROM inventory_report GROUP BY ALL ORDER BY ALL", 0),
        ("SELECT key FROM inventory_report ORDER BY encryption_status", 1),
        ("SELECT * FROM inventory_report", 1),
        ("FROM inventory_report", 1),
        ("SELECT COLUMNS('e.*') FROM inventory_report", 1),
        ("SELECT x.Encryption_Status FROM inventory_report x", 1),
        ("SELECT 1 FROM inventory_report GROUP BY ALL HAVING max(encryption_status) > ''", 1),
        ("WITH w AS (SELECT encryption_status FROM inventory_report) SELECT count(*) FROM w", 1),
        ("EXPLAIN SELECT key FROM inventory_report", 1),
    ],
)
def test_whoever_does_not_ask_for_the_column_is_not_warned(
    tmp_path: Path, sql: str, warned: int
) -> None:
    fields = [("Size",), ("Size", "EncryptionStatus"), ("Size", "EncryptionStatus")]
    assert len(asked([three_days(tmp_path, [Format.CSV] * 3, fields)], sql)[1]) == warned


def test_a_column_that_none_of_several_reports_has_is_an_error_that_names_it(
    tmp_path: Path,
) -> None:
    table = three_days(tmp_path, [*Format], [("Size",)] * 3)
    with pytest.raises(QueryError, match="none of the 3 reports has the column `e_tag` ") as error:
        asked([table], "SELECT e_tag FROM inventory_report")
    assert error.value.hint == "`stocktake run` yields it with `--fields default,ETag`"
    assert "their columns are bucket, key, size, dt" in error.value.message


def test_a_dt_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    report = opened(our_report(tmp_path, Format.CSV, [objects(["k"])]).manifest_path)
    with pytest.raises(QueryError) as error:
        asked([one_table(report)], "SELECT dt FROM inventory_report")
    assert "--dt FROM..TO" in error.value.hint


def test_a_run_under_way_is_no_report(tmp_path: Path) -> None:
    table = three_days(tmp_path, [*Format], [("Size",)] * 3)
    Path(table.reports[-1].address).with_name("manifest.checksum").unlink()
    assert len(dated(tmp_path).reports) == 2


def test_no_report_of_these_dates_says_which_there_are(tmp_path: Path) -> None:
    our_report(tmp_path, Format.CSV, [objects(["k"])])
    with pytest.raises(NoReportError, match=f"its reports are of {DTS[0]} to {DTS[0]}"):
        dated(tmp_path, PartitionRange("2027"))
    with pytest.raises(NoReportError, match="there is no published report of these dates"):
        open_dated_table(*FolderFiles.at(tmp_path / "elsewhere"), ALL)


def test_one_report_is_no_range_of_dates(tmp_path: Path) -> None:
    path = our_report(tmp_path, Format.CSV, [objects(["k"])]).manifest_path
    for address in (path, path.parent):
        with pytest.raises(UsageError, match="takes the configuration's folder above it"):
            open_dated_table(*FolderFiles.at(address), ALL)


# -- the columns of several reports --------------------------------------------------------------


def unknown(name: str, kind: Any = TEXT) -> Field:
    return Field(name, name, kind, Source.NEVER, Kind.OPTIONAL)


@given(st.lists(st.lists(st.sampled_from(FIELDS), min_size=1, unique=True), min_size=2, max_size=5))
def test_the_columns_of_several_reports_are_all_of_theirs_each_once_in_the_tables_order(
    reports: list[list[Field]],
) -> None:
    merged = merged_fields(reports)
    assert set(merged) == {field for fields in reports for field in fields}
    assert list(merged) == [field for field in FIELDS if field in merged]


def test_a_column_nobody_knows_stands_last_and_is_text_where_its_types_differ() -> None:
    reports = [
        [unknown("new", NUMBER), FIELDS[0], unknown("same", FLAG)],
        [FIELDS[0], FIELDS[1], unknown("new"), unknown("same", FLAG)],
    ]
    merged = merged_fields(reports)
    assert [(field.column, field.type) for field in merged] == [
        ("bucket", TEXT),
        ("key", TEXT),
        ("new", TEXT),
        ("same", FLAG),
    ]


@pytest.mark.parametrize("report_format", Format)
def test_newer_columns_than_anybody_knows_are_kept(tmp_path: Path, report_format: Format) -> None:
    report = opened(newer_report(tmp_path, report_format))
    [row] = asked([one_table(report)], "FROM inventory_report")[0]
    assert list(row) == ["bucket", "key", "size", "freshness_date", "heat_score"]
    assert (row["key"], row["size"]) == ("a b", 7)
    # CSV does not say of what type they are.
    typed = datetime(2024, 5, 6, 22, 37, 48, tzinfo=UTC), 9
    text = "2024-05-06T22:37:48.000Z", "9"
    expected = text if report_format is Format.CSV else typed
    assert (row["freshness_date"], row["heat_score"]) == expected


def test_values_of_a_column_whose_types_differ_are_written_as_csv_writes_them(
    tmp_path: Path,
) -> None:
    reports = tuple(opened(newer_report(tmp_path / each, each)) for each in Format)
    rows, warnings = asked(
        [Table("inventory_report", reports, dated=True)], "FROM inventory_report"
    )
    assert warnings == ()
    assert rows == [
        {
            "bucket": "b",
            "key": "a b",
            "size": 7,
            "freshness_date": "2024-05-06T22:37:48.000Z",
            "heat_score": "9",
            "dt": "2024-05-07-01-00",
        }
    ] * len(Format)


# -- several tables ------------------------------------------------------------------------------


def test_reports_of_different_formats_are_joined_in_one_question(tmp_path: Path) -> None:
    keys = {"a": ["1", "2", "3"], "b": ["2", "3", "4"]}
    tables = [
        one_table(
            opened(our_report(tmp_path / name, report_format, [objects(keys[name])]).manifest_path),
            name,
        )
        for name, report_format in (("a", Format.ORC), ("b", Format.CSV))
    ]
    gone = "SELECT key FROM a ANTI JOIN b USING (key)"
    assert asked(tables, gone) == ([{"key": "1"}], ())
    sql = "SELECT a.key, b.size FROM a JOIN b USING (key) WHERE a.last_modified_date <= b.last_modified_date"
    assert [row["key"] for row in asked(tables, sql)[0]] == []
    assert len(asked(tables, "SELECT * FROM a UNION ALL SELECT * FROM b")[0]) == 6


def test_a_column_of_one_table_is_not_another_ones(tmp_path: Path) -> None:
    ours = our_report(tmp_path / "a", Format.ORC, [objects(["k"])], fields=("Size",))
    tables = [
        one_table(opened(ours.manifest_path), "a"),
        one_table(opened(aws_report(tmp_path / "b", Format.ORC)), "b"),
    ]
    assert asked(tables, "SELECT b.e_tag FROM b WHERE size = 0")[0]
    with pytest.raises(QueryError, match='"a" does not have a column named "e_tag"'):
        asked(tables, "SELECT a.e_tag FROM a, b")
    with pytest.raises(QueryError, match="none of the 2 reports has the column `object_owner`"):
        asked(tables, "SELECT a.object_owner FROM a, b")


def test_a_damaged_file_of_one_of_several_tables_is_named(tmp_path: Path) -> None:
    first = our_report(tmp_path / "a", Format.PARQUET, [objects(["k"])])
    second = our_report(tmp_path / "b", Format.PARQUET, [objects(["k"]), objects(["l"])])
    tables = [
        one_table(opened(first.manifest_path), "a"),
        one_table(opened(second.manifest_path), "b"),
    ]
    broken = second.data_path(tmp_path / "b", 1)
    broken.write_bytes(bytes(broken.stat().st_size))
    with pytest.raises(DataFileError, match=str(broken)):
        asked(tables, "SELECT * FROM a JOIN b USING (bucket)")


def test_moments_of_all_formats_compare_as_moments(tmp_path: Path) -> None:
    tables = [one_table(opened(aws_report(tmp_path / each, each)), each.lower()) for each in Format]
    sql = """SELECT count(*) AS n FROM csv JOIN orc USING (key, last_modified_date)
             JOIN parquet USING (key, last_modified_date) WHERE csv.last_modified_date < now()"""
    assert asked(tables, sql)[0] == [{"n": 5}]
    assert datetime.fromisoformat("2024-05-06T22:37:48Z") in {
        row["last_modified_date"] for row in asked(tables, "FROM orc")[0]
    }
