"""What it costs to compare two reports, one in a hundred of whose objects differ, beside plain DuckDB and plain polars
that join and count the same files.

    make bench-diff [ARGS="--rows 1000000 10000000 --formats Parquet CSV ORC"]

The last line is one JSON object with every figure.
"""

from __future__ import annotations

from benchmarks.answers import DUCKDB, POLARS, Bench, agree, run_bench

KINDS = ("created", "deleted", "changed")


def compare(bench: Bench) -> None:
    """The difference of a report and the next day's, by all contestants that can."""
    reports = bench.report(), bench.report(later=True)
    told = bench.stocktake("diff", "diff", *reports, "--json")
    found = told and {"same": told["same"], **{kind: told[kind]["objects"] for kind in KINDS}}
    columns = ",".join(told["compared"]) if told else ""
    folders = [bench.files(later=later)[0].parent for later in (False, True)]
    for contestant in (DUCKDB, POLARS):
        theirs = columns and bench.peer("diff", contestant, "diff", columns, *folders)
        agree("diff", found, contestant, theirs or None)


if __name__ == "__main__":
    run_bench("bench-diff", "comparing two reports", compare)
