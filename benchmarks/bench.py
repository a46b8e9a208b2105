"""stocktake and its peers side by side: listing a bucket to a file, and asking HEAD of every object.

    make bench [ARGS="--objects 1000000 --save"]

Every contestant gets a replay server of its own with objects of the same shape. CPU time is that of all its processes.
Those that are fast run several rounds, in turns, and their best one counts. The last line is one JSON object with every
figure.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.harness import (
    ENVIRONMENT,
    STOCKTAKE,
    Figures,
    Replay,
    replaying,
    run_stocktake,
    scratch,
)
from benchmarks.loop import NAME, README, loop_table
from benchmarks.measure import CommandError, Usage, measure
from benchmarks.peers import HEADERS, LISTERS, Peer
from benchmarks.plots import draw_bench
from benchmarks.replay.shapes import SHAPES
from benchmarks.results import (
    FIGURE_COLUMNS,
    Table,
    comparison,
    conditions,
    figure_cells,
    keep,
    tell,
    write_part,
)

OURS = "stocktake"
OBJECTS_MIN = 10_000

# Every field that HEAD yields; the last one asks for the checksum, which makes it 19 headers.
HEAD_FIELDS = (
    "default,ReplicationStatus,EncryptionStatus,ObjectLockRetainUntilDate,ObjectLockMode,ObjectLockLegalHoldStatus,"
    "IntelligentTieringAccessTier,BucketKeyStatus,LifecycleExpirationDate,ObjectLockEventHoldStatus,"
    "ObjectLockEventHoldDuration,UserMetadata,ContentType,ContentEncoding,KmsKeyArn,ChecksumValue"
)


@dataclass(frozen=True, slots=True)
class Contest:
    """One discipline: how many objects stocktake gets, with which options, what it writes, and who else takes part."""

    title: str
    objects: int
    options: Sequence[str]
    writes: str
    peers: Sequence[Peer]
    heads: bool = False


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description="stocktake and its peers, side by side"
    )
    parser.add_argument("--stocktake", type=Path, default=STOCKTAKE, help="the program")
    parser.add_argument("--objects", type=int, default=10_000_000, help="to list")
    parser.add_argument("--head-objects", type=int, default=1_000_000, help="to ask HEAD of")
    parser.add_argument("--shape", choices=SHAPES, default="uuid", help="of the keys")
    parser.add_argument("--rounds", type=int, default=2, help="of stocktake and of fast peers")
    parser.add_argument("--folder", type=Path, help="for reports, which are removed afterwards")
    parser.add_argument("--save", action="store_true", help="write the results into README.md")
    parser.add_argument(
        "stocktake_options", nargs="*", help="behind --: further options of its run"
    )
    return parser.parse_args()


def _contests(options: argparse.Namespace) -> dict[str, Contest]:
    listing = Contest(
        "Listing a bucket to a file", options.objects, options.stocktake_options,
        "a report: Parquet of all default fields, manifest, checksum", LISTERS,
    )  # fmt: skip
    heads = Contest(
        "Listing a bucket and asking HEAD of every object", options.head_objects,
        ["--fields", HEAD_FIELDS, *options.stocktake_options],
        "a report: Parquet of all default fields and all that HEAD yields", HEADERS, heads=True,
    )  # fmt: skip
    return {"list": listing, "head": heads}


def _ours(options: argparse.Namespace, contest: Contest, folder: Path) -> Figures:
    with replaying(options.shape, contest.objects) as replay:
        usage = run_stocktake(options.stocktake, replay, folder, contest.options)
        return _figures(usage, contest.objects, replay)


def _theirs(options: argparse.Namespace, contest: Contest, peer: Peer, folder: Path) -> Figures:
    objects = max(OBJECTS_MIN, int(contest.objects * peer.share))
    keys = folder / "keys"
    if contest.heads:
        keys.write_bytes(b"\n".join(map(SHAPES[options.shape](objects).key, range(objects))))
    with replaying(options.shape, objects) as replay:
        command = peer.command(replay, keys)
        usage = measure(command, environment=ENVIRONMENT, stdout=folder / "out")
        seen = replay.counters()["head" if contest.heads else "rows"]
        if seen != objects:
            raise CommandError(f"{peer.name} saw {seen} objects; the bucket has {objects}")
        return _figures(usage, objects, replay)


def _figures(usage: Usage, objects: int, replay: Replay) -> Figures:
    counters = replay.counters()
    return Figures.of(usage, objects, counters["list"] + counters["head"])


def _run(options: argparse.Namespace, contest: Contest) -> dict[str, Figures]:
    """The best round of every contestant that is installed. Fast ones take turns, so that a change of the machine's
    load meets all of them.
    """
    runs = {OURS: partial(_ours, options, contest)}
    runs |= {
        peer.name: partial(_theirs, options, contest, peer)
        for peer in contest.peers
        if peer.version()
    }
    slow = {peer.name for peer in contest.peers if peer.share < 1}
    best: dict[str, Figures] = {}
    for round_number in range(options.rounds):
        for name, run in runs.items():
            if round_number and name in slow:
                continue
            with scratch(options.folder) as folder:
                figures = run(folder)
            cost = figures.cpu_us_per_object
            print(f"{contest.title}: {name}: {cost:.2f} CPU us an object", file=sys.stderr)
            if name not in best or cost < best[name].cpu_us_per_object:
                best[name] = figures
    return best


def _table(contest: Contest, figures: Mapping[str, Figures]) -> Table:
    ours = figures[OURS].cpu_us_per_object
    rows = [[OURS, *figure_cells(figures[OURS]), "1", contest.writes]]
    for peer in contest.peers:
        name = f"{peer.name} {peer.version() or 'is not installed'}"
        if peer.name in figures:
            known = figures[peer.name]
            ratio = f"{ours / known.cpu_us_per_object:.4f}"
            rows.append([name, *figure_cells(known), ratio, peer.writes])
        else:
            rows.append([name, *["-"] * (len(FIGURE_COLUMNS) + 1), peer.writes])
    return Table(contest.title, ["", *FIGURE_COLUMNS, "ours / theirs", "writes"], rows)


def main() -> None:
    """Run both disciplines, and tell the figures."""
    options = _options()
    contests = _contests(options)
    figures = {name: _run(options, contest) for name, contest in contests.items()}
    tables = [_table(contest, figures[name]) for name, contest in contests.items()]
    compared = {name: comparison(known.pop(OURS), known) for name, known in figures.items()}
    document = {
        "benchmark": "bench", "conditions": conditions("bench"),
        **compared["list"], "head": compared["head"],
    }  # fmt: skip
    if options.save:
        plots = draw_bench(document)
        keep("bench", document, tables, plots)
        write_part(README, NAME, loop_table(document))
    tell(document, tables)


if __name__ == "__main__":
    main()
