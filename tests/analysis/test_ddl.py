"""The statements that make a report a table elsewhere."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from stocktake.analysis.ddl import Engine
from stocktake.analysis.ddl import table_statement as statement_of
from stocktake.analysis.relation import VIEW
from stocktake.analysis.report import Report
from stocktake.analysis.tables import Table
from stocktake.model.configuration import Format
from stocktake.model.errors import UsageError
from tests.analysis.questions import opened
from tests.analysis.reports import (
    OUR_MOMENT,
    aws_report,
    genuine_rows,
    newer_report,
    objects,
    our_report,
)


def table_statement(
    *reports: Report, engine: Engine, table: str = VIEW, repair: bool = False
) -> str:
    """Of one report, or of several as a table by `dt`."""
    return statement_of(Table(table, reports, dated=len(reports) > 1), engine, repair=repair)


def genuine(root: Path, report_format: Format) -> Report:
    return opened(aws_report(root, report_format))


# -- Athena and Hive -----------------------------------------------------------------------------


def test_athenas_statement_for_a_genuine_csv_report_is_awss_but_for_the_minutes(
    tmp_path: Path,
) -> None:
    assert table_statement(genuine(tmp_path, Format.CSV), engine=Engine.ATHENA) == (
        """CREATE EXTERNAL TABLE `inventory_report` (
  `bucket` string,
  `key` string,
  `version_id` string,
  `is_latest` boolean,
  `is_delete_marker` boolean,
  `size` string,
  `last_modified_date` string,
  `e_tag` string,
  `storage_class` string,
  `is_multipart_uploaded` boolean,
  `replication_status` string,
  `encryption_status` string,
  `object_lock_retain_until_date` string,
  `object_lock_mode` string,
  `object_lock_legal_hold_status` string,
  `intelligent_tiering_access_tier` string,
  `bucket_key_status` string,
  `checksum_algorithm` string
)
PARTITIONED BY (`dt` string)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
STORED AS INPUTFORMAT 'org.apache.hadoop.hive.ql.io.SymlinkTextInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.IgnoreKeyTextOutputFormat'
LOCATION 's3://inventory-destination/inventory/filemanager-inventory-test/all-versions/hive/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'date',
  'projection.dt.format' = 'yyyy-MM-dd-HH-mm',
  'projection.dt.range' = '2024-05-07-01-00,NOW',
  'projection.dt.interval' = '1',
  'projection.dt.interval.unit' = 'MINUTES'
);
-- Always name the run: WHERE dt = '2024-05-07-01-00'
"""
    )


@pytest.mark.parametrize(
    ("report_format", "serde"),
    [(Format.ORC, "ql.io.orc.OrcSerde"), (Format.PARQUET, "ql.io.parquet.serde.ParquetHiveSerDe")],
)
def test_athena_reads_orc_and_parquet_with_real_types(
    tmp_path: Path, report_format: Format, serde: str
) -> None:
    statement = table_statement(genuine(tmp_path, report_format), engine=Engine.ATHENA)
    assert f"ROW FORMAT SERDE 'org.apache.hadoop.hive.{serde}'" in statement
    assert "  `size` bigint,\n" in statement
    assert "  `object_lock_retain_until_date` timestamp,\n" in statement


def test_partitions_may_be_found_by_repair_instead(tmp_path: Path) -> None:
    report = genuine(tmp_path, Format.PARQUET)
    statement = table_statement(report, engine=Engine.ATHENA, table="runs", repair=True)
    assert "projection" not in statement
    assert statement.endswith("MSCK REPAIR TABLE `runs`;\n")


def test_hive_reads_csv_where_it_lies_and_nothing_else(tmp_path: Path) -> None:
    statement = table_statement(genuine(tmp_path / "csv", Format.CSV), engine=Engine.HIVE)
    root = f"{tmp_path}/csv/inventory/filemanager-inventory-test/all-versions"
    assert f"LOCATION 'file://{root}/hive/';" in statement
    assert "MSCK REPAIR TABLE `inventory_report`;" in statement
    assert "boolean" not in statement  # Spark's MSCK refuses a table of text that declares any
    for report_format in (Format.ORC, Format.PARQUET):
        with pytest.raises(UsageError, match="Hive reads only text"):
            table_statement(genuine(tmp_path / report_format, report_format), engine=Engine.HIVE)


# -- the others ----------------------------------------------------------------------------------


@pytest.mark.parametrize("report_format", [Format.CSV, Format.PARQUET])
@pytest.mark.parametrize("folder", ["plain", 'it\'s a "folder" [1]; --'])
def test_duckdb_runs_the_statement_and_sees_the_rows(
    tmp_path: Path, report_format: Format, folder: str
) -> None:
    report = genuine(tmp_path / folder, report_format)
    table = 'a "table"'
    statement = table_statement(report, engine=Engine.DUCKDB, table=table)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(statement)
        found = connection.sql('FROM "a ""table"""').to_arrow_table().to_pylist()
    assert found == genuine_rows()


