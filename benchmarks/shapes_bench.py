"""How well stocktake spreads its requests over keys of every shape, where each answer takes 200 ms.

    make bench-shapes [ARGS="--shapes hex zipf --save"]

Each shape is inventoried three times: a bucket never seen before; the same one again, with what the first run has
learnt; and once more as if never seen, with one connection five times slower than the others. 32 requests in flight can
fetch 160 pages a second; efficiency is the share of that, over the whole listing as the server saw it, from the first
request to the last answer. The last line is one JSON object with every figure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.harness import (
    STOCKTAKE,
    Figures,
    Timeline,
    replaying,
    run_stocktake,
    scratch,
)
from benchmarks.plots import draw_shapes
from benchmarks.replay.shapes import SHAPES
from benchmarks.results import Table, conditions, keep, tell

EFFICIENCY_MIN = 0.8
# Of buckets whose folders and names nobody can foresee, on the first run.
UNFORESEEN_MIN = 0.6
UNFORESEEN = frozenset({"zipf", "mixed-case", "cjk", "control"})
# What one slow connection may cost, in points of the first run.
SLOW_POINTS_MAX = 0.15
REQUESTS_PER_1000_KEYS_MAX = 1.05
_POINTS = 150  # of a line in the plot

Lanes: TypeAlias = tuple[Sequence[float], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Run:
    """One of the inventories of a shape: the folder for its report and all that it remembers, and how the server
    behaves.
    """

    name: str
    folder: str
    conditions: Sequence[str] = ()


FIRST = Run("first run", "one")
SECOND = Run("second run", "one")
SLOW = Run("one slow connection", "other", ("--slow-connection", "5"))
RUNS = (FIRST, SECOND, SLOW)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to."""

    figures: Figures
    lanes: Lanes

    @property
    def efficiency(self) -> float:
        """Of the ideal, in which all requests in flight fetch full pages all the time."""
        assert self.figures.efficiency is not None
        return self.figures.efficiency


Outcomes: TypeAlias = Mapping[str, Outcome]


def _efficiency_min(shape: str, run: Run, outcomes: Outcomes) -> float:
    """The goal for a run of a shape."""
    if run is SLOW:
        return outcomes[FIRST.name].efficiency - SLOW_POINTS_MAX
    return UNFORESEEN_MIN if run is FIRST and shape in UNFORESEEN else EFFICIENCY_MIN


def _met(shape: str, run: Run, outcomes: Outcomes) -> bool:
    """Whether a run reached its goals."""
    outcome = outcomes[run.name]
    return (
        outcome.efficiency >= _efficiency_min(shape, run, outcomes)
        and outcome.figures.requests_per_1000_keys <= REQUESTS_PER_1000_KEYS_MAX
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-shapes", description="the shapes of keys at a high latency"
    )
    parser.add_argument("--stocktake", type=Path, default=STOCKTAKE, help="the program")
    parser.add_argument("--objects", type=int, default=2_000_000, help="in each bucket")
    parser.add_argument("--shapes", choices=SHAPES, nargs="+", default=list(SHAPES))
    parser.add_argument("--concurrency", type=int, default=32, help="requests in flight")
    parser.add_argument("--latency-ms", type=float, default=200)
    parser.add_argument("--folder", type=Path, help="for reports, which are removed afterwards")
    parser.add_argument("--save", action="store_true", help="write the results into README.md")
    return parser.parse_args()


def _outcome(
    options: argparse.Namespace, shape: str, run: Run, folder: Path, port: int
) -> tuple[Outcome, int]:
    """What a run came to, and the port of the server, which is free again."""
    timeline_folder = folder / f"timeline of {run.name}"
    conditions = [
        "--latency-ms", f"{options.latency_ms}", "--port", f"{port}",
        "--timeline", str(timeline_folder), *run.conditions,
    ]  # fmt: skip
    versions = "All" if shape == "versions" else "Current"
    ours = ["--concurrency", f"{options.concurrency}", "--versions", versions]
    with replaying(shape, options.objects, *conditions) as replay:
        usage = run_stocktake(options.stocktake, replay, folder / run.folder, ours)
        requests = replay.counters()["list"]
    timeline = Timeline.read(timeline_folder)
    efficiency = timeline.efficiency(options.objects, options.concurrency, options.latency_ms)
    figures = Figures.of(usage, options.objects, requests, efficiency)
    return Outcome(figures, timeline.lanes(_POINTS)), replay.port


def _shape(options: argparse.Namespace, shape: str) -> dict[str, Outcome]:
    outcomes = {}
    port = 0
    with scratch(options.folder) as folder:
        for run in RUNS:
            # The second run finds the same bucket where the first one found it.
            outcomes[run.name], port = _outcome(options, shape, run, folder, port)
            print(f"{shape}, {run.name}: {outcomes[run.name].figures}", file=sys.stderr)
    return outcomes


def _table(options: argparse.Namespace, outcomes: Mapping[str, Outcomes]) -> Table:
    columns = ["shape"]
    for run in RUNS:
        columns += [f"{run.name}: efficiency", "requests/1,000 keys", "met"]
    rows = []
    for shape, runs in outcomes.items():
        row = [shape]
        for run in RUNS:
            outcome = runs[run.name]
            row += [f"{outcome.efficiency:.1%}", f"{outcome.figures.requests_per_1000_keys:.3f}"]
            row.append("yes" if _met(shape, run, runs) else "no")
        rows.append(row)
    title = (
        f"{options.objects:,} objects, {options.concurrency} requests in flight, {options.latency_ms:g} ms; goals:"
        f" {EFFICIENCY_MIN:.0%} ({UNFORESEEN_MIN:.0%} on the first run of {', '.join(sorted(UNFORESEEN))};"
        f" {100 * SLOW_POINTS_MAX:.0f} points below the first with a slow connection) and {REQUESTS_PER_1000_KEYS_MAX}"
    )
    return Table(title, columns, rows)


def main() -> None:
    """Run every shape, and tell the figures."""
    options = _options()
    outcomes = {shape: _shape(options, shape) for shape in options.shapes}
    table = _table(options, outcomes)
    document = {
        "benchmark": "bench-shapes",
        "conditions": conditions("bench-shapes"),
        "shapes": {
            shape: {
                run.name: {**asdict(runs[run.name].figures), "met": _met(shape, run, runs)} for run in RUNS
            }
            for shape, runs in outcomes.items()
        },
        "met": all(_met(shape, run, runs) for shape, runs in outcomes.items() for run in RUNS),
    }  # fmt: skip
    if options.save:
        lanes = {
            shape: {name: outcome.lanes for name, outcome in runs.items()}
            for shape, runs in outcomes.items()
        }
        keep("bench-shapes", document, [table], draw_shapes(lanes, options.concurrency))
    tell(document, [table])


if __name__ == "__main__":
    main()
