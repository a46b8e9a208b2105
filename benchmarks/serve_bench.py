"""What the service bears while a run works beside it on the same machine.

    make bench-serve [ARGS="--clients 200 --seconds 60 --objects 2000000 --save"]

Clients ask `stocktake serve` about 1,000 configurations, once a second each: 80 % get one, 15 % list a page of a
hundred, 5 % put one, which is durable before it is answered. Meanwhile `stocktake run` lists the replay server, which
takes 200 ms for every answer, with 8 requests in flight, once with the service idle and once under load. Everything
shares this machine's cores, the clients and the replay server included. The last line is one JSON object with every
figure.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import (
    ENVIRONMENT,
    STOCKTAKE,
    Figures,
    Replay,
    replaying,
    run_stocktake,
    scratch,
)
from benchmarks.measure import CommandError
from benchmarks.results import Table, conditions, keep, tell
from benchmarks.serve_load import Observed, Prepared, load, prepare
from stocktake.model.access import AccessKey, Grant, Role
from stocktake.model.configuration import InventoryConfiguration, parse_configuration_json
from stocktake.model.xml import render_configuration_xml
from stocktake.service import house
from stocktake.service.access_keys import add_keys
from stocktake.state.ledger import Ledger

CONFIGURATIONS = 1000  # as many as a bucket may have
LATENCY_MS, IN_FLIGHT = 200, 8
GETS, LISTS, PUTS = 80, 15, 5  # of a hundred requests
KEY = ("BENCHKEY", "bench-secret")
RUN_OPTIONS = (
    "--processes",
    "1",
    "--concurrency",
    str(IN_FLIGHT),
    "--fields",
    "Size,LastModifiedDate,ETag",
)
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_LISTENING = re.compile(r"listening on http://([\d.]+):(\d+)")


@dataclass(frozen=True, slots=True)
class Served:
    """What the clients saw, and what the server spent on it."""

    requests: int
    errors: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    p99_get_ms: float
    p99_list_ms: float
    p99_put_ms: float
    cpu_ms_per_request: float

    @classmethod
    def of(cls, observed: Observed, cpu_s: float) -> Served:
        """The figures of what was observed."""
        kinds = [
            round(1000 * observed.quantile_s(0.99, kind), 1) for kind in ("get", "list", "put")
        ]
        whole = [round(1000 * observed.quantile_s(share), 1) for share in (0.5, 0.99, 1.0)]
        count = len(observed.seconds)
        return cls(count, len(observed.errors), *whole, *kinds, round(1000 * cpu_s / count, 3))


def configuration(number: int) -> InventoryConfiguration:
    """One of those that are asked for; disabled, so that no worker takes it up."""
    return parse_configuration_json(f"""{{
        "Id": "daily-{number:04}", "IsEnabled": false, "IncludedObjectVersions": "Current",
        "Filter": {{"Prefix": "team-{number % 50}/"}},
        "Destination": {{"S3BucketDestination": {{
            "AccountId": "111122223333", "Bucket": "arn:aws:s3:::reports", "Format": "Parquet", "Prefix": "inventories"
        }}}},
        "Schedule": {{"Frequency": "Daily"}},
        "OptionalFields": ["Size", "LastModifiedDate", "StorageClass", "ETag", "EncryptionStatus"]
    }}""")


def fill(state_folder: Path, bucket: str) -> None:
    """Make the ledger and the file of keys that the server works with."""
    add_keys(
        state_folder / "keys.json", [AccessKey(KEY[0], Grant(Role.ADMIN, ("*",)), "bench", KEY[1])]
    )
    with Ledger.open(state_folder, now=house.now) as ledger:
        for number in range(CONFIGURATIONS):
            ledger.configurations.put("default", bucket, configuration(number))


def requests_for(address: tuple[str, int], bucket: str) -> list[Prepared]:
    """A hundred times ten requests, in the shares of GETS, LISTS and PUTS."""
    base = f"http://{address[0]}:{address[1]}/{bucket}?inventory"
    made = []
    for number in range(CONFIGURATIONS):
        one = f"{base}=&id=daily-{number:04}"
        share = number % 100
        if share < GETS:
            made.append(prepare("get", "GET", one, KEY))
        elif share < GETS + LISTS:
            made.append(prepare("list", "GET", f"{base}=", KEY))
        else:
            body = render_configuration_xml(configuration(number))
            made.append(prepare("put", "PUT", one, KEY, status=204, body=body))
    return made


@contextmanager
def serving(stocktake: Path, replay: Replay, folder: Path) -> Iterator[tuple[tuple[str, int], int]]:
    """A server in a process of its own: its address and its process id.

    Raises:
        CommandError: it does not start.
    """
    fill(folder, replay.bucket)
    command = [
        stocktake, "serve", "--listen", "127.0.0.1:0", "--workers", "0", "--endpoint-url", replay.endpoint_url,
    ]  # fmt: skip
    log = folder / "serve.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command, env={**os.environ, **environment(folder)}, stderr=errors
        ) as server,
    ):
        try:
            yield _address(log, server), server.pid
        finally:
            server.terminate()


def _address(log: Path, server: subprocess.Popen[bytes]) -> tuple[str, int]:
    for _ in range(300):
        if found := _LISTENING.search(log.read_text()):
            return found[1], int(found[2])
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise CommandError(f"the server does not start: {log.read_text()[-2000:]}")


def environment(state_folder: Path) -> Mapping[str, str]:
    """What the server and the run beside it are told: one ledger for both."""
    return {**ENVIRONMENT, "STOCKTAKE_STATE_FOLDER": str(state_folder)}


def cpu_s(process: int) -> float:
    """What a process has used so far."""
    user, system = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS_A_SECOND


async def run_under_load(
    run: Any, address: tuple[str, int], requests: list[Prepared], clients: int, seconds: float
) -> tuple[Figures, Observed]:
    """The figures of a run, and what clients saw meanwhile: they ask until both the time and the run are over."""
    running = asyncio.get_running_loop().run_in_executor(None, run)
    observed = await load(address, requests, clients=clients, seconds=seconds)
    while not running.done():
        more = await load(address, requests, clients=clients, seconds=2)
        observed.seconds += more.seconds
        observed.errors += more.errors
    return await running, observed


def bench(
    stocktake: Path,
    folder: Path,
    *,
    clients: int,
    seconds: float,
    objects: int,
    latency_ms: int = LATENCY_MS,
) -> tuple[Figures, Figures, Served, list[str]]:
    """A run with the service idle, one under load, what was served meanwhile, and what went wrong."""
    with replaying("hex", objects, "--latency-ms", str(latency_ms)) as replay:
        state = folder / "state"
        with serving(stocktake, replay, state) as (address, process):
            requests = requests_for(address, replay.bucket)

            def run(name: str) -> Figures:
                place = folder / name
                before = replay.counters()["list"]
                usage = run_stocktake(stocktake, replay, place, RUN_OPTIONS, environment(state))
                return Figures.of(usage, objects, replay.counters()["list"] - before)

            idle = run("idle")
            before_s = cpu_s(process)
            loaded, observed = asyncio.run(
                run_under_load(lambda: run("loaded"), address, requests, clients, seconds)
            )
            served = Served.of(observed, cpu_s(process) - before_s)
    return idle, loaded, served, observed.errors


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-serve", description="what the service bears")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--objects", type=int, default=1_500_000)
    parser.add_argument("--folder", type=Path, help="for the reports")
    parser.add_argument("--save", action="store_true", help="write the results into README.md")
    parser.add_argument("--stocktake", type=Path, default=STOCKTAKE)
    return parser.parse_args()


def _tables(idle: Figures, loaded: Figures, served: Served) -> list[Table]:
    rows = [
        (name, f"{each.objects:,}", f"{each.objects_per_s:,}", f"{each.cpu_us_per_object:.2f}")
        for name, each in (("idle", idle), ("under load", loaded))
    ]
    told = [f"{value:,}" for value in asdict(served).values()]
    return [
        Table("what clients saw", tuple(name.replace("_", " ") for name in asdict(served)), [told]),
        Table("the run beside it", ("service", "objects", "objects/s", "CPU us/object"), rows),
    ]


def main() -> None:
    """Measure, and tell the figures; errors are told, too, and end with 1."""
    options = _options()
    load_before = os.getloadavg()[0]  # where it is not near 0, times are of the other programs, too
    with scratch(options.folder) as folder:
        idle, loaded, served, errors = bench(
            options.stocktake,
            folder,
            clients=options.clients,
            seconds=options.seconds,
            objects=options.objects,
        )
    document = {
        "conditions": conditions("bench-serve"),
        "clients": options.clients,
        "load_before": round(load_before, 2),
        "served": asdict(served),
        "idle": asdict(idle),
        "loaded": asdict(loaded),
        "rate_ratio": round(loaded.objects_per_s / idle.objects_per_s, 3),
        "cpu_ratio": round(loaded.cpu_us_per_object / idle.cpu_us_per_object, 3),
    }
    tables = _tables(idle, loaded, served)
    if options.save:
        keep("bench-serve", document, tables, plots={})
    tell(document, tables)
    if errors:
        print(*errors[:20], sep="\n", file=sys.stderr)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