def test_duckdb_cannot_be_told_to_read_orc(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="DuckDB cannot read ORC"):
        table_statement(genuine(tmp_path, Format.ORC), engine=Engine.DUCKDB)


def two_files(root: Path, report_format: Format) -> Report:
    return opened(our_report(root, report_format, [objects(["a"]), objects(["b"])]).manifest_path)


@pytest.mark.parametrize("report_format", [Format.ORC, Format.PARQUET])
def test_spark_reads_the_data_files_by_path(tmp_path: Path, report_format: Format) -> None:
    statement = table_statement(two_files(tmp_path, report_format), engine=Engine.SPARK)
    assert f"USING {report_format.lower()}\n" in statement
    names = ",".join(
        f"00000000-0000-0000-0000-00000000000{n}.{report_format.lower()}" for n in (0, 1)
    )
    assert f"/source/stocktake/data/{{{names}}}');" in statement
    assert "`last_modified_date` TIMESTAMP" in statement


def test_spark_and_trino_and_clickhouse_decode_csv(tmp_path: Path) -> None:
    report = two_files(tmp_path, Format.CSV)
    for engine, decoded in {
        Engine.SPARK: "url_decode(`key`) AS `key`",
        Engine.TRINO: 'url_decode("key") AS "key"',
        Engine.CLICKHOUSE: "decodeURLFormComponent(`key`) AS `key`",
    }.items():
        assert decoded in table_statement(report, engine=engine)


def test_trino_sees_only_this_runs_files_of_the_folder(tmp_path: Path) -> None:
    report = two_files(tmp_path, Format.PARQUET)
    statement = table_statement(report, engine=Engine.TRINO)
    for file in report.manifest.files:
        assert f"  'file://{tmp_path}/{file.key}'" in statement
    assert "external_location = 'file://" in statement
    assert '"last_modified_date" timestamp(3)' in statement


@pytest.mark.parametrize("engine", [Engine.SPARK, Engine.CLICKHOUSE])
def test_a_path_that_an_engine_takes_for_a_pattern_is_refused(
    tmp_path: Path, engine: Engine
) -> None:
    with pytest.raises(UsageError, match=r"cannot name .*`\*`"):
        table_statement(two_files(tmp_path / "a*b", Format.PARQUET), engine=engine)


@pytest.mark.parametrize("engine", Engine)
def test_only_the_reports_columns_are_declared(tmp_path: Path, engine: Engine) -> None:
    statement = table_statement(two_files(tmp_path, Format.CSV), engine=engine)
    named = set(re.findall(r"[`\"]([a-z_]+)[`\"]", statement))
    columns = {"bucket", "key", "size", "last_modified_date", "e_tag", "storage_class"}
    others = {"dt", "inventory_report", "inventory_report_files"}
    assert columns <= named <= columns | others


@pytest.mark.parametrize("engine", sorted(set(Engine) - {Engine.DUCKDB}))
def test_quotes_and_backslashes_in_names_and_paths_stay_inside_their_quotes(
    tmp_path: Path, engine: Engine
) -> None:
    folder = tmp_path / "it's"
    report = two_files(folder, Format.CSV)
    statement = table_statement(report, engine=engine, table="a`b\"c'd")
    unquoted = re.sub(r"`(``|[^`])*`|\"(\"\"|[^\"])*\"|'(''|\\'|[^'])*'", "", statement)
    assert "'" not in unquoted
    assert "`" not in unquoted


