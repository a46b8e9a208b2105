"""Start the server: `python -m benchmarks.replay --shape hex --objects 1000000`.

It listens on 127.0.0.1 and prints one line of JSON when it does: {"endpoint_url": ..., "bucket": ..., "objects": ...}.
It ends with SIGTERM or Ctrl-C, or when its standard input, if that is a pipe, is closed.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import signal
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.replay.answers import BUCKET, COUNTERS_PATH, Store
from benchmarks.replay.bucket import DAYS, Bucket
from benchmarks.replay.faults import Conditions, Faults
from benchmarks.replay.journal import Counters, Journal
from benchmarks.replay.server import Server
from benchmarks.replay.shapes import SHAPES

_BACKLOG = 1024

# The options that are members of Conditions.
_CONDITIONS = {
    "latency-ms": "from a request to its answer",
    "latency-sigma": "not 0: latencies are lognormal with this sigma, and --latency-ms their median",
    "slow-connection": "answers on one connection take this many times longer",
    "error-rate": "share of requests answered with 503 SlowDown",
    "reset-rate": "share of requests answered by resetting the connection",
    "stall-rate": "share of requests that are never answered",
    "truncate-rate": "share of requests whose answer breaks off",
    "requests-per-second": "more than these get 503 SlowDown",
}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="hex", help="of the keys")
    parser.add_argument("--objects", type=int, default=1_000_000, help="10,000 or more")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--timeline", type=Path, metavar="FOLDER", help="every request is noted there"
    )
    parser.add_argument(
        "--day", type=int, choices=DAYS, default=0, help="of a bucket that changes a little"
    )
    parser.add_argument("--seed", type=int, default=0, help="of latencies and faults")
    for name, told in _CONDITIONS.items():
        default = getattr(Conditions(), name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=float, default=default, metavar="X", help=told)
    options = parser.parse_args()
    if options.slow_connection != 1 and options.processes != 1:
        parser.error("--slow-connection needs --processes 1: each process would slow down one")
    return options


def _conditions(options: argparse.Namespace, process: int) -> Conditions:
    """What one of the processes does: its part of the allowed rate, and chances of its own."""
    names = [name.replace("-", "_") for name in _CONDITIONS]
    conditions = Conditions(**{name: getattr(options, name) for name in names})
    return replace(
        conditions,
        requests_per_second=conditions.requests_per_second / options.processes,
        seed=options.seed + process,
    )


def _serve(
    process: int, options: argparse.Namespace, listener: socket.socket, ending: socket.socket, counters: Counters
) -> None:  # fmt: skip
    bucket = Bucket.named(options.shape, options.objects, day=options.day)
    with Journal(counters, process, options.timeline) as journal:
        faults = Faults(_conditions(options, process))
        Server(listener, ending, Store(bucket, counters.totals), faults, journal).run()


def _start(
    process: int, options: argparse.Namespace, listener: socket.socket, ends: tuple[socket.socket, socket.socket],
    counters: Counters,
) -> int:  # fmt: skip
    """A process that serves until `ends[0]` is closed by this one."""
    child = os.fork()
    if child:
        return child
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent tells the end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ends[0].close()
    status = 1
    try:
        _serve(process, options, listener, ends[1], counters)
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def _objects(options: argparse.Namespace) -> int:
    """What a listing shows; of a bucket with versions, of all of them."""
    if not options.day:
        return int(options.objects)
    return Bucket.named(options.shape, options.objects, day=options.day).objects


def _wait() -> None:
    try:
        if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
            sys.stdin.read()
        else:
            signal.pause()
    except KeyboardInterrupt:
        pass


def main() -> None:
    """Start the processes, wait for the end, end them."""
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if options.timeline:
        options.timeline.mkdir(parents=True, exist_ok=True)
    listener = socket.create_server(("127.0.0.1", options.port), backlog=_BACKLOG)
    listener.setblocking(False)  # noqa: FBT003
    counters = Counters(options.processes)
    gc.freeze()
    ends = socket.socketpair()
    children = [
        _start(process, options, listener, ends, counters) for process in range(options.processes)
    ]
    ends[1].close()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    told = {
        "endpoint_url": url,
        "bucket": BUCKET,
        "objects": _objects(options),
        "counters": url + COUNTERS_PATH,
    }
    print(json.dumps(told), flush=True)
    listener.close()
    _wait()
    ends[0].close()
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
