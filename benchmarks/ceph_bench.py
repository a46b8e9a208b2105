"""stocktake and obstore on a real store: a RADOS Gateway of Ceph with a million entries in a bucket's index.

    make bench-ceph [ARGS="--objects 1000000 --rounds 2 --save"]

stocktake lists the bucket twice over: in parallel, as it does by itself, and serially, one request at a time. Both
reports and what obstore writes must hold exactly the rows that the index was filled with. Ceph runs on the same
machine, so what its daemons spend is told, too. The last line is one JSON object with every figure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tests.servers.ceph import missing_packages, running_ceph
from tests.servers.ceph_index import fill_index, made_entry
from tests.servers.server import Server

from benchmarks.harness import ENVIRONMENT, STOCKTAKE, Figures, Listed, run_stocktake, scratch
from benchmarks.measure import CommandError, Usage, measure
from benchmarks.peers import LISTERS, Peer
from benchmarks.replay.shapes import SHAPES
from benchmarks.results import (
    FIGURE_COLUMNS,
    Table,
    comparison,
    conditions,
    figure_cells,
    keep,
    tell,
)

BUCKET = "listed"
OURS, SERIAL = "stocktake", "stocktake, serial"
# One request in flight, so that each page is asked for when the one before it has come.
SERIAL_OPTIONS = ("--processes", "1", "--concurrency", "1")
PEERS = [peer for peer in LISTERS if peer.package == "obstore"]

GATEWAY, OSD = "client.rgw.a", "osd.0"
LOAD_COLUMNS = ("gateway CPU s", "OSD CPU s", "cores busy")
RATIO_COLUMNS = ("CPU, ours / theirs", "objects/s, ours / theirs")
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_ANSWER_S_MAX = 30


@dataclass(frozen=True, slots=True)
class Load:
    """What the daemons had done until some moment: requests answered, and CPU time spent."""

    requests: int
    gateway_cpu_s: float
    osd_cpu_s: float

    @classmethod
    def of(cls, server: Server) -> Load:
        """By what the gateway counts, and by what the kernel does."""
        sockets = Path(server.configuration).with_name("run")
        [gateway], [osd] = sockets.glob(f"{GATEWAY}.*.asok"), sockets.glob(f"{OSD}.*.asok")
        command = ["ceph", "--admin-daemon", gateway, "perf", "dump", "rgw"]
        told = subprocess.run(command, capture_output=True, check=True, timeout=_ANSWER_S_MAX)
        return cls(json.loads(told.stdout)["rgw"]["req"], _cpu_s(gateway), _cpu_s(osd))

    def since(self, before: Load) -> Load:
        """What has been done since then."""
        return Load(
            self.requests - before.requests,
            round(self.gateway_cpu_s - before.gateway_cpu_s, 2),
            round(self.osd_cpu_s - before.osd_cpu_s, 2),
        )


def _cpu_s(socket: Path) -> float:
    """The CPU time of the daemon whose administration socket that is: its name holds the process id."""
    stat = Path(f"/proc/{socket.suffixes[-2].lstrip('.')}/stat").read_text()
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS_A_SECOND


@dataclass(frozen=True, slots=True)
class Result:
    """One contestant's run, what Ceph spent on it, and how many cores both kept busy on the average."""

    figures: Figures
    ceph: Load
    cores_busy: float

    def cells(self) -> list[str]:
        """The cells of FIGURE_COLUMNS and LOAD_COLUMNS."""
        load = (self.ceph.gateway_cpu_s, self.ceph.osd_cpu_s, self.cores_busy)
        return [*figure_cells(self.figures), *(f"{each:.2f}" for each in load)]


# Lists the bucket, in a folder of its own, and checks what came of it.
Run = Callable[["Bench", Path], Usage]


@dataclass(frozen=True, slots=True)
class Bench:
    """A bucket whose rows are known, and the program that is measured on it."""

    server: Server
    listed: Listed
    rows: pa.Table  # key, size, e_tag: in the order of keys
    stocktake: Path

    def measured(self, run: Run, folder: Path) -> Result:
        """Run one contestant, and check what it found.

        Raises:
            CommandError: it fails, or lists other rows than the bucket has.
        """
        before = Load.of(self.server)
        usage = run(self, folder)
        load = Load.of(self.server).since(before)
        spent = usage.cpu_s + load.gateway_cpu_s + load.osd_cpu_s
        figures = Figures.of(usage, self.listed.objects, load.requests)
        return Result(figures, load, round(spent / usage.seconds, 2))

    def ours(self, folder: Path, options: Sequence[str] = ()) -> Usage:
        """Stocktake's run, whose report holds the bucket's rows."""
        environment = {**ENVIRONMENT, **self.server.environment()}
        usage = run_stocktake(self.stocktake, self.listed, folder, options, environment)
        self.check_report(folder / "report")
        return usage

    def check_report(self, report: Path) -> None:
        """Check that a report holds the bucket's rows.

        Raises:
            CommandError: it holds others.
        """
        [manifest] = report.rglob("manifest.json")
        files = [report / file["key"] for file in json.loads(manifest.read_text())["files"]]
        self._compare(OURS, pa.concat_tables(map(pq.read_table, files)))

    def theirs(self, peer: Peer, folder: Path) -> Usage:
        """A peer's listing: where it writes a file, with the bucket's rows; else as many of them."""
        file, output = folder / "listed", folder / "out"
        command = peer.command(self.listed, file)
        usage = measure(command, environment=ENVIRONMENT, stdout=output)
        if file.exists():
            found = pq.read_table(file).rename_columns({"path": "key"})
            self._compare(peer.name, found)
        elif int(output.read_text()) != self.listed.objects:
            raise CommandError(f"{peer.name} counted {output.read_text().strip()} objects")
        return usage

    def _compare(self, who: str, found: pa.Table) -> None:
        columns = {
            "key": found["key"].cast(pa.string()),
            "size": found["size"].cast(pa.int64()),
            "e_tag": pc.utf8_trim(found["e_tag"].cast(pa.string()), '"'),
        }
        if not pa.table(columns).equals(self.rows):
            raise CommandError(f"{who} listed other rows than the bucket has")


