"""SQL that somebody else wrote: what gets through, and a list of escapes that do not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest

from stocktake.analysis.guard import SQL_CHARACTERS_MAX, check_guarded
from stocktake.analysis.guarded import GuardedLimits, run_guarded
from stocktake.analysis.offering import lock, offer
from stocktake.analysis.output import Output, write_answer
from stocktake.analysis.query import run_query
from stocktake.analysis.report import open_report
from stocktake.analysis.session import QueryLimits, connect
from stocktake.analysis.staging import is_staged, stage_report
from stocktake.analysis.tables import Table, one_table
from stocktake.model.configuration import Format
from stocktake.model.errors import DataFileError, QueryError, SpoolError, UsageError
from stocktake.store.files import BucketFiles
from tests.analysis.escapes import ESCAPES
from tests.analysis.questions import opened
from tests.analysis.reports import aws_report, genuine_rows, objects, our_report
from tests.analysis.test_query_large import Counted

NAMES = ["inventory_report"]


def guarded(
    tables: Sequence[Table], sql: str, **limits: float
) -> tuple[list[dict[str, object]], bool]:
    """The answer, and whether it was cut."""
    with run_guarded(tables, sql, limits=GuardedLimits(**limits)) as found:  # type: ignore[arg-type]
        rows = [row for batch in found.batches() for row in batch.to_pylist()]
        return rows, found.truncated


@pytest.fixture
def tables(tmp_path: Path) -> list[Table]:
    return [one_table(opened(aws_report(tmp_path, Format.PARQUET)))]


# -- what gets through ---------------------------------------------------------------------------

QUESTIONS = [
    "SELECT * FROM inventory_report",
    "FROM inventory_report SELECT key, size + 1 LIMIT 3",
    "SELECT storage_class, count(*), sum(size), avg(size) FROM inventory_report GROUP BY ALL ORDER BY 2",
    "WITH latest AS (SELECT * FROM inventory_report WHERE is_latest) SELECT l.key FROM latest l",
    "SELECT key FROM inventory_report WHERE key IN (SELECT key FROM Inventory_Report) OR key LIKE 'a%'",
    "SELECT row_number() OVER (PARTITION BY key ORDER BY size) FROM inventory_report",
    "SELECT list(DISTINCT key), max(last_modified_date) - INTERVAL 1 DAY FROM inventory_report",
    "SELECT CASE WHEN size > 10 THEN 'big' END, coalesce(size, 0), key || 'x', size BETWEEN 1 AND 2 FROM"
    " inventory_report",
    "SELECT split_part(key, '/', 1) AS p, date_trunc('month', last_modified_date), now() FROM inventory_report",
    "SELECT g FROM inventory_report, unnest([1, 2]) t(g) WHERE regexp_matches(key, '^a') UNION ALL SELECT 1",
    "SELECT [x * 2 for x in [1, 2]], {'a': 1}.a, MAP {'k': 'v'}['k'], tags('{}'), grants(NULL)",
    "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3) SELECT * FROM r",
    "SELECT a.key FROM inventory_report a JOIN inventory_report b USING (key) WHERE EXISTS (SELECT 1)",
    "VALUES (1), (2)",
]  # fmt: skip


@pytest.mark.parametrize("sql", QUESTIONS)
def test_questions_about_the_report_get_through(sql: str) -> None:
    check_guarded(sql, NAMES)


@pytest.mark.parametrize("report_format", Format)
def test_the_answer_is_the_same_as_the_owners(tmp_path: Path, report_format: Format) -> None:
    tables = [one_table(opened(aws_report(tmp_path, report_format)))]
    assert guarded(tables, "SELECT * FROM inventory_report") == (genuine_rows(), False)


# -- escapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", ESCAPES)
def test_an_escape_is_refused_before_anything_runs(
    after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for sql in ESCAPES[after]:
        with pytest.raises(QueryError) as error:
            check_guarded(sql.replace("FILE", str(tmp_path / "data.parquet")), NAMES)
        assert "\n" not in error.value.message, sql
    assert not list(tmp_path.iterdir())


def test_enough_escapes_are_tried() -> None:
    every = [sql for each in ESCAPES.values() for sql in each]
    assert len(every) == len(set(every)) > 300


NESTED = [
    "SELECT " + "(SELECT " * 900 + "1" + ")" * 900,
    "SELECT 1 FROM inventory_report" + ", inventory_report" * 5000,
    "SELECT 1" + " + 1" * 20_000,
    "SELECT " + "[" * 40_000 + "]" * 40_000,
]


@pytest.mark.parametrize("sql", NESTED)
def test_what_is_nested_without_end_is_refused_in_a_word(tables: list[Table], sql: str) -> None:
    for ask in (lambda: guarded(tables, sql), lambda: run_query(tables[0].reports[0], sql)):
        with pytest.raises(QueryError, match=r"nested too deeply|expression depth"):
            ask()


# -- limits of the process -----------------------------------------------------------------------

BOMBS = [
    "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r",
    "SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c WHERE hash(a, b, c) = 1",
    "SELECT list_sum(range(1000000000)) + list_sum(range(1000000000))",
    "SELECT length(lpad('x', 2000000000, 'y') || lpad('x', 2000000000, 'z'))",
    "SELECT printf('%2000000000d', 1)",
    "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
    "SELECT histogram(i) FROM range(1000000000) t(i)",
]


@pytest.mark.parametrize("sql", BOMBS)
def test_a_bomb_ends_within_its_limits(tables: list[Table], sql: str) -> None:
    with pytest.raises(QueryError) as error:
        guarded(tables, sql, time_s_max=10, memory_bytes_max=2**27, spill_bytes_max=2**26)
    assert "\n" not in error.value.message


def test_sql_without_an_end_is_refused() -> None:
    with pytest.raises(QueryError, match="at most 100000 are taken"):
        check_guarded("SELECT " + "1," * SQL_CHARACTERS_MAX + "1", NAMES)


@pytest.mark.parametrize("report_format", [Format.CSV, Format.PARQUET])
def test_without_the_first_fence_nothing_is_written_or_read_either(
    tmp_path: Path, report_format: Format
) -> None:
    """The statements of the list, straight into a locked engine: what it does not refuse itself touches no file."""
    ours = our_report(tmp_path / "r", report_format, [objects(["k"])])
    data = ours.data_path(tmp_path / "r")
    before, outside = data.read_bytes(), tmp_path / "outside.txt"
    outside.write_text("secret-of-the-owner")
    (tmp_path / "spill").mkdir()
    with connect(QueryLimits(), tmp_path / "spill") as connection:
        offer(connection, [one_table(opened(ours.manifest_path))], direct=False)
        lock(connection, ())
        for sql in (
            f"COPY (SELECT 1) TO '{data}' (use_tmp_file false)",
            f"WITH w AS (COPY (SELECT 1) TO '{data}' (use_tmp_file false)) FROM w",
            f"WITH w AS (COPY (SELECT 1) TO 'stocktake://0000-000000{data.suffix}' (use_tmp_file false)) FROM w",
            f"COPY (SELECT 1) TO 'stocktake://0000-000000{data.suffix}' (use_tmp_file false)",
            "COPY (SELECT 1) TO 'stocktake://new' (use_tmp_file false)",
            f"COPY (SELECT 1) TO '{tmp_path}/new.csv' (use_tmp_file false)",
            f"FROM read_text('{outside}')",
            f"FROM glob('{tmp_path}/*')",
            f"ATTACH '{tmp_path}/new.db'",
            "SET enable_external_access = true",
            "SET lock_configuration = false",
            "INSTALL httpfs",
            "LOAD httpfs",
            f"FROM query('FROM read_text(''{outside}'')')",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql).fetchall()
    assert data.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside.txt", "r", "spill"]


# -- limits --------------------------------------------------------------------------------------


def test_what_takes_too_long_is_ended(tables: list[Table]) -> None:
    started = time.monotonic()
    with pytest.raises(QueryError, match="took longer than 1 seconds"):
        guarded(
            tables,
            "SELECT count(*) FROM range(10000000000000) t(i) WHERE hash(i) % 7 = 3",
            time_s_max=1,
        )
    assert time.monotonic() - started < 60  # without, it would take hours


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(repeat('x', 1000) || i) FROM range(10000000) t(i)",
        "SELECT length(repeat('x', 2000000000 + i::INTEGER)) FROM range(10) t(i)",  # outside the engine's account
    ],
)  # fmt: skip
def test_what_takes_too_much_memory_is_ended(tables: list[Table], sql: str) -> None:
    with pytest.raises(QueryError, match=r"more (memory )?than it may use"):
        guarded(tables, sql, memory_bytes_max=2**27)


def test_a_long_answer_is_cut_and_says_so(tables: list[Table]) -> None:
    rows, truncated = guarded(tables, "SELECT i FROM range(1000000) t(i) ORDER BY i", rows_max=3)
    assert ([row["i"] for row in rows], truncated) == ([0, 1, 2], True)
    whole = guarded(tables, "SELECT key FROM inventory_report", rows_max=5)
    assert (len(whole[0]), whole[1]) == (5, False)


def test_a_large_answer_is_ended(tables: list[Table]) -> None:
    sql = "SELECT repeat('x', 1000) FROM range(100000) t(i)"
    with pytest.raises(QueryError, match="more than 1000000 bytes"):
        guarded(tables, sql, answer_bytes_max=1_000_000)


def test_a_question_that_fails_says_why_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    ours = our_report(tmp_path, Format.PARQUET, [objects(["k"]), objects(["l"])])
    tables = [one_table(opened(ours.manifest_path))]
    with pytest.raises(QueryError, match="Could not convert"):
        guarded(tables, "SELECT CAST(key AS INTEGER) FROM inventory_report")
    with pytest.raises(QueryError, match="lacks the column `encryption_status`"):
        guarded(tables, "SELECT encryption_status FROM inventory_report")
    broken = ours.data_path(tmp_path, 1)
    broken.write_bytes(bytes(broken.stat().st_size))
    with pytest.raises(DataFileError, match=str(broken)):
        guarded(tables, "SELECT * FROM inventory_report")


def test_the_process_knows_nothing_of_its_owner(
    tables: list[Table], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-owner")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with run_guarded(tables, "SELECT key FROM inventory_report") as found:
        process = found._child._process
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        folder = Path(f"/proc/{process.pid}/cwd").resolve()
        assert b"secret-of-the-owner" not in environment
        assert folder.name.startswith("stocktake-passing-guarded-")
    assert process.returncode is not None
    assert not folder.exists()


# -- staging -------------------------------------------------------------------------------------


@pytest.mark.parametrize("report_format", Format)
def test_a_report_in_a_bucket_is_copied_first(tmp_path: Path, report_format: Format) -> None:
    path = aws_report(tmp_path / "bucket", report_format)
    files = BucketFiles(Counted(tmp_path / "bucket"), "inventory-destination")
    far = open_report(files, path.relative_to(tmp_path / "bucket").as_posix())
    assert not is_staged(far)
    with pytest.raises(UsageError, match="is not on this machine"):
        run_guarded([one_table(far)], "SELECT 1")
    (tmp_path / "stage").mkdir()
    near = stage_report(far, tmp_path / "stage")
    assert is_staged(near)
    assert near.manifest == far.manifest
    assert near.paths.moment == far.paths.moment
    assert guarded([one_table(near)], "SELECT * FROM inventory_report")[0] == genuine_rows()


def test_a_copy_that_is_too_large_or_not_what_was_delivered_is_refused(tmp_path: Path) -> None:
    path = aws_report(tmp_path / "bucket", Format.CSV)
    report = opened(path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with pytest.raises(SpoolError, match="at most 10 are copied"):
        stage_report(report, tmp_path / "a", bytes_max=10)
    data = tmp_path / "bucket" / report.manifest.files[0].key
    data.write_bytes(data.read_bytes()[:-1] + b"x")
    with pytest.raises(DataFileError, match="has the MD5"):
        stage_report(report, tmp_path / "b")


def test_a_guarded_answer_is_written_as_any_other(tables: list[Table], tmp_path: Path) -> None:
    sink = (tmp_path / "answer.csv").open("wb")
    with sink, run_guarded(tables, "SELECT count(*) AS n FROM inventory_report") as found:
        assert write_answer(found, Output.CSV, sink) == 1
    assert (tmp_path / "answer.csv").read_text() == '"n"\n5\n'
