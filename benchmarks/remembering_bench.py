"""The second inventory beside the first one, and beside a bare listing: what remembering saves, and what it costs.

The second report must say, of every object and in every field, what a run says that asks about all of them anew; and
with `--revisit 0%` it must have asked about exactly those that are new or were written: else the benchmark fails.

    make bench-remembering [ARGS="--objects 1000000 --save"]

The last line is one JSON object with every figure.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness import ROOT, STOCKTAKE, Figures, replaying, run_stocktake, scratch
from benchmarks.measure import CommandError, Usage
from benchmarks.results import FIGURE_COLUMNS, Table, conditions, figure_cells, keep, tell

# Without ReplicationStatus: a quarter of the replayed objects are PENDING, and always asked about again.
FIELDS = (
    "default,EncryptionStatus,ObjectLockMode,ObjectLockRetainUntilDate,ObjectLockLegalHoldStatus,"
    "BucketKeyStatus,KmsKeyArn"
)
GOAL_US = 1.0
_REMEMBERING = "second run, --revisit 0%"
_IDENTITY = ["key", "size", "last_modified_date", "e_tag"]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-remembering", description="the second run beside the first"
    )
    parser.add_argument("--stocktake", type=Path, default=STOCKTAKE, help="the program")
    parser.add_argument("--objects", type=int, default=1_000_000, help="of the runs")
    parser.add_argument(
        "--merge-rows", type=int, nargs="+", default=(1_000_000, 50_000_000), help="of the merge"
    )
    parser.add_argument("--shape", default="uuid", help="of the keys")
    parser.add_argument("--folder", type=Path, help="for reports, which are removed afterwards")
    parser.add_argument("--save", action="store_true", help="write the results into README.md")
    return parser.parse_args()


# -- the runs ----------------------------------------------------------------------------------------


def _runs(options: argparse.Namespace, folder: Path) -> dict[str, tuple[Figures, int]]:
    """The figures of each run, and the HEADs that it sent."""
    heads = ["--fields", FIELDS]
    found: dict[str, tuple[Figures, int]] = {}
    with replaying(options.shape, options.objects, "--day", "1") as replay:
        port = str(replay.port)
        usage = run_stocktake(options.stocktake, replay, folder, heads)
        sent = replay.counters()
        found["first run"] = _figures(usage, replay.objects, sent)
    first = _report(folder, "stocktake")
    # A report is of one store, so the second day is served at the same address.
    second = {
        _REMEMBERING: [*heads, "--revisit", "0%"],
        "second run, --revisit 10%": [*heads, "--id", "ten", "--remember", str(first)],
        "second day, all asked anew": [*heads, "--id", "anew", "--no-remember"],
        "second day, nothing but LIST": ["--id", "bare"],
    }
    for name, words in second.items():
        with replaying(options.shape, options.objects, "--day", "2", "--port", port) as replay:
            usage = run_stocktake(options.stocktake, replay, folder, words)
            found[name] = _figures(usage, replay.objects, replay.counters())
    _compare(first, folder, heads=found[_REMEMBERING][1])
    return found


def _figures(usage: Usage, objects: int, sent: dict[str, int]) -> tuple[Figures, int]:
    figures = Figures.of(usage, objects, sent["list"] + sent["head"])
    return figures, sent["head"]


def _report(folder: Path, configuration: str) -> Path:
    """The newest report of a configuration."""
    return max((folder / "report").glob(f"*/{configuration}/*/manifest.json"))


def _compare(first: Path, folder: Path, *, heads: int) -> None:
    """Hold the second reports against the one for which all was asked, and `heads` against what had been written.

    Raises:
        CommandError: they differ.
    """
    anew = _rows(_report(folder, "anew"))
    for configuration in ("stocktake", "ten"):
        if not _rows(_report(folder, configuration)).equals(anew):
            raise CommandError(f"the second report of {configuration} differs from one asked anew")
    known = _rows(first).select(_IDENTITY)
    written = (
        anew.num_rows - anew.select(_IDENTITY).join(known, _IDENTITY, join_type="inner").num_rows
    )
    if heads != written:
        raise CommandError(f"{heads} HEADs were sent, and {written} objects were new or written")


def _rows(manifest: Path) -> pa.Table:
    """All rows of a report, by key."""
    keys = [each["key"] for each in json.loads(manifest.read_text())["files"]]
    root = manifest.parents[3]
    return (
        pa.concat_tables(pq.read_table(root / key) for key in keys).sort_by("key").combine_chunks()
    )


def _merged(options: argparse.Namespace, rows: int) -> dict[str, float]:
    """The merge by itself, in a process of its own, so that its memory is its own."""
    with scratch(options.folder) as folder:
        module = "benchmarks.remembering_merge"
        for words in (["make", str(rows)], ["merge"]):
            done = subprocess.run(
                [sys.executable, "-m", module, str(folder), *words],
                cwd=ROOT,
                check=True,
                stdout=subprocess.PIPE,
            )
        found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure, and tell the figures."""
    options = _options()
    with scratch(options.folder) as folder:
        runs = _runs(options, folder)
    merges = [_merged(options, rows) for rows in options.merge_rows]
    tables = [
        Table(
            "Two days of a bucket",
            ["", *FIGURE_COLUMNS, "HEADs"],
            [[name, *figure_cells(each), f"{heads:,}"] for name, (each, heads) in runs.items()],
        ),
        Table(
            f"The merge by itself, goal {GOAL_US} CPU us an object",
            ["", "rows", "CPU us/object", "peak MB before", "peak MB after"],
            [["merge", *(f"{value:,}" for value in each.values())] for each in merges],
        ),
    ]
    document = {
        "benchmark": "bench-remembering",
        "conditions": conditions("bench-remembering"),
        "runs": {name: {**asdict(each), "heads": heads} for name, (each, heads) in runs.items()},
        "merge": merges,
    }
    if options.save:
        keep("bench-remembering", document, tables, {})
    tell(document, tables)


if __name__ == "__main__":
    main()
