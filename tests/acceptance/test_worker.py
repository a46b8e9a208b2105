"""Workers as programs: from a configuration to its report with nobody touching anything, whatever befalls them."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from stocktake.model.scheduled import ScheduledState
from stocktake.state.ledger import Ledger
from tests.acceptance.command_line import stocktake
from tests.acceptance.killing import descendants_of
from tests.acceptance.reports import published
from tests.servers.fault import FaultServer, hold, latency, synthetic
from tests.servers.postgres import PostgresServer
from tests.servers.server import Server
from tests.service.worker_runs import (
    REPORTS,
    SOURCE,
    STORE,
    Workers,
    configuration,
    opened,
    put,
    reported_keys,
    run_in,
    until,
)

# How often the worker is killed in the middle of a run, how many objects that has, and how many a data file. Before a
# release: STOCKTAKE_TEST_WORKER_KILLS=50 STOCKTAKE_TEST_WORKER_OBJECTS=1000000 STOCKTAKE_TEST_WORKER_FILE_ROWS=5000.
KILLS = int(os.environ.get("STOCKTAKE_TEST_WORKER_KILLS", "3"))
OBJECTS = int(os.environ.get("STOCKTAKE_TEST_WORKER_OBJECTS", "4000"))
FILE_ROWS = int(os.environ.get("STOCKTAKE_TEST_WORKER_FILE_ROWS", "100"))
LEASE_S = 5.0
# Of workers that must not lose their run, however busy the machine is: two thirds of it without a beat end their work.
PATIENT_LEASE_S = 12.0
WITHIN_S = 180.0 + 20 * KILLS + OBJECTS / 1000
PUBLISHED, RUNNING = ScheduledState.PUBLISHED, ScheduledState.RUNNING


@pytest.fixture
def store() -> Iterator[FaultServer]:
    """A slow store with a bucket to list."""
    with FaultServer() as server:
        server.bucket(SOURCE, generated=synthetic(OBJECTS, lambda n: f"{n // 600:05d}/{n:07d}"))
        server.bucket(REPORTS)
        server.rule(latency(0.02), operation="List")
        server.rule(latency(0.2), bucket=REPORTS, method="PUT")
        yield server


@pytest.fixture
def done(store: FaultServer) -> threading.Event:
    """Until it is set, every run comes as far as its manifest, and no further."""
    told = threading.Event()
    store.rule(hold(told), bucket=REPORTS, where=lambda asked: asked.key.endswith("symlink.txt"))
    return told


def workers(
    store: FaultServer,
    folder: Path,
    url: str | None,
    *,
    lease_s: float = LEASE_S,
    more: Mapping[str, str] | None = None,
    own_disks: bool = False,
) -> Workers:
    environment = {**store.environment(), "STOCKTAKE_STATE_FOLDER": str(folder / "state")}
    if url:
        environment["STOCKTAKE_LEDGER"] = url
    environment |= more or {}
    return Workers(environment, folder, "--lease", str(lease_s), own_disks=own_disks)


def patient(store: FaultServer, folder: Path) -> Workers:
    """Workers over SQLite that keep what they have, and are at it until the store has no more rules."""
    store.rule(latency(0.2), operation="HeadObject")
    return workers(store, folder, None, lease_s=PATIENT_LEASE_S)


def all_keys() -> list[str]:
    return sorted(f"{n // 600:05d}/{n:07d}" for n in range(OBJECTS))


def owner_in(ledger: Ledger, pool: Workers) -> Callable[[], subprocess.Popen[bytes] | None]:
    """The worker that works on the run and has begun to list."""

    def look() -> subprocess.Popen[bytes] | None:
        run = run_in(ledger, RUNNING)
        found = re.match(r"process (\d+) on ", str(run.owner)) if run else None
        if run is None or found is None or not run.progress.get("rows"):
            return None
        pid = int(found[1])
        return next((each for each in pool.running if each.pid == pid), None)

    return look


@pytest.mark.server
def test_what_is_put_is_delivered_within_a_minute_with_nobody_touching_anything(
    ceph_server: Server, buckets: Callable[..., str], tmp_path: Path
) -> None:
    s3 = ceph_server.client()
    source, reports = buckets("source"), buckets("reports")
    for bucket in (source, reports):
        s3.create_bucket(Bucket=bucket)
    for number in range(20):
        s3.put_object(Bucket=source, Key=f"{number:03d}", Body=b"x")
    environment = {**ceph_server.environment(), "STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    with Workers(environment, tmp_path) as pool, opened(None, tmp_path / "state") as ledger:
        pool.start()
        until(lambda: "working for" in pool.log(), 180, pool)
        put_at = time.monotonic()
        ledger.configurations.put(STORE, source, configuration(bucket=reports))

        def keys() -> list[str]:
            return [each["Key"] for each in s3.list_objects_v2(Bucket=reports).get("Contents", [])]

        until(lambda: any(key.endswith("manifest.checksum") for key in keys()), 180, pool)
        assert time.monotonic() - put_at < 60
        found = keys()
        [manifest] = published(
            found, lambda key: s3.get_object(Bucket=reports, Key=key)["Body"].read()
        )
        assert manifest["sourceBucket"] == source
        run = until(lambda: run_in(ledger, PUBLISHED), 180, pool)
        assert run.progress["rows"] == 20


def delivered(ledger: Ledger) -> Sequence[str]:
    """The keys of the data files that the run under way has delivered, by the ledger."""
    run = run_in(ledger, RUNNING)
    if run is None or not run.progress:
        return ()
    return [each.file.file.key for each in ledger.kept(run.id).files]


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("ledger_url", "own_disks"),
    [("sqlite", False), ("sqlite", True), ("postgresql", True)],
    indirect=["ledger_url"],
)
def test_workers_are_killed_in_the_middle_of_a_run_and_it_is_published_once_and_whole(
    *,
    store: FaultServer,
    tmp_path: Path,
    ledger_url: str | None,
    own_disks: bool,
) -> None:
    """With disks of their own, another worker has nothing to go on from but the data files that were delivered."""
    chance = random.Random(5)
    moments = sorted(chance.sample(range(1, 3 * OBJECTS // FILE_ROWS // 4), KILLS))
    environment = {"STOCKTAKE_FILE_ROWS": str(FILE_ROWS)}
    kept: Sequence[str] = ()
    with (
        workers(store, tmp_path, ledger_url, more=environment, own_disks=own_disks) as pool,
        opened(ledger_url, tmp_path / "state") as ledger,
    ):
        put(ledger, fields=("Size",))
        pool.start()
        pool.start()
        for number, files in enumerate(moments, 1):
            until(lambda files=files: len(delivered(ledger)) >= files, WITHIN_S, pool)
            owner = until(owner_in(ledger, pool), WITHIN_S, pool)
            kept = delivered(ledger)
            pool.kill(owner)
            pool.start()
            print(f"kill {number} of {KILLS}: {len(kept)} data files delivered", flush=True)
        run = until(lambda: run_in(ledger, PUBLISHED), WITHIN_S, pool)
        assert (run.claims > KILLS, run.attempts) == (True, 0)
        until(lambda: not ledger.names(run.id), 180, pool)
        [keys] = reported_keys(store)
    assert keys == all_keys()
    assert store.buckets[REPORTS].uploads == {}
    [manifest] = published(store.buckets[REPORTS].keys(), store.buckets[REPORTS].read)
    named = {file["key"] for file in manifest["files"]}
    assert set(kept) <= named, "delivered for nothing"
    pages = sum(entry.operation.startswith("List") for entry in list(store.log))
    print(f"{len(named)} data files, {pages} LIST requests for {OBJECTS} objects", flush=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ledger_url", "moment"),
    [("sqlite", "publishing"), ("postgresql", "listing"), ("postgresql", "publishing")],
    indirect=["ledger_url"],
)
def test_a_worker_that_slept_through_its_lease_publishes_nothing(
    *,
    store: FaultServer,
    tmp_path: Path,
    ledger_url: str | None,
    moment: str,
    done: threading.Event,
) -> None:
    with (
        workers(store, tmp_path, ledger_url) as pool,
        opened(ledger_url, tmp_path / "state") as ledger,
    ):
        put(ledger)
        sleeper = pool.start()

        def begun() -> bool:
            if moment == "listing":
                return owner_in(ledger, pool)() is not None
            return any("symlink.txt" in entry.path for entry in store.log)

        until(begun, 180, pool)
        asleep = {sleeper.pid, *descendants_of(sleeper.pid)}
        for pid in asleep:
            os.kill(pid, signal.SIGSTOP)
        done.set()
        try:
            taker = pool.start()
            until(lambda: run_in(ledger, PUBLISHED), 180, pool)
            assert taker.poll() is None
        finally:
            for pid in asleep:
                os.kill(pid, signal.SIGCONT)
        until(lambda: re.search(r"the run \w+ (is given back|failed)", pool.log()), 180, pool)
        time.sleep(2)
        assert sleeper.poll() is None, "it works on"
        [keys] = reported_keys(store)
        assert keys == all_keys()
        assert run_in(ledger, PUBLISHED)


@pytest.mark.slow
def test_a_database_that_goes_away_in_mid_run_and_comes_back_loses_nothing(
    store: FaultServer, tmp_path: Path, postgres_server: PostgresServer, done: threading.Event
) -> None:
    url = postgres_server.make_database()
    away_s = float(os.environ.get("STOCKTAKE_TEST_DATABASE_AWAY_S", "4"))
    with workers(store, tmp_path, url) as pool, opened(url, tmp_path / "state") as ledger:
        put(ledger)
        pool.start()
        pool.start()
        until(lambda: run_in(ledger, RUNNING) and owner_in(ledger, pool)() is not None, 180, pool)
        postgres_server.stop()
        done.set()
        try:
            time.sleep(away_s)
        finally:
            postgres_server.start()
        run = until(lambda: run_in(ledger, PUBLISHED), 120, pool)
        assert run.attempts == 0
        assert all(process.poll() is None for process in pool.running), "they wait for it"
        time.sleep(1)
        [keys] = reported_keys(store)
        assert keys == all_keys()


def test_sigterm_gives_the_run_back_and_another_worker_ends_it(
    store: FaultServer, tmp_path: Path
) -> None:
    with patient(store, tmp_path) as pool, opened(None, tmp_path / "state") as ledger:
        put(ledger)
        first = pool.start()
        until(lambda: owner_in(ledger, pool)() is not None, 180, pool)
        [worker] = until(ledger.workers.all, 180, pool)
        assert (worker.process, worker.alive) == (first.pid, True)
        first.terminate()
        assert first.wait(60) == 0
        assert ledger.workers.all() == ()
        store.clear_rules()
        run = run_in(ledger, ScheduledState.WAITING)
        assert run is not None, pool.log()
        assert (run.attempts, run.lease_until) == (0, None)
        pool.start()
        until(lambda: run_in(ledger, PUBLISHED), 180, pool)
        [keys] = reported_keys(store)
        assert keys == all_keys()


def test_a_run_that_is_cancelled_stops_and_a_run_that_is_asked_for_begins(
    store: FaultServer, tmp_path: Path
) -> None:
    environment = {"STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    with patient(store, tmp_path) as pool, opened(None, tmp_path / "state") as ledger:
        put(ledger)
        pool.start()
        until(lambda: owner_in(ledger, pool)() is not None, 180, pool)
        listed = stocktake("runs", "scheduled", "--json", environment=environment).document
        [run] = listed["runs"]
        assert (run["state"], run["bucket"], run["id"]) == ("running", SOURCE, "daily")
        assert run["progress"]["rows"] > 0
        done = stocktake("runs", "cancel", run["run"], environment=environment)
        assert done.out == f"the run {run['run']} is cancelled\n"
        until(lambda: "is given back" in pool.log(), 180, pool)
        store.clear_rules()
        reports = store.buckets[REPORTS]
        assert published(reports.keys(), reports.read) == []
        asked = stocktake(
            "runs", "now", f"s3://{SOURCE}", "daily", "--json", environment=environment
        )
        until(lambda: ledger.schedule.get(asked.document["run"]).state is PUBLISHED, 180, pool)
        until(lambda: not ledger.claims.to_clear(), 180, pool)
        [keys] = reported_keys(store)
        assert keys == all_keys()


def test_a_run_that_fails_says_why_and_waits_to_be_tried_again(
    store: FaultServer, tmp_path: Path
) -> None:
    environment = {"STOCKTAKE_STATE_FOLDER": str(tmp_path / "state")}
    with workers(store, tmp_path, None) as pool, opened(None, tmp_path / "state") as ledger:
        ledger.configurations.put(STORE, SOURCE, configuration(bucket="nowhere"))
        pool.start()
        run = until(
            lambda: next((each for each in ledger.schedule.list() if each.attempts), None),
            180,
            pool,
        )
        assert (run.state, run.attempts) == (ScheduledState.WAITING, 1)
        shown = stocktake("runs", "scheduled", environment=environment).out
        assert "waiting" in shown
        assert "NoSuchBucket" in shown
        store.bucket("nowhere")
        assert stocktake("runs", "retry", run.id, environment=environment).code == 0
        until(lambda: run_in(ledger, PUBLISHED), 180, pool)
        assert [len(keys) for keys in reported_keys(store, "nowhere")] == [OBJECTS]
