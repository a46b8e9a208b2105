"""The report that audits are measured on is one, and all contestants find the same in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.audit_bench import Bench
from benchmarks.made_report import make_report

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


def test_all_contestants_find_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path, ROWS, Format.PARQUET)
    bench.compare()
    assert [(each.audits, each.contestant) for each in bench.figures] == [
        ("all", "stocktake"),
        ("all", "DuckDB"),
        ("plain", "polars"),
        ("plain", "DuckDB"),
        ("plain", "stocktake"),
    ]
    assert all(each.cpu_s > 0 and each.peak_mb > 0 for each in bench.figures)
