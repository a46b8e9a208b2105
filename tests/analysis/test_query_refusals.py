"""What a report cannot answer, and what SQL over it may not do."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from stocktake.analysis.relation import literal
from stocktake.analysis.report import Report
from stocktake.model.configuration import Format
from tests.analysis.questions import SEED, answer, opened, refusal
from tests.analysis.reports import (
    objects,
    our_report,
)

# -- columns the report lacks --------------------------------------------------------------------


def test_the_compliance_question_runs_as_written_where_the_field_is_there(genuine: Report) -> None:
    assert answer(genuine, SEED) == []
    assert len(answer(genuine, SEED.replace("NOT-SSE", "SSE-S3"))) == 4


@pytest.mark.parametrize("report_format", Format)
def test_a_missing_field_is_an_error_that_names_it_and_the_option_that_yields_it(
    tmp_path: Path, report_format: Format
) -> None:
    report = opened(our_report(tmp_path, report_format, [objects(["k"])]).manifest_path)
    error = refusal(report, SEED)
    assert "`encryption_status` (EncryptionStatus)" in error.message
    assert error.hint == "`stocktake run` yields it with `--fields default,EncryptionStatus`"


@pytest.mark.parametrize("files", [[], [[]]])
def test_a_missing_field_of_an_empty_report_is_the_same_error(
    tmp_path: Path, files: list[list[dict[str, object]]]
) -> None:
    report = opened(our_report(tmp_path, Format.CSV, files).manifest_path)
    assert "EncryptionStatus" in refusal(report, SEED).message


@pytest.mark.parametrize(
    ("sql", "named", "option"),
    [
        ("SELECT r.version_id FROM inventory_report r", "VersionId", "--versions All"),
        ("SELECT * EXCLUDE (is_latest) FROM inventory_report", "IsLatest", "--versions All"),
        (
            "SELECT count(*) FILTER (is_delete_marker) FROM inventory_report",
            "IsDeleteMarker",
            "--versions",
        ),
        ('SELECT "object_tags" FROM inventory_report', "ObjectTags", "--fields default,ObjectTags"),
        ("SELECT EncryptionStatus FROM inventory_report", "EncryptionStatus", "--fields"),
        ("SELECT inventory_report.object_owner FROM inventory_report", "ObjectOwner", "--fields"),
    ],
)
def test_a_missing_field_is_found_wherever_it_stands(
    tmp_path: Path, sql: str, named: str, option: str
) -> None:
    report = opened(our_report(tmp_path, Format.PARQUET, [objects(["k"])]).manifest_path)
    error = refusal(report, sql)
    assert f"({named})" in error.message
    assert option in error.hint


def test_a_report_of_awss_may_also_be_configured_to_have_the_field(genuine: Report) -> None:
    error = refusal(genuine, "SELECT object_owner FROM inventory_report")
    assert "--fields default,ObjectOwner" in error.hint
    assert "InventoryConfiguration" in error.hint


def test_awss_name_of_a_column_that_is_there_is_spelt_right_in_the_hint(genuine: Report) -> None:
    error = refusal(genuine, "SELECT StorageClass FROM inventory_report")
    assert error.hint == "the column is `storage_class`"


# -- what SQL may not do -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("", "found 0 SQL statements"),
        ("-- nothing", "found 0 SQL statements"),
        ("SELECT 1; SELECT 2", "found 2 SQL statements"),
        ("SELEC 1", "syntax error"),
        ("SELECT nothing FROM inventory_report", "not found"),
        ("FROM other_view", "does not exist"),
        ("DROP VIEW inventory_report", "found DROP"),
        ("SET threads = 1", "found SET"),
        ("INSTALL httpfs", "found LOAD"),
        ("UPDATE EXTENSIONS", "found a statement of another kind"),
        ("ATTACH 'x.db'", "found ATTACH"),
        ("COPY inventory_report TO 'x.csv'", "found COPY"),
        ("CREATE TABLE x (i int)", "found CREATE"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'", "found COPY"),
        ("EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO 'x.csv'", "found COPY"),
        ("EXPLAIN COPY (SELECT 1) TO 'x.csv'", "found COPY"),
        ("EXPLAIN DROP VIEW inventory_report", "found DROP"),
        ("/**/ EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'", "found COPY"),
        ("WITH w AS (COPY (SELECT 1) TO 'x.csv') FROM w", "found a COPY within a SELECT"),
        ("EXPLAIN WITH w AS (COPY (SELECT 1) TO 'x.csv') FROM w", "found a COPY within a SELECT"),
        ("FROM (WITH w AS (COPY (SELECT 1) TO 'x.csv') FROM w)", "found a COPY within a SELECT"),
        ("FROM query('WITH w AS (COPY (SELECT 1) TO ''x.csv'') FROM w')", "the function query"),
        ("FROM Main.QUERY('SELECT 1')", "the function"),
        ("FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))", "the function json"),
        ("FROM read_text('/etc/hostname')", "disabled"),
        ("FROM '/etc/hostname'", "does not exist"),
        ("FROM glob('/*')", "disabled"),
        ("FROM read_csv('https://127.0.0.1:1/x.csv')", "disabled"),
        ("FROM local_rows", "does not exist"),
        ("SELECT CAST(key AS INTEGER) FROM inventory_report", "Could not convert"),
    ],
)
def test_whatever_is_no_question_about_the_report_is_refused(
    genuine: Report, sql: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    local_rows = pa.table({"a": [1]})
    assert says in refusal(genuine, sql).message
    assert local_rows.num_rows == 1
    assert not list(tmp_path.glob("x.*"))


def test_an_explanation_and_a_description_are_questions_too(genuine: Report) -> None:
    for explain in ("EXPLAIN", "explain analyze", "EXPLAIN (FORMAT json)", "EXPLAIN (ANALYZE)"):
        assert answer(genuine, f"{explain} FROM inventory_report")
    assert len(answer(genuine, "DESCRIBE inventory_report")) == len(genuine.fields)


@pytest.mark.parametrize("report_format", [Format.CSV, Format.PARQUET])
def test_a_data_file_that_the_engine_opens_by_itself_is_only_read(
    tmp_path: Path, report_format: Format
) -> None:
    """DuckDB's own switches would let all of this through: the file is one that it may open."""
    ours = our_report(tmp_path, report_format, [objects(["k"])])
    data, report = ours.data_path(tmp_path), opened(ours.manifest_path)
    before = data.read_bytes()
    writes = f"COPY (SELECT 1) TO '{data}' (use_tmp_file false)"
    within = f"WITH w AS ({writes}) FROM w"
    for sql in (
        writes, f"EXPLAIN ANALYZE {writes}", f"SELECT 1; {writes}", f"EXPLAIN ({writes})", f"FROM ({writes})",
        within, f"EXPLAIN ANALYZE {within}", f"SELECT 1 WHERE EXISTS ({within})", f"SELECT 1 UNION ALL ({within})",
        f"FROM query({literal(writes)})", f"FROM query({literal(within)})",
        f"FROM json_execute_serialized_sql(json_serialize_sql({literal(within)}))",
    ):  # fmt: skip
        refusal(report, sql)
        assert data.read_bytes() == before, sql
    beside = data.with_name(f"other{data.suffix}")
    beside.write_bytes(before)
    assert "disabled" in refusal(report, f"FROM read_blob('{beside}')").message
    assert "disabled" in refusal(report, f"FROM read_blob('{ours.manifest_path}')").message
    assert data.read_bytes() == before
    assert answer(report, "SELECT count(*) AS n FROM inventory_report") == [{"n": 1}]


def test_names_of_folders_are_no_patterns(tmp_path: Path) -> None:
    folder = tmp_path / "a[b]*?{c}'ü"
    ours = our_report(folder, Format.PARQUET, [objects(["k"])])
    other = our_report(tmp_path / "ab", Format.PARQUET, [objects(["other"])])
    assert answer(opened(ours.manifest_path), "SELECT key FROM inventory_report") == [{"key": "k"}]
    assert other.manifest_path.exists()
