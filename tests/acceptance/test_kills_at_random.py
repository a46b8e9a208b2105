"""kill -9 of the parent at random moments of a whole run, its start and its end included, over a bucket with latency:
every run that was under way goes on to the report of an undisturbed one, row for row, or is cleared away to the last
byte and the last open upload.

Small by itself. Before a release 1,000,000 objects and 100 kills, with -rP to see where the kills fell:
CONTRIBUTING.md says how.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.harness import Replay, replaying
from benchmarks.replay.shapes import SHAPES

from tests.acceptance.command_line import command, stocktake
from tests.acceptance.killing import STATE_FOLDER, wait_for, working
from tests.acceptance.reports import folder_keys, published
from tests.servers.server import Server

# How many runs that are under way are killed, over both kinds of destination; of how many objects; at which moments.
KILLS = int(os.environ.get("STOCKTAKE_TEST_KILLS", "4"))
OBJECTS = int(os.environ.get("STOCKTAKE_TEST_OBJECTS", "40000"))
SEED = int(os.environ.get("STOCKTAKE_TEST_SEED", "7"))

LATENCY_MS = 20
UNDISTURBED_S_MAX = 600
# Moments are drawn from somewhat more than the time that an undisturbed run takes.
LONGEST = 1.05
# Some kills come before a run is written down, or after it is published. So many kills for each that does not.
TRIES_MAX = 20
ABANDONED_EVERY, ABANDONED_FIRST = 10, 1


class Destination(Protocol):
    """Where reports go: every run to a place of its own, by its name."""

    # A million of the shape's rows make a Parquet file that is uploaded in one piece, or in parts.
    shape: str

    def options(self, name: str) -> Sequence[str]: ...
    def keys(self, name: str) -> list[str]: ...
    def read(self, name: str, key: str) -> bytes: ...
    def uploads(self, name: str) -> list[str]: ...
    def clear(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Folder:
    """A local folder."""

    root: Path
    shape: str = "zipf"

    def options(self, name: str) -> Sequence[str]:
        return [str(self.root / name)]

    def keys(self, name: str) -> list[str]:
        return folder_keys(self.root / name)

    def read(self, name: str, key: str) -> bytes:
        return (self.root / name / key).read_bytes()

    def uploads(self, name: str) -> list[str]:
        return []

    def clear(self, name: str) -> None:
        shutil.rmtree(self.root / name, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket on another store than the source's."""

    server: Server
    bucket: str
    shape: str = "uuid"

    def options(self, name: str) -> Sequence[str]:
        return [
            f"s3://{self.bucket}/{name}",
            "--destination-endpoint-url",
            self.server.endpoint_url,
        ]

    def keys(self, name: str) -> list[str]:
        pages = self.server.client().get_paginator("list_objects_v2")
        return [
            found["Key"]
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{name}/")
            for found in page.get("Contents", ())
        ]

    def read(self, name: str, key: str) -> bytes:
        body: bytes = self.server.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return body

    def uploads(self, name: str) -> list[str]:
        pages = self.server.client().get_paginator("list_multipart_uploads")
        return [
            found["Key"]
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{name}/")
            for found in page.get("Uploads", ())
        ]

    def clear(self, name: str) -> None:
        for key in self.keys(name):
            self.server.client().delete_object(Bucket=self.bucket, Key=key)


