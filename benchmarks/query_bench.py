"""What a compliance question to a report costs, beside plain DuckDB and plain polars over the same files.

    make bench-query [ARGS="--rows 1000000 10000000 --formats Parquet CSV ORC"]

The last line is one JSON object with every figure.
"""

from __future__ import annotations

from benchmarks.answers import DUCKDB, POLARS, Bench, agree, run_bench

SQL = (
    "SELECT count(*) AS objects, CAST(sum(size) AS BIGINT) AS bytes, CAST(min(last_modified_date) AS VARCHAR) AS oldest"
    " FROM inventory_report WHERE is_latest AND NOT is_delete_marker AND encryption_status = 'NOT-SSE'"
    " AND storage_class = 'STANDARD'"
)


def compare(bench: Bench) -> None:
    """How many current objects are stored in STANDARD without encryption, how big and how old they are."""
    told = bench.stocktake("compliance", "query", bench.report(), SQL, "--format", "jsonl")
    for contestant in (DUCKDB, POLARS):
        theirs = bench.peer("compliance", contestant, "query", SQL, *bench.files())
        agree("compliance", told, contestant, theirs)


if __name__ == "__main__":
    run_bench("bench-query", "a compliance question", compare)
