"""Several reports in one question, through the command line alone."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from datetime import timedelta
from pathlib import Path

import pytest

from stocktake.model.configuration import Format
from tests.acceptance.command_line import command, stocktake
from tests.acceptance.killing import wait_for
from tests.analysis.reports import OUR_MOMENT, objects, our_report
from tests.servers.server import Server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration's folder with a report for each format; only the last two know ETags."""
    for number, report_format in enumerate(Format):
        rows = [objects([*"abc"[: number + 1]])]
        our_report(
            tmp_path, report_format, rows, fields=("Size", "ETag") if number else ("Size",),
            moment=OUR_MOMENT + timedelta(days=number), first_name=number,
        )  # fmt: skip
    return tmp_path / "inventory/source/stocktake"


def rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_range_of_dates_is_asked_as_one_table(folder: Path) -> None:
    sql = "SELECT dt, count(*) AS n, count(e_tag) AS tags FROM inventory_report GROUP BY dt ORDER BY dt"
    done = stocktake("query", folder, sql, "--dt", "2026-11-22..2026-11-23", "--format", "jsonl")
    assert done.code == 0, done.err
    assert rows(done.out) == [
        {"dt": "2026-11-22-10-17", "n": 1, "tags": 0},
        {"dt": "2026-11-23-10-17", "n": 2, "tags": 2},
    ]
    assert done.err.startswith(
        "warning: 1 of the 2 reports of `inventory_report` lack the column `e_tag`"
    )


def test_named_reports_of_different_stores_are_joined(
    folder: Path, moto_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = moto_server.client()
    client.create_bucket(Bucket="several-reports")
    root = folder.parents[2]
    for file in root.rglob("*.*"):
        if file.is_file():
            key = file.relative_to(root).as_posix()
            client.put_object(Bucket="several-reports", Key=key, Body=file.read_bytes())
    environment = moto_server.environment()
    endpoint = environment.pop("AWS_ENDPOINT_URL")
    done = stocktake(
        "query", "SELECT key FROM there ANTI JOIN here USING (key) ORDER BY key",
        "--name", f"here={folder}/2026-11-22T10-17Z",
        "--name", "there=s3://several-reports/inventory/source/stocktake",
        "--store", f"there:endpoint-url={endpoint}", "--format", "jsonl",
        environment=environment,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert rows(done.out) == [{"key": "b"}, {"key": "c"}]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "REPORT is missing"),
        (["REPORT"], "SQL is missing"),
        (["SELECT 1", "--name", "a"], "expected NAME=REPORT"),
        (["SELECT 1", "--name", "a b=REPORT"], "cannot be a table's name"),
        (["REPORT", "SELECT 1", "--dt", "soon"], "expected FROM..TO"),
        (["REPORT", "SELECT 1", "--dt", "2019"], "no published report of these dates"),
        (["REPORT", "SELECT 1", "--store", "b:profile=x"], "is of no report"),
        (["REPORT", "SELECT 1", "--memory", "lots"], "is no size"),
        (["REPORT", "SELECT 1", "--threads", "0"], "expected a number from 1"),
        (["REPORT", "SELECT 1", "--spill-folder", "/nowhere"], "is not there"),
    ],
)
def test_what_makes_no_sense_is_one_clear_error(
    folder: Path, arguments: list[str], says: str
) -> None:
    words = [word.replace("REPORT", str(folder)) for word in arguments]
    done = stocktake("query", *words)
    done.failed_clearly(1 if "no published" in says else 2, says)
    assert done.out == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_question_at_once_and_leaves_nothing(
    folder: Path, number: signal.Signals, tmp_path: Path
) -> None:
    spill, output = tmp_path / "spill", tmp_path / "answer.csv"
    spill.mkdir()
    sql = "SELECT count(*) FROM inventory_report, range(10000000000000) r(i) WHERE hash(i) % 7 = 3"
    words = command(
        "query", folder, sql, "--spill-folder", spill, "--output", output, "--format", "csv"
    )
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        assert wait_for(lambda: any(spill.iterdir()), 180)
        time.sleep(0.5)  # the question is under way; if it is not yet, the answer is the same
        running.send_signal(number)
        _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert said == "error: stopped before the answer was there\n"
    assert list(spill.iterdir()) == []
    assert not list(tmp_path.glob("*answer*"))


# -- SQL that somebody else wrote ----------------------------------------------------------------


def test_strangers_sql_is_answered_from_a_copy_and_cut(folder: Path, moto_server: Server) -> None:
    client = moto_server.client()
    client.create_bucket(Bucket="strangers-sql")
    root = folder.parents[2]
    for file in root.rglob("*.*"):
        if file.is_file():
            key = file.relative_to(root).as_posix()
            client.put_object(Bucket="strangers-sql", Key=key, Body=file.read_bytes())
    done = stocktake(
        "query", "s3://strangers-sql/inventory/source/stocktake",
        "SELECT dt, key FROM inventory_report ORDER BY ALL", "--dt", "2026", "--read-only",
        "--rows-max", "4", "--format", "jsonl", environment=moto_server.environment(),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert [row["key"] for row in rows(done.out)] == ["a", "a", "b", "a"]
    assert done.err == "warning: the answer is cut after 4 rows\n"


def test_strangers_sql_reaches_nothing_else(folder: Path, tmp_path: Path) -> None:
    copy = f"COPY (SELECT 1) TO '{tmp_path}/x.csv' (use_tmp_file false)"
    for sql, time_s_max, says in (
        (copy, "60", "found COPY, expected one SELECT"),
        ("FROM read_text('/etc/passwd')", "60", "found the function read_text"),
        ("SELECT count(*) FROM range(10000000000000) t(i) WHERE hash(i) = 3", "1", "longer than 1 seconds"),
    ):  # fmt: skip
        asked = stocktake("query", folder, sql, "--read-only", "--time-max", time_s_max)
        asked.failed_clearly(2, says)
    assert not (tmp_path / "x.csv").exists()
