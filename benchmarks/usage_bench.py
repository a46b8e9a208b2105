"""What the usage of a report costs, beside plain DuckDB and plain polars that count the same over the same files.

    make bench-usage [ARGS="--rows 1000000 10000000 --formats Parquet CSV ORC"]

They only count; stocktake also bounds what is kept, tells it as a tree, and writes it beside the report. All must come
to the same numbers. `cube` is every dimension at once, `prefix` folders alone, `answer` is told by the cube that lies
beside the report. The last line is one JSON object with every figure.
"""

from __future__ import annotations

from typing import Any

from benchmarks.answers import DUCKDB, POLARS, Bench, agree, run_bench
from benchmarks.made_report import MOMENT
from stocktake.model.paths import USAGE
from stocktake.model.usage import Dimension


def compare(bench: Bench) -> None:
    """Folders alone, then every dimension, each by all contestants that can; then an answer by the cube."""
    manifest = bench.report()
    words = ("usage", manifest, "--json")
    # What another run has kept beside the report would answer at once.
    (manifest.parent / USAGE).unlink(missing_ok=True)
    told = {"prefix": bench.stocktake("prefix", *words), "cube": None}
    if bench.stocktake("cube", *words, "--save") is not None:
        assert (manifest.parent / USAGE).exists()
        told["cube"] = bench.stocktake("answer", *words, "--by", Dimension.CLASS)
    for question, ours in told.items():
        for contestant in (DUCKDB, POLARS):
            theirs = bench.peer(
                question, contestant, "usage", question, MOMENT.isoformat(), *bench.files()
            )
            _agree(bench, question, ours, contestant, theirs)


def _agree(bench: Bench, question: str, ours: Any, contestant: str, theirs: Any) -> None:
    """The same objects and bytes, of all dimensions that the peer counted."""
    if theirs is None:
        return
    if ours is not None:
        by = ours["by"]
        kind = "folder" if by == Dimension.PREFIX else "value"
        found = {
            (line["prefix"].rstrip("/") or line["value"]): [line["objects"], line["bytes"]]
            for line in ours["usage"][1:]
            if line["kind"] == kind
        }
        agree(f"{question} by {by}", found, contestant, theirs[by])
    for dimension, values in theirs.items():
        counted = sum(objects for objects, _ in values.values())
        agree(f"rows by {dimension}", bench.rows, contestant, counted)


if __name__ == "__main__":
    run_bench("bench-usage", "the usage of a report", compare)
