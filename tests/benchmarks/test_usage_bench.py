"""All contestants come to the same usage of the report that it is measured on."""

from __future__ import annotations

from pathlib import Path

from benchmarks.usage_bench import Bench

from stocktake.model.configuration import Format


def test_all_contestants_come_to_the_same_usage(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 5100, Format.PARQUET)
    bench.compare()
    assert [(each.usage, each.contestant) for each in bench.figures] == [
        ("prefix", "stocktake"),
        ("cube", "stocktake"),
        ("answer", "stocktake"),
        ("prefix", "DuckDB"),
        ("prefix", "polars"),
        ("cube", "DuckDB"),
        ("cube", "polars"),
    ]
    assert all(each.cpu_s > 0 and each.peak_mb > 0 for each in bench.figures)