@pytest.mark.parametrize("engine", [Engine.SPARK, Engine.TRINO, Engine.CLICKHOUSE])
def test_a_report_without_files_makes_no_table_there(tmp_path: Path, engine: Engine) -> None:
    report = opened(our_report(tmp_path, Format.CSV, []).manifest_path)
    with pytest.raises(UsageError, match="no data files"):
        table_statement(report, engine=engine)


def test_a_copy_is_told_to_athena_by_where_it_was_delivered_and_to_others_by_where_it_lies(
    tmp_path: Path,
) -> None:
    manifest = aws_report(tmp_path / "bucket", Format.CSV)
    shutil.copytree(manifest.parents[1], tmp_path / "copy")
    shutil.rmtree(tmp_path / "bucket")
    report = opened(tmp_path / "copy")
    assert "LOCATION 's3://inventory-destination/inventory/" in table_statement(
        report, engine=Engine.ATHENA
    )
    assert f"'{tmp_path}/copy/data/" in table_statement(report, engine=Engine.DUCKDB)
    assert f"LOCATION 'file://{tmp_path}/copy/hive/'" in table_statement(report, engine=Engine.HIVE)


# -- several runs --------------------------------------------------------------------------------


def two_runs(
    root: Path, *formats: Format, fields: tuple[str, ...] = ("Size", "ETag")
) -> list[Report]:
    """Reports of two days in one configuration folder; the second has `fields`, the first Size and ETag."""
    first, second = formats if len(formats) > 1 else formats * 2
    made = [
        our_report(root, first, [objects(["a"])], fields=("Size", "ETag")),
        our_report(
            root,
            second,
            [objects(["b"]), objects(["c"])],
            fields=fields,
            moment=OUR_MOMENT + timedelta(days=1),
            first_name=7,
        ),
    ]
    return [opened(each.manifest_path) for each in made]


def test_athena_is_told_the_runs_by_name(tmp_path: Path) -> None:
    statement = table_statement(*two_runs(tmp_path, Format.PARQUET), engine=Engine.ATHENA)
    assert statement.endswith(
        """TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.dt.type' = 'enum',
  'projection.dt.values' = '2026-11-22-10-17,2026-11-23-10-17'
);
"""
    )


def test_hive_is_told_where_each_run_lies(tmp_path: Path) -> None:
    statement = table_statement(*two_runs(tmp_path, Format.CSV), engine=Engine.HIVE)
    assert "MSCK" not in statement
    for dt in ("2026-11-22-10-17", "2026-11-23-10-17"):
        place = f"file://{tmp_path}/inventory/source/stocktake/hive/dt={dt}/"
        assert f"PARTITION (`dt` = '{dt}')\n  LOCATION '{place}'" in statement


def test_columns_that_a_run_lacks_are_null_there(tmp_path: Path) -> None:
    reports = two_runs(tmp_path, Format.PARQUET, fields=("Size", "StorageClass"))
    for engine, null in {
        Engine.SPARK: "CAST(NULL AS STRING) AS `storage_class`",
        Engine.TRINO: 'CAST(NULL AS varchar) AS "storage_class"',
        Engine.CLICKHOUSE: "CAST(NULL AS Nullable(String)) AS `storage_class`",
    }.items():
        statement = table_statement(*reports, engine=engine)
        assert statement.count(null) == 1
        assert statement.count("'2026-11-23-10-17' AS ") == 1
    with duckdb.connect() as connection:
        connection.execute(table_statement(*reports, engine=Engine.DUCKDB))
        found = connection.sql("SELECT dt, key, storage_class FROM inventory_report ORDER BY key")
        assert found.fetchall() == [
            ("2026-11-22-10-17", "a", None),
            ("2026-11-23-10-17", "b", "STANDARD"),
            ("2026-11-23-10-17", "c", "STANDARD"),
        ]


