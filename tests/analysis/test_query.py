"""SQL over reports: the same columns, types and rows from all three formats; and what SQL may not
do.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stocktake.analysis.query import QueryLimits, run_query
from stocktake.analysis.report import Report, open_report
from stocktake.model.configuration import Format
from stocktake.model.errors import InventoryError, QueryError
from stocktake.model.fields import MOMENT
from stocktake.store.files import BucketFiles, FolderFiles
from stocktake.store.ranges import ReadLimits
from tests.analysis.reports import (
    OUR_MOMENT,
    aws_report,
    genuine_rows,
    objects,
    our_report,
    republish,
    write,
)

SEED = "SELECT * FROM inventory_report WHERE encryption_status = 'NOT-SSE'"


def opened(path: Path) -> Report:
    return open_report(*FolderFiles.at(path))


def answer(report: Report, sql: str) -> list[dict[str, object]]:
    with run_query(report, sql) as found:
        return [row for batch in found.batches() for row in batch.to_pylist()]


def refusal(report: Report, sql: str) -> QueryError:
    with pytest.raises(QueryError) as error:
        answer(report, sql)
    return error.value


@pytest.fixture(params=Format)
def genuine(request: pytest.FixtureRequest, tmp_path: Path) -> Report:
    return opened(aws_report(tmp_path, request.param))


# -- rows and types ------------------------------------------------------------------------------


def test_a_genuine_report_answers_with_its_rows_typed(genuine: Report) -> None:
    with run_query(genuine, "SELECT * FROM inventory_report") as found:
        assert found.columns == tuple(field.column for field in genuine.fields)
        kinds = {str(kind) for kind in found.schema.types}
        assert [row for batch in found.batches() for row in batch.to_pylist()] == genuine_rows()
    assert kinds == {"string", "bool", "int64", "timestamp[us, tz=UTC]"}


def test_values_compare_as_what_they_are(genuine: Report) -> None:
    sql = """SELECT key FROM inventory_report WHERE is_latest AND size BETWEEN 1 AND 9
             AND last_modified_date > TIMESTAMPTZ '2024-05-06 22:44:00Z' AND version_id IS NOT NULL"""
    assert answer(genuine, sql) == [{"key": "inventory-test/key1"}]
    assert answer(genuine, "SELECT count(*) AS n FROM inventory_report WHERE size IS NULL") == [
        {"n": 1}
    ]
    assert answer(genuine, "SELECT count(*) AS n FROM inventory_report WHERE e_tag = ''") == [
        {"n": 0}
    ]


def test_moments_are_utc_whatever_the_machine_thinks(tmp_path: Path) -> None:
    path = aws_report(tmp_path, Format.ORC)
    script = f"""
from pathlib import Path
from stocktake.analysis.query import run_query
from stocktake.analysis.report import open_report
from stocktake.store.files import FolderFiles
report = open_report(*FolderFiles.at(Path({str(path)!r})))
sql = "SELECT strftime(min(last_modified_date), '%Y-%m-%dT%H:%M') AS m FROM inventory_report"
with run_query(report, sql) as found:
    print([row for batch in found.batches() for row in batch.to_pylist()])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[{'m': '2024-05-06T22:37'}]"
    assert done.stderr == ""


HOSTILE = [
    "",
    " a b",
    "%41",
    "+",
    "a+b%20c",
    'a"b',
    "a,b",
    "line\nfeed",
    "\x00",
    "\x7f",
    "~é",
    "\U0001f600",
]


@pytest.mark.parametrize("report_format", Format)
def test_hostile_keys_come_out_as_they_went_in(tmp_path: Path, report_format: Format) -> None:
    keys = sorted(f"k{key}" for key in HOSTILE)
    report = opened(our_report(tmp_path, report_format, [objects(keys)]).manifest_path)
    assert [row["key"] for row in answer(report, "SELECT key FROM inventory_report")] == keys


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    keys=st.sets(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=12), min_size=1, max_size=40
    )
)
def test_every_key_survives_csv(tmp_path_factory: pytest.TempPathFactory, keys: set[str]) -> None:
    ordered = sorted(keys)
    root = tmp_path_factory.mktemp("keys")
    report = opened(our_report(root, Format.CSV, [objects(ordered)]).manifest_path)
    assert [row["key"] for row in answer(report, "SELECT key FROM inventory_report")] == ordered