@dataclass(slots=True)
class Rounds:
    """Runs from one source to one destination, each killed at some moment, and what became of them."""

    source: Replay
    destination: Destination
    environment: Mapping[str, str]
    state: Path
    spool: Path
    seconds: float = 0  # that the last run which came to its end by itself has taken
    seen: set[str] = field(default_factory=set)
    tally: Counter[str] = field(default_factory=Counter)

    def arguments(self, name: str) -> list[str]:
        return [
            "run", f"s3://{self.source.bucket}", *self.destination.options(name), "--quiet",
            "--endpoint-url", self.source.endpoint_url, "--spool-folder", str(self.spool),
        ]  # fmt: skip

    def undisturbed(self) -> pa.Table:
        """The rows of a run that nobody disturbs."""
        assert self.killed("truth", UNDISTURBED_S_MAX) == "published"
        return self.delivered("truth")

    def killed(self, name: str, moment_s: float) -> str:
        """The state of a run whose parent is killed so many seconds after its start; `unknown` to the ledger."""
        begun = time.monotonic()
        process = subprocess.Popen(
            command(*self.arguments(name)),
            env={**os.environ, **self.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(moment_s)
            self.seconds = time.monotonic() - begun
        except subprocess.TimeoutExpired:
            process.kill()
        process.wait()
        assert wait_for(lambda: not working(self.state), 180), "a worker goes on"
        return self.newest_state()

    def newest_state(self) -> str:
        """The state of the run that has come since the last time; `unknown` where none has."""
        fresh = [run for run in self.ledger("runs")["runs"] if run["run"] not in self.seen]
        self.seen.update(run["run"] for run in fresh)
        return fresh[0]["state"] if fresh else "unknown"

    def ledger(self, *words: str) -> Any:
        done = stocktake(*words, "--json", environment=self.environment)
        assert done.code == 0, done.err
        return done.document

    def settled(self, name: str, run: str, *, abandon: bool) -> None:
        """Abandon a run or go on with it, and check that what it left or did not leave is whole."""
        kept = self.ledger("runs", "show", run)
        self.tally["with rows of its own"] += bool(kept["delivered"] or kept["spooled"])
        self.tally["with delivered files"] += bool(kept["delivered"])
        self.tally["with open uploads"] += bool(self.destination.uploads(name))
        words = ("runs", "abandon", run, "--yes") if abandon else ("run", "--resume", run)
        told = self.ledger(*words)
        if not abandon:
            assert told["rows"] == OBJECTS

    def delivered(self, name: str) -> pa.Table:
        """The rows of the one report, whose data files are all there are."""
        keys = self.destination.keys(name)
        contents: dict[str, bytes] = {}

        def read(key: str) -> bytes:
            return contents.setdefault(key, self.destination.read(name, key))

        [manifest] = published(keys, read)
        named = [file["key"] for file in manifest["files"]]
        assert sorted(key for key in keys if "/data/" in key) == sorted(named), "an orphan"
        return pa.concat_tables(pq.read_table(BytesIO(read(key))) for key in named)

    def round(self, name: str, moment_s: float, truth: pa.Table) -> None:
        """Kill a run at that moment, settle it if it was under way, and compare."""
        state = self.killed(name, moment_s)
        abandon = self.tally["interrupted"] % ABANDONED_EVERY == ABANDONED_FIRST
        self.tally[state] += 1
        if state == "interrupted":
            [run] = [run["run"] for run in self.ledger("runs")["runs"] if run["state"] == state]
            self.tally["abandoned" if abandon else "resumed"] += 1
            self.settled(name, run, abandon=abandon)
        if state == "unknown" or (state == "interrupted" and abandon):
            assert self.destination.keys(name) == []
        else:
            assert self.delivered(name).equals(truth)
        assert self.destination.uploads(name) == []
        assert list(self.spool.iterdir()) == []
        self.destination.clear(name)


@contextmanager
def rounds(
    destination: Destination, folder: Path, environment: Mapping[str, str]
) -> Iterator[Rounds]:
    state, spool = folder / "state", folder / "spool"
    spool.mkdir()
    with replaying(destination.shape, OBJECTS, "--latency-ms", str(LATENCY_MS)) as source:
        yield Rounds(source, destination, {**environment, STATE_FOLDER: str(state)}, state, spool)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.server)])
def killed_rounds(
    request: pytest.FixtureRequest, tmp_path: Path, buckets: Callable[..., str]
) -> Iterator[Rounds]:
    """To a local folder, and to a bucket on a real store, whose open uploads it tells."""
    if request.param == "folder":
        keys = {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
        with rounds(Folder(tmp_path / "reports"), tmp_path, keys) as made:
            yield made
        return
    server: Server = request.getfixturevalue("ceph_server")
    bucket = buckets("reports")
    server.client().create_bucket(Bucket=bucket)
    environment = server.environment()
    del environment["AWS_ENDPOINT_URL"]  # each store is named by its option
    with rounds(Bucket(server, bucket), tmp_path, environment) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_run_killed_at_any_moment_goes_on_to_the_same_report_or_leaves_nothing(
    killed_rounds: Rounds,
) -> None:
    chance = random.Random(SEED)
    truth = killed_rounds.undisturbed()
    key = SHAPES[killed_rounds.destination.shape](OBJECTS).key
    assert truth["key"].to_pylist() == [key(rank).decode() for rank in range(OBJECTS)]
    tally = killed_rounds.tally
    while tally["interrupted"] < KILLS // 2:
        assert tally["kills"] < TRIES_MAX * KILLS, tally
        tally["kills"] += 1
        moment_s = chance.uniform(0, LONGEST * killed_rounds.seconds)
        killed_rounds.round(str(tally["kills"]), moment_s, truth)
        print(json.dumps({"moment_s": round(moment_s, 2), **tally}), flush=True)
    print(json.dumps({"objects": OBJECTS, "run_s": round(killed_rounds.seconds, 1), "seed": SEED}))
