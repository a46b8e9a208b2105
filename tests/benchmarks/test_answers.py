"""The reports that answers are measured on are one in each format, and all contestants find the same in them."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.answers import DUCKDB, OURS, POLARS, Asked, Bench
from benchmarks.made_report import make_report

from benchmarks import audit_bench, diff_bench, query_bench, usage_bench
from stocktake.analysis.verify import verify_report
from stocktake.model.configuration import Format
from tests.analysis.questions import answer, opened

ROWS = 5100
QUESTION = """
    SELECT count(*) AS rows, sum(hash(key, size, e_tag) % 1000) AS digest,
        count(*) FILTER (WHERE encryption_status = 'NOT-SSE') AS open
    FROM inventory_report
"""


@pytest.mark.parametrize("report_format", Format)
def test_the_made_report_is_the_same_in_each_format(tmp_path: Path, report_format: Format) -> None:
    report = opened(make_report(tmp_path, ROWS, report_format))
    assert verify_report(report).sound
    reference = opened(make_report(tmp_path / "reference", ROWS, Format.PARQUET))
    told = answer(report, QUESTION)
    assert told == answer(reference, QUESTION)
    assert told[0]["rows"] == ROWS


def test_all_contestants_answer_alike(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ROWS, Format.PARQUET)
    for each in (query_bench, audit_bench, usage_bench, diff_bench):
        each.compare(bench)
    assert {(each.question, each.contestant) for each in bench.figures} == {
        *((name, by) for name in ("compliance", "plain", "prefix", "cube", "diff")
          for by in (OURS, DUCKDB, POLARS)),
        ("all", OURS), ("all", DUCKDB), ("answer", OURS),
    }  # fmt: skip
    assert all(each.cpu_s > 0 and each.peak_mb > 0 for each in bench.figures)


@pytest.mark.parametrize("left_out", ["compliance:polars", f"compliance:polars:{ROWS}"])
def test_a_contestant_is_left_out_of_every_size_or_of_one(tmp_path: Path, left_out: str) -> None:
    bench = Bench(tmp_path, ROWS, Format.PARQUET, Asked(without=[left_out]))
    query_bench.compare(bench)
    assert [each.contestant for each in bench.figures] == [OURS, DUCKDB]


def test_a_contestant_left_out_of_another_size_is_measured(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ROWS, Format.PARQUET, Asked(without=[f"compliance:polars:{ROWS + 1}"]))
    query_bench.compare(bench)
    assert [each.contestant for each in bench.figures] == [OURS, DUCKDB, POLARS]