def contestants() -> dict[str, tuple[Run, str]]:
    """Who takes part, how, and what each writes."""
    report = "a report: Parquet of all default fields, manifest, checksum"
    peers = {
        peer.name: ((lambda bench, folder, peer=peer: bench.theirs(peer, folder)), peer.writes)
        for peer in PEERS
        if peer.version()
    }
    return {
        OURS: (Bench.ours, report),
        SERIAL: (lambda bench, folder: bench.ours(folder, SERIAL_OPTIONS), report),
        **peers,
    }


def filled(server: Server, bucket: str, shape: str, objects: int, stocktake: Path) -> Bench:
    """Make a bucket with so many entries, which anybody may list: peers do not sign their requests."""
    server.client().create_bucket(Bucket=bucket, ACL="public-read")
    keys = SHAPES[shape](objects).key
    entries = [made_entry(keys(rank)) for rank in range(objects)]
    fill_index(server, bucket, entries)
    rows = {
        "key": [entry.key.decode() for entry in entries],
        "size": [entry.size for entry in entries],
        "e_tag": [entry.e_tag for entry in entries],
    }
    return Bench(server, Listed(server.endpoint_url, bucket, objects), pa.table(rows), stocktake)


def compete(bench: Bench, rounds: int, folder: Path | None) -> dict[str, Result]:
    """The fastest round of every contestant. They take turns, so that a change of the machine's load meets all."""
    best: dict[str, Result] = {}
    for _ in range(rounds):
        for name, (run, _) in contestants().items():
            with scratch(folder) as own:
                result = bench.measured(run, own)
            print(f"{name}: {result}", file=sys.stderr)
            if name not in best or result.figures.objects_per_s > best[name].figures.objects_per_s:
                best[name] = result
    return best


def table(results: Mapping[str, Result]) -> Table:
    """A row for each contestant."""
    versions = {peer.name: f"{peer.name} {peer.version()}" for peer in PEERS}
    written = {name: writes for name, (_, writes) in contestants().items()}
    ours, rows = results[OURS].figures, []
    for name, each in results.items():
        cpu = f"{ours.cpu_us_per_object / each.figures.cpu_us_per_object:.2f}"
        speed = f"{ours.objects_per_s / each.figures.objects_per_s:.2f}"
        rows.append([versions.get(name, name), *each.cells(), cpu, speed, written[name]])
    columns = ["", *FIGURE_COLUMNS, *LOAD_COLUMNS, *RATIO_COLUMNS, "writes"]
    return Table("Listing a bucket of Ceph to a file", columns, rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-ceph", description="stocktake on Ceph")
    parser.add_argument("--stocktake", type=Path, default=STOCKTAKE, help="the program")
    parser.add_argument("--objects", type=int, default=1_000_000, help="in the bucket's index")
    parser.add_argument("--shape", choices=SHAPES, default="uuid", help="of the keys")
    parser.add_argument("--rounds", type=int, default=2, help="of each contestant")
    parser.add_argument("--folder", type=Path, help="for reports, which are removed afterwards")
    parser.add_argument("--save", action="store_true", help="write the results into README.md")
    return parser.parse_args()


def main() -> None:
    """Start Ceph, fill a bucket, let everybody list it, and tell the figures."""
    options = _options()
    if packages := missing_packages():
        raise SystemExit(f"no Ceph on this machine; Debian packages: {' '.join(packages)}")
    with running_ceph() as server:
        bench = filled(server, BUCKET, options.shape, options.objects, options.stocktake)
        results = compete(bench, options.rounds, options.folder)
    figures = {name: each.figures for name, each in results.items()}
    ours, serial = figures.pop(OURS), figures.pop(SERIAL)
    document = {
        "benchmark": "bench-ceph", "conditions": conditions("bench-ceph"),
        **comparison(ours, figures), "serial": asdict(serial),
        "ceph": {name: {**asdict(each.ceph), "cores_busy": each.cores_busy} for name, each in results.items()},
    }  # fmt: skip
    if options.save:
        keep("bench-ceph", document, [table(results)], plots={})
    tell(document, [table(results)])


if __name__ == "__main__":
    main()