def test_trino_has_a_table_for_each_list_of_columns(tmp_path: Path) -> None:
    same = table_statement(*two_runs(tmp_path / "same", Format.ORC), engine=Engine.TRINO)
    assert same.count("CREATE TABLE") == 1
    fields = ("Size", "ETag", "StorageClass")
    reports = two_runs(tmp_path / "other", Format.ORC, fields=fields)
    other = table_statement(*reports, engine=Engine.TRINO)
    assert re.findall(r'CREATE TABLE "(\w+)"', other) == [
        "inventory_report_files",
        "inventory_report_files_2",
    ]


@pytest.mark.parametrize("engine", [Engine.ATHENA, Engine.HIVE])
def test_one_table_of_a_folder_is_of_one_kind_of_report(tmp_path: Path, engine: Engine) -> None:
    reports = two_runs(tmp_path / "columns", Format.CSV, fields=("Size", "StorageClass"))
    with pytest.raises(UsageError, match="2026-11-23-10-17 differ: e_tag, storage_class"):
        table_statement(*reports, engine=engine)
    for report_format in (Format.ORC, Format.PARQUET):
        mixed = two_runs(tmp_path / report_format, Format.CSV, report_format)
        with pytest.raises(UsageError, match=f"CSV and {report_format}|only text"):
            table_statement(*mixed, engine=engine)


def test_athena_takes_orcs_columns_by_name(tmp_path: Path) -> None:
    reports = two_runs(tmp_path, Format.ORC, fields=("Size", "StorageClass"))
    statement = table_statement(*reports, engine=Engine.ATHENA)
    assert "'orc.column.index.access' = 'false'" in statement
    assert statement.index("`e_tag`") < statement.index("`storage_class`")


def test_a_run_without_files_is_left_out(tmp_path: Path) -> None:
    reports = two_runs(tmp_path, Format.PARQUET)
    empty = our_report(tmp_path, Format.PARQUET, [], moment=OUR_MOMENT + timedelta(days=2))
    for engine in (Engine.SPARK, Engine.TRINO, Engine.CLICKHOUSE):
        statement = table_statement(*reports, opened(empty.manifest_path), engine=engine)
        assert "2026-11-24" not in statement
        assert "storage_class" in statement  # the column is there all the same


@pytest.mark.parametrize("engine", [Engine.ATHENA, Engine.HIVE])
def test_all_runs_and_some_runs_exclude_each_other(tmp_path: Path, engine: Engine) -> None:
    with pytest.raises(UsageError, match="every run"):
        table_statement(*two_runs(tmp_path, Format.CSV), engine=engine, repair=True)


@pytest.mark.parametrize("engine", [Engine.SPARK, Engine.TRINO, Engine.DUCKDB, Engine.CLICKHOUSE])
def test_engines_that_read_files_by_name_have_no_partitions_to_find(
    tmp_path: Path, engine: Engine
) -> None:
    with pytest.raises(UsageError, match="reads files by their names"):
        table_statement(two_files(tmp_path, Format.CSV), engine=engine, repair=True)


def test_an_unknown_column_of_two_types_is_refused_where_it_cannot_be_one(tmp_path: Path) -> None:
    days = [newer_report(tmp_path / each, each) for each in (Format.CSV, Format.ORC)]
    reports = [opened(day) for day in days]
    for engine in (Engine.SPARK, Engine.TRINO, Engine.CLICKHOUSE):
        with pytest.raises(UsageError, match="do not agree about the column `freshness_date`"):
            table_statement(*reports, engine=engine)


@pytest.mark.parametrize("engine", [Engine.ATHENA, Engine.HIVE])
def test_backslashes_of_our_own_columns_are_no_escapes(tmp_path: Path, engine: Engine) -> None:
    fields = ("Size", "UserMetadata")
    report = our_report(tmp_path, Format.CSV, [objects(["a"])], fields=fields)
    statement = table_statement(opened(report.manifest_path), engine=engine)
    assert r"SERDEPROPERTIES ('escapeChar' = '\u0000')" in statement