def test_keys_of_old_reports_with_a_plus_for_a_space_are_decoded(tmp_path: Path) -> None:
    path = aws_report(tmp_path, Format.CSV)
    report = opened(path)
    sql = "SELECT url_decode(replace('a+b%2Bc', '+', ' ')) AS k"
    assert answer(report, sql) == [{"k": "a b+c"}]


@pytest.mark.parametrize("report_format", Format)
def test_extension_fields_can_be_asked_for(tmp_path: Path, report_format: Format) -> None:
    row = objects(["k"])[0] | {"object_tags": '{"a":"b"}', "parts_count": 3}
    fields = ("Size", "ObjectTags", "PartsCount")
    report = opened(our_report(tmp_path, report_format, [[row]], fields=fields).manifest_path)
    sql = "SELECT object_tags->>'a' AS a, parts_count + 1 AS p FROM inventory_report"
    assert answer(report, sql) == [{"a": "b", "p": 4}]


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("files", [[], [[]], [[], []]])
def test_an_empty_report_answers_with_no_rows_and_the_right_types(
    tmp_path: Path, report_format: Format, files: list[list[dict[str, object]]]
) -> None:
    report = opened(our_report(tmp_path, report_format, files).manifest_path)
    with run_query(report, "SELECT size, last_modified_date, key FROM inventory_report") as found:
        assert found.schema.types == [pa.int64(), pa.timestamp("us", tz="UTC"), pa.string()]
        assert list(found.batches()) == []
    assert answer(report, "SELECT count(*) AS n FROM inventory_report") == [{"n": 0}]


@pytest.mark.parametrize("report_format", Format)
def test_rows_come_in_the_order_of_the_report_and_can_be_joined(
    tmp_path: Path, report_format: Format
) -> None:
    keys = [f"{number:05}" for number in range(6000)]
    pieces = [objects(keys[:2500]), objects(keys[2500:2501]), objects(keys[2501:])]
    report = opened(our_report(tmp_path, report_format, pieces).manifest_path)
    assert [row["key"] for row in answer(report, "FROM inventory_report")] == keys
    sql = "SELECT count(*) AS n FROM inventory_report a JOIN inventory_report b USING (key)"
    assert answer(report, sql) == [{"n": 6000}]


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
        ("ATTACH 'x.db'", "found ATTACH"),
        ("COPY inventory_report TO 'x.csv'", "found COPY"),
        ("CREATE TABLE x (i int)", "found CREATE"),
        ("EXPLAIN ANALYZE COPY (SELECT 1) TO 'x.csv'", "disabled"),
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
    assert answer(genuine, "EXPLAIN FROM inventory_report")
    assert len(answer(genuine, "DESCRIBE inventory_report")) == len(genuine.fields)


# -- only what is needed, and no more at once ----------------------------------------------------


class Counted:
    """A store's client over a local folder that counts what it hands out."""

    def __init__(self, root: Path) -> None:
        self.files = FolderFiles(root)
        self.bytes = 0

    def read(self, _bucket: str, key: str, bytes_max: int) -> bytes:
        return self.files.read(key, bytes_max)

    def read_range(self, _bucket: str, key: str, start: int, stop: int) -> bytes:
        with self.files.open(key) as file:
            file.seek(start)
            body = file.read(stop - start)
        self.bytes += len(body)
        return body

    def size(self, _bucket: str, key: str) -> int:
        return self.files.size(key)

    def list_keys(self, _bucket: str, prefix: str, delimiter: str = "") -> list[str]:
        return self.files.list(prefix, delimiter)


