"""Large reports: only what is needed is read, rows come as they are found, memory is bounded."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from stocktake.analysis.differences_ordered import ordered_batches
from stocktake.analysis.query import QueryLimits, run_query
from stocktake.analysis.report import FoundSidecar, Report, open_report
from stocktake.model.configuration import Format
from stocktake.model.errors import QueryError, SpoolError
from stocktake.model.fields import MOMENT
from stocktake.store.files import BucketFiles, FolderFiles
from stocktake.store.ranges import ReadLimits
from tests.analysis.questions import answer, opened
from tests.analysis.reports import (
    OUR_MOMENT,
    objects,
    our_report,
    republish,
    write,
)

SCRIPT = """
import sys
from pathlib import Path
from stocktake.analysis.query import run_query
from stocktake.analysis.report import open_report
from stocktake.store.files import FolderFiles
report = open_report(*FolderFiles.at(Path(sys.argv[1])))
with run_query(report, sys.argv[2]) as found:
    print(next(found.batches()).to_pylist()[:1])
"""


class Counted:
    """A store's client over a local folder that counts what it hands out."""

    def __init__(self, root: Path) -> None:
        self.files = FolderFiles(root)
        self.bytes = 0
        self.sizes: Counter[str] = Counter()  # asked for, by key
        self.ranges: Counter[tuple[str, int]] = Counter()  # by key and first byte

    def read(self, _bucket: str, key: str, bytes_max: int) -> bytes:
        return self.files.read(key, bytes_max)

    def read_range(self, _bucket: str, key: str, start: int, stop: int) -> bytes:
        with self.files.open(key) as file:
            file.seek(start)
            body = file.read(stop - start)
        self.bytes += len(body)
        self.ranges[key, start] += 1
        return body

    def size(self, _bucket: str, key: str) -> int:
        self.sizes[key] += 1
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


def test_a_store_is_asked_for_nothing_twice(large: Path) -> None:
    report, client, _ = remote(large)
    assert answer(report, "SELECT sum(size) AS s FROM inventory_report")
    first, *others = (client.sizes[file.key] for file in report.manifest.files)
    # The first tells when the report is opened where its files lie, and of CSV how their rows end.
    assert first == 2 + (report.manifest.format is Format.CSV)
    assert set(others) == {1}
    assert set(client.ranges.values()) == {1}


def test_counting_rows_of_a_remote_report_reads_footers_alone(large: Path) -> None:
    report, client, total = remote(large)
    assert answer(report, "SELECT count(*) AS n FROM inventory_report") == [{"n": ROWS}]
    most = 1.1 if report.manifest.format is Format.CSV else 0.06  # CSV has no footer
    assert client.bytes < most * total


def test_of_a_remote_report_only_what_can_hold_the_key_is_fetched(
    large: Path,
) -> None:
    report, client, total = remote(large)
    sql = "SELECT * FROM inventory_report WHERE key = '00100007'"
    assert [row["size"] for row in answer(report, sql)] == [100_007]
    if report.manifest.format is not Format.CSV:  # of ORC, only the file whose keys can be it
        assert client.bytes < 0.25 * total


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("key >= '00100000' AND key < '00100010'", 10),
        ("key IN ('00000000', '00239999')", 2),
        ("key LIKE '0010000%'", 10),
        ("key = '00100007' OR size = 3", 2),
        ("key > 'a'", 0),
        ("NOT key < '00239998'", 2),
        ("size BETWEEN 29999 AND 30000", 2),
        ("key IS NULL", 0),
        ("upper(key) = '00100007' AND e_tag <> ''", 1),
    ],
)
def test_what_is_not_read_holds_no_row_of_the_answer(
    large: Path, condition: str, rows: int
) -> None:
    report, _, _ = remote(large)
    sql = f"SELECT count(*) AS n, count(DISTINCT key) AS k FROM inventory_report WHERE {condition}"
    assert answer(report, sql) == [{"n": rows, "k": rows}]


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


def test_a_report_that_there_is_no_room_to_sort_is_a_failure_that_says_where_room_is_needed(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = QueryLimits(memory_bytes_max=12 * 2**20, threads=1, spill_bytes_max=0)
    monkeypatch.setattr("stocktake.analysis.differences_ordered.SORT_LIMITS", few)
    whole = opened(large)
    backwards = replace(whole.manifest, files=whole.manifest.files[::-1])
    report = replace(whole, manifest=backwards, beside=FoundSidecar(None))
    with pytest.raises(SpoolError, match="cannot be sorted by key") as caught:
        list(ordered_batches(report, ["key", "size", "e_tag"]))
    assert tempfile.gettempdir() in str(caught.value.hint)


def test_a_process_that_wants_only_the_first_rows_ends_cleanly(large: Path) -> None:
    """Engines that go on reading in the background abort the process that ends before them."""
    for sql in ("SELECT key FROM inventory_report LIMIT 3", "FROM inventory_report"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(large), sql],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
