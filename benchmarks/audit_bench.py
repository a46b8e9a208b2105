"""What auditing a report costs, beside plain DuckDB and plain polars that count the same over the same files.

    make bench-audit [ARGS="--rows 1000000 10000000 --formats Parquet CSV ORC"]

They only count; stocktake also says what cannot be told, below which prefixes it lies, examples, and money. All must
find the same. The last line is one JSON object with every figure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.answers import DUCKDB, POLARS, Bench, agree, run_bench
from benchmarks.made_report import MOMENT

# Those that polars has expressions for.
PLAIN = (
    "not-encrypted", "customer-key", "bucket-key-off", "replication-failed", "replication-pending", "retention-ending",
    "legal-hold", "no-checksum", "weak-checksum", "archive-candidate", "below-minimum-size", "noncurrent-version",
    "delete-marker", "empty-object", "double-slash", "long-key", "expiring", "future-date",
)  # fmt: skip


def compare(bench: Bench) -> None:
    """The audits that polars has, then all, each by all contestants that can."""
    told = bench.stocktake("plain", *_words(bench, *PLAIN))
    if told is not None:
        plain = _conditions(bench, told)
        found = bench.peer("plain", DUCKDB, "audit", plain, *bench.files())
        _agree("plain", told, DUCKDB, found)
    now = told["audited"] if told else MOMENT.isoformat()
    _agree("plain", told, POLARS, bench.peer("plain", POLARS, "audit", now, *bench.files()))
    told = bench.stocktake("all", *_words(bench))
    if told is not None:
        everything = _conditions(bench, told)
        found = bench.peer("all", DUCKDB, "audit", everything, *bench.files())
        _agree("all", told, DUCKDB, found)


def _words(bench: Bench, *names: str) -> list[str | Path]:
    only = [word for name in names for word in ("--only", name)]
    return ["audit", bench.report(), "--json", "--fail-on", "never", *only]


def _conditions(bench: Bench, told: dict[str, Any]) -> Path:
    """What was asked, as stocktake told it: a file for those who count by the same conditions."""
    path = bench.folder / "wheres.json"
    wheres = {each["name"]: each["where"] for each in told["findings"] if each["where"]}
    path.write_text(json.dumps(wheres))
    return path


def _agree(question: str, told: Any, contestant: str, counts: dict[str, int] | None) -> None:
    if told is not None and counts is not None:
        found = {each["name"]: each["rows"] for each in told["findings"]}
        agree(question, {name: found[name] for name in counts}, contestant, counts)


if __name__ == "__main__":
    run_bench("bench-audit", "auditing a report", compare)
