"""What size does to stocktake: a million objects, ten millions, a hundred.

    make bench-scale [ARGS="--objects 1000000 10000000 --save"]

CPU time an object and memory must not grow. The last line is one JSON object with every figure.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness import STOCKTAKE, Figures, replaying, run_stocktake, scratch
from benchmarks.measure import Usage
from benchmarks.plots import draw_scale
from benchmarks.replay.shapes import SHAPES
from benchmarks.results import FIGURE_COLUMNS, Table, conditions, figure_cells, keep, tell

SIZES = (1_000_000, 10_000_000, 100_000_000)
_SAMPLES = 200  # of memory, in the plot


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-scale", description="what size does to stocktake"
    )
    parser.add_argument("--stocktake", type=Path, default=STOCKTAKE, help="the program")
    parser.add_argument("--objects", type=int, nargs="+", default=SIZES, help="of each run")
    parser.add_argument("--shape", choices=SHAPES, default="uuid", help="of the keys")
    parser.add_argument("--folder", type=Path, help="for reports; 100 million objects need 20 GB")
    parser.add_argument("--save", action="store_true", help="write the results into README.md")
    return parser.parse_args()


def _run(options: argparse.Namespace, objects: int, folder: Path) -> tuple[Figures, Usage]:
    with replaying(options.shape, objects) as replay:
        usage = run_stocktake(options.stocktake, replay, folder)
        return Figures.of(usage, objects, replay.counters()["list"]), usage


def _thinned(usage: Usage) -> list[tuple[float, float]]:
    """The memory of the largest process, as (share of the run, MB)."""
    step = max(1, len(usage.memory) // _SAMPLES)
    return [
        (sample.seconds / usage.seconds, sample.process_peak_mb) for sample in usage.memory[::step]
    ]


def main() -> None:
    """Run each size, and tell the figures."""
    options = _options()
    sizes: dict[str, Figures] = {}
    memory: dict[str, list[tuple[float, float]]] = {}
    for objects in options.objects:
        with scratch(options.folder) as folder:
            sizes[f"{objects:,}"], usage = _run(options, objects, folder)
        memory[f"{objects:,}"] = _thinned(usage)
        print(f"{objects:,} objects: {sizes[f'{objects:,}']}", file=sys.stderr)
    first = next(iter(sizes.values()))
    table = Table(
        "stocktake, by the number of objects",
        ["", *FIGURE_COLUMNS, "CPU against the first"],
        [
            [
                "stocktake",
                *figure_cells(each),
                f"{each.cpu_us_per_object / first.cpu_us_per_object:.3f}",
            ]
            for each in sizes.values()
        ],
    )
    document = {
        "benchmark": "bench-scale",
        "conditions": conditions("bench-scale"),
        "stocktake": asdict(list(sizes.values())[-1]),
        "sizes": {name: asdict(each) for name, each in sizes.items()},
    }
    if options.save:
        keep("bench-scale", document, [table], draw_scale(document, memory))
    tell(document, [table])


if __name__ == "__main__":
    main()