ROWS = 240_000


@pytest.fixture(scope="module", params=Format)
def large(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight files of 30,000 rows, whose ETags cannot be compressed much."""
    keys = [f"{number:08}" for number in range(ROWS)]
    rows = pa.table(
        {
            "bucket": pa.repeat("source", ROWS),
            "key": keys,
            "size": range(ROWS),
            "last_modified_date": pa.repeat(pa.scalar(OUR_MOMENT, MOMENT), ROWS),
            "e_tag": [hashlib.md5(key.encode()).hexdigest() for key in keys],
            "storage_class": pa.repeat("STANDARD", ROWS),
        }
    )
    pieces = [rows.slice(start, ROWS // 8) for start in range(0, ROWS, ROWS // 8)]
    return our_report(tmp_path_factory.mktemp("large"), request.param, pieces).manifest_path


def remote(path: Path) -> tuple[Report, Counted, int]:
    """The report at `path` as if it lay in a bucket, the client that counts, and its files' bytes."""
    root = path.parents[4]
    client = Counted(root)
    files = BucketFiles(client, "inventory-destination", ReadLimits(block_bytes=8192))
    report = open_report(files, path.relative_to(root).as_posix())
    return report, client, sum(file.size for file in report.manifest.files)


SHARES = {Format.CSV: 1.1, Format.ORC: 0.25, Format.PARQUET: 0.25}


def test_of_a_remote_report_only_the_columns_that_are_needed_are_fetched(large: Path) -> None:
    report, client, total = remote(large)
    found = answer(report, "SELECT sum(size) AS s FROM inventory_report")
    assert found[0]["s"] == ROWS * (ROWS - 1) // 2
    assert 0 < client.bytes < SHARES[report.manifest.format] * total


def test_counting_rows_of_a_remote_report_reads_footers_alone(large: Path) -> None:
    report, client, total = remote(large)
    if report.manifest.format is Format.CSV:
        pytest.skip("CSV has no footer")
    assert answer(report, "SELECT count(*) AS n FROM inventory_report") == [{"n": ROWS}]
    assert client.bytes < 0.06 * total


def test_of_a_remote_parquet_report_only_the_row_groups_that_can_hold_the_key_are_fetched(
    large: Path,
) -> None:
    report, client, total = remote(large)
    sql = "SELECT * FROM inventory_report WHERE key = '00100007'"
    assert [row["size"] for row in answer(report, sql)] == [100_007]
    if report.manifest.format is Format.PARQUET:
        assert client.bytes < 0.25 * total


def test_the_first_rows_do_not_wait_for_the_last(large: Path, tmp_path: Path) -> None:
    small, _, _ = remote(large)
    files = []
    for file in small.manifest.files * 8:  # 64 files of 1 MB
        body = large.parents[4].joinpath(file.key).read_bytes()
        files.append(replace(file, key=f"{len(files)}/{file.key}"))
        write(tmp_path, files[-1].key, body)
    republish(tmp_path, small.paths, small.manifest, files=tuple(files))
    report, client, total = remote(tmp_path / small.paths.manifest)
    with run_query(report, "FROM inventory_report", limits=QueryLimits(threads=2)) as found:
        batches = found.batches()
        assert next(batches).num_rows > 0
        assert client.bytes < 0.4 * total
        assert sum(batch.num_rows for batch in batches) > 7 * ROWS


QUESTIONS = {
    "large answer": "SELECT repeat(e_tag, 40) FROM inventory_report",  # 300 MB
    "large sort": "SELECT e_tag || x FROM inventory_report, range(25) r(x) ORDER BY 1",  # 200 MB
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_larger_than_the_memory_streams_or_spills(large: Path, question: str) -> None:
    limits = QueryLimits(memory_bytes_max=144 * 2**20, threads=2)
    with run_query(opened(large), QUESTIONS[question], limits=limits) as found:
        assert sum(batch.num_rows for batch in found.batches()) >= ROWS


def test_an_answer_can_be_left_half_way_and_leaves_nothing_behind(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with run_query(opened(large), "FROM inventory_report") as found:
        next(iter(found.batches()))
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_an_error_and_no_crash(tmp_path: Path) -> None:
    report = opened(our_report(tmp_path, Format.CSV, [objects(["k"])]).manifest_path)
    limits = QueryLimits(memory_bytes_max=20 * 2**20)
    sql = "SELECT list(repeat(i::VARCHAR, 100)) FROM range(3000000) t(i)"
    with (
        pytest.raises(QueryError, match="more memory than it may use"),
        run_query(report, sql, limits=limits) as found,
    ):
        list(found.batches())


def test_a_moment_far_ahead_is_read(tmp_path: Path) -> None:
    row = objects(["k"])[0] | {"object_lock_retain_until_date": datetime(2126, 1, 1, tzinfo=UTC)}
    for report_format in Format:
        root = tmp_path / report_format
        fields = ("ObjectLockRetainUntilDate",)
        report = opened(our_report(root, report_format, [[row]], fields=fields).manifest_path)
        sql = "SELECT year(object_lock_retain_until_date) AS y FROM inventory_report"
        assert answer(report, sql) == [{"y": 2126}]


# -- damaged reports -----------------------------------------------------------------------------


def damaged(path: Path, change: Callable[[bytes], bytes]) -> None:
    path.write_bytes(change(path.read_bytes()))


def zeroed(body: bytes) -> bytes:
    """The same size, without its second half."""
    return body[: len(body) // 2] + bytes(len(body) - len(body) // 2)


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize(
    ("change", "says"),
    [(lambda body: body[:-10], "expected"), (zeroed, ""), (lambda body: bytes(len(body)), "")],
)
def test_a_damaged_data_file_is_named(
    tmp_path: Path, report_format: Format, change: Callable[[bytes], bytes], says: str
) -> None:
    keys = [f"{number * 2654435761 % 2**32:08x}" for number in range(3000)]
    ours = our_report(
        tmp_path, report_format, [objects(sorted(keys)[:9]), objects(sorted(keys)[9:])]
    )
    damaged(ours.data_path(tmp_path, 1), change)
    with pytest.raises(InventoryError) as error:
        answer(opened(ours.manifest_path), "SELECT * FROM inventory_report")
    assert type(error.value).__name__ == "DataFileError", error.value.message
    assert str(ours.data_path(tmp_path, 1)) in error.value.message
    assert says in error.value.message
    assert "stocktake://" not in error.value.message


@pytest.mark.parametrize("report_format", Format)
@pytest.mark.parametrize("number", [0, 1])
def test_a_missing_data_file_is_named(tmp_path: Path, report_format: Format, number: int) -> None:
    ours = our_report(tmp_path, report_format, [objects(["a"]), objects(["b"])])
    ours.data_path(tmp_path, number).unlink()
    with pytest.raises(InventoryError, match=f"{ours.manifest.files[number].key} is missing"):
        answer(opened(ours.manifest_path), "SELECT * FROM inventory_report")


@pytest.mark.parametrize("report_format", Format)
def test_a_data_file_without_a_column_of_the_manifest_is_no_empty_answer(
    tmp_path: Path, report_format: Format
) -> None:
    ours = our_report(tmp_path, report_format, [objects(["a"])])
    other = our_report(tmp_path / "x", report_format, [objects(["a"])], fields=("Size",))
    file = replace(other.manifest.files[0], key=ours.manifest.files[0].key)
    ours.data_path(tmp_path).write_bytes(other.data_path(tmp_path / "x").read_bytes())
    republish(tmp_path, ours.paths, ours.manifest, files=(file,))
    with pytest.raises(InventoryError) as error:
        answer(opened(ours.manifest_path), "SELECT storage_class FROM inventory_report")
    assert type(error.value).__name__ == "DataFileError", error.value.message
