"""The replay server as a process: it speaks HTTP to boto3 and stocktake, and does to requests what it was told to."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from benchmarks.harness import ENVIRONMENT, ROOT, Replay, Timeline, replaying, run_stocktake
from benchmarks.measure import measure
from benchmarks.peers import HEADERS, LISTERS, Peer
from benchmarks.replay.answers import Kind
from benchmarks.replay.journal import read_timeline
from benchmarks.replay.shapes import SHAPES
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.acceptance.killing import wait_for

OBJECTS = 10_000


def client(replay: Replay) -> Any:
    """boto3, asking once and unsigned."""
    config = Config(
        signature_version=UNSIGNED,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"},
    )
    return boto3.client(
        "s3", endpoint_url=replay.endpoint_url, region_name="eu-central-1", config=config
    )


@pytest.fixture(scope="module")
def quiet() -> Iterator[Replay]:
    """A server that does nothing but answer."""
    with replaying("control", OBJECTS, "--processes", "2") as replay:
        yield replay


def request(replay: Replay, target: str, method: str = "GET") -> tuple[int, bytes]:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(replay.endpoint_url).netloc, timeout=60)
    try:
        connection.request(method, target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def page_statuses(replay: Replay, count: int) -> list[int]:
    """The statuses of that many pages, one connection each; 0 where none came."""

    def status(_number: int) -> int:
        try:
            return request(replay, "/replay?list-type=2&max-keys=1")[0]
        except (OSError, http.client.HTTPException):
            return 0

    return [status(number) for number in range(count)]


def test_boto3_lists_every_key_whatever_it_holds(quiet: Replay) -> None:
    pages = client(quiet).get_paginator("list_objects_v2").paginate(Bucket=quiet.bucket)
    keys = [found["Key"] for page in pages for found in page["Contents"]]
    shape = SHAPES["control"](OBJECTS)
    assert keys == [shape.key(rank).decode() for rank in range(OBJECTS)]


def test_boto3_reads_all_that_head_says(quiet: Replay) -> None:
    key = SHAPES["control"](OBJECTS).key(77).decode()
    head = client(quiet).head_object(Bucket=quiet.bucket, Key=key, ChecksumMode="ENABLED")
    [found] = client(quiet).list_objects_v2(Bucket=quiet.bucket, Prefix=key)["Contents"]
    assert (head["ETag"], head["LastModified"], head["ContentLength"]) == (
        found["ETag"],
        found["LastModified"],
        found["Size"],
    )
    assert head["ServerSideEncryption"] == "aws:kms"
    assert head["BucketKeyEnabled"] is True
    assert head["ObjectLockRetainUntilDate"].year > 2030
    assert head["Metadata"].keys() == {"department"}
    assert len(head["ResponseMetadata"]["HTTPHeaders"]) == 19


def test_what_is_not_there_is_not_found(quiet: Replay) -> None:
    for bucket, key in ((quiet.bucket, "missing"), ("another", "key")):
        with pytest.raises(ClientError, match="404"):
            client(quiet).head_object(Bucket=bucket, Key=key)
    assert request(quiet, "/another?list-type=2")[0] == 404


def test_the_bucket_exists_and_lies_somewhere(quiet: Replay) -> None:
    client(quiet).head_bucket(Bucket=quiet.bucket)
    location = client(quiet).get_bucket_location(Bucket=quiet.bucket)
    assert location["LocationConstraint"] == "eu-central-1"


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/replay?acl"), ("PUT", "/replay/key"), ("GET", "/replay?list-type=2&delimiter=/")],
)
def test_what_is_no_part_of_the_benchmark_is_refused(
    quiet: Replay, method: str, target: str
) -> None:
    status, body = request(quiet, target, method)
    assert (status, b"<Code>NotImplemented</Code>" in body) == (501, True)


def test_requests_are_counted_over_all_processes() -> None:
    with replaying("hex", OBJECTS, "--processes", "2") as replay:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: page_statuses(replay, 5), range(8)))
        request(replay, "/replay/missing", "HEAD")
        counters = replay.counters()
    assert counters == {"list": 40, "head": 1, "other": 0, "rows": 40, "errors": 1, "faults": 0}


def test_requests_that_are_sent_at_once_are_answered_one_after_the_other(quiet: Replay) -> None:
    address = urlsplit(quiet.endpoint_url)
    lines = b"GET /replay?list-type=2&max-keys=1 HTTP/1.1\r\nHost: replay\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=60) as wire:
        wire.sendall(lines + b"\r\n" + lines + b"Connection: close\r\n\r\n")
        received = b"".join(iter(lambda: wire.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK") == 2
    assert received.count(b"</ListBucketResult>") == 2


def test_what_is_no_http_ends_the_connection(quiet: Replay) -> None:
    address = urlsplit(quiet.endpoint_url)
    with socket.create_connection((address.hostname, address.port), timeout=60) as wire:
        wire.sendall(b"hello\r\n\r\n")
        assert wire.recv(100) == b""


def test_answers_take_as_long_as_they_are_told_to_side_by_side(tmp_path: Path) -> None:
    asks = (
        b"GET /replay?list-type=2&max-keys=1 HTTP/1.1\r\nHost: replay\r\nConnection: close\r\n\r\n"
    )
    with replaying("hex", OBJECTS, "--latency-ms", "300", "--timeline", str(tmp_path)) as replay:
        address = urlsplit(replay.endpoint_url)
        with ExitStack() as stack:
            place = (address.hostname, address.port)
            wires = [
                stack.enter_context(socket.create_connection(place, timeout=60)) for _ in range(16)
            ]
            for wire in wires:
                wire.sendall(asks)
            for wire in wires:
                received = b"".join(iter(partial(wire.recv, 65536), b""))
                assert received.startswith(b"HTTP/1.1 200 ")
    events = read_timeline(tmp_path)
    assert len(events) == 16
    assert all(event.answered - event.arrived >= 0.3 for event in events)
    first, *others = sorted(events, key=lambda event: event.arrived)
    assert any(event.arrived < first.answered for event in others)


def test_one_connection_is_slower_than_the_others() -> None:
    with replaying("hex", OBJECTS, "--latency-ms", "40", "--slow-connection", "5") as replay:
        connections = [
            http.client.HTTPConnection(urlsplit(replay.endpoint_url).netloc) for _ in range(3)
        ]
        seconds: dict[int, list[float]] = {}
        for turn in range(9):
            number = turn % 3
            start = time.monotonic()
            connections[number].request("GET", "/replay?list-type=2&max-keys=1")
            connections[number].getresponse().read()
            seconds.setdefault(number, []).append(time.monotonic() - start)
        for connection in connections:
            connection.close()
    assert min(seconds[0]) >= 0.2
    assert min(seconds[1] + seconds[2]) < 0.2


@pytest.mark.parametrize(
    ("option", "statuses"),
    [
        ("--error-rate", {200, 503}),
        ("--reset-rate", {200, 0}),
        ("--truncate-rate", {200, 0}),
    ],
)
def test_a_share_of_the_requests_meets_its_fault_and_the_same_one_every_time(
    option: str, statuses: set[int]
) -> None:
    seen = []
    for _ in range(2):
        with replaying("hex", OBJECTS, option, "0.3", "--seed", "7") as replay:
            seen.append(page_statuses(replay, 40))
            assert replay.counters()["faults"] == 40 - seen[-1].count(200)
    assert seen[0] == seen[1]
    assert set(seen[0]) == statuses
    assert 4 < 40 - seen[0].count(200) < 22


def test_a_stalled_request_gets_no_answer() -> None:
    with replaying("hex", OBJECTS, "--stall-rate", "1") as replay:
        connection = http.client.HTTPConnection(urlsplit(replay.endpoint_url).netloc, timeout=0.5)
        connection.request("GET", "/replay?list-type=2")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()
        assert wait_for(lambda: replay.counters()["faults"] == 1, 180)


def test_more_requests_than_are_allowed_in_a_second_are_throttled() -> None:
    with replaying("hex", OBJECTS, "--requests-per-second", "2") as replay:
        start = time.monotonic()
        statuses = Counter(page_statuses(replay, 100))
        seconds = time.monotonic() - start
    assert statuses.keys() == {200, 503}
    assert statuses[200] <= 2 * seconds + 3


def test_the_timeline_says_when_each_request_came_and_was_answered(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def ask(_number: int) -> None:
        together.wait()
        page_statuses(replay, 2)

    with replaying("hex", OBJECTS, "--latency-ms", "300", "--timeline", str(tmp_path)) as replay:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(ask, range(4)))
        request(replay, "/replay/missing", "HEAD")
    events = read_timeline(tmp_path)
    assert Counter(event.kind for event in events) == {Kind.LIST: 8, Kind.HEAD: 1}
    assert all(event.answered - event.arrived >= 0.3 for event in events)
    timeline = Timeline.read(tmp_path)
    seconds, lanes = timeline.lanes(20)
    assert timeline.seconds >= 0.6
    assert 1 < max(lanes) <= 4
    assert seconds == sorted(seconds)
    # Two rounds of four lanes: as good as it gets but for what the connections cost.
    assert timeline.efficiency(8000, lanes=4, latency_ms=300) == pytest.approx(
        0.6 / timeline.seconds, rel=0.01
    )


def test_the_server_ends_when_its_parent_does() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.replay", "--processes", "2"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as server:  # fmt: skip
        assert server.stdout is not None
        assert server.stdin is not None
        url = json.loads(server.stdout.readline())["endpoint_url"]
        server.stdin.close()
        assert server.wait(timeout=60) == 0
    with pytest.raises(ConnectionRefusedError):
        request(Replay(url, "replay", 0, ""), "/")


@pytest.mark.parametrize("shape", ["versions", "cjk"])
def test_stocktake_takes_an_inventory_of_it_and_measuring_counts_its_workers(
    shape: str, tmp_path: Path
) -> None:
    options = ["--processes", "2", "--versions", "All" if shape == "versions" else "Current"]
    with replaying(shape, OBJECTS, "--error-rate", "0.05") as replay:
        stocktake = Path(sys.executable).with_name("stocktake")
        usage = run_stocktake(stocktake, replay, tmp_path, options)
        assert replay.counters()["rows"] >= OBJECTS
    assert usage.cpu_s > 0
    assert usage.tree_peak_mb > usage.process_peak_mb > 0


@pytest.mark.parametrize("peer", [LISTERS[-1], HEADERS[0]], ids=["lists", "asks HEAD"])
def test_boto3_as_a_peer_prints_a_line_for_each_object(peer: Peer, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_bytes(b"\n".join(map(SHAPES["uuid"](OBJECTS).key, range(100))))
    expected = {"list": 10_000, "head": 100}
    with replaying("uuid", OBJECTS) as replay:
        measure(peer.command(replay, keys), environment=ENVIRONMENT, stdout=tmp_path / "out")
        kind = "head" if replay.counters()["head"] else "list"
    assert peer.package == "boto3"
    assert len((tmp_path / "out").read_text().splitlines()) == expected[kind]
