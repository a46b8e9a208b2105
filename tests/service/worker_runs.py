"""What tests of workers share: a ledger, a store with a bucket to list and one for reports, and worker processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow.parquet as pq

from stocktake.model.configuration import (
    Destination,
    Format,
    InventoryConfiguration,
    S3BucketDestination,
    bucket_arn,
)
from stocktake.model.scheduled import ScheduledRun, ScheduledState
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.state.ledger import Ledger
from tests.acceptance.command_line import command
from tests.acceptance.reports import published
from tests.model.test_runs import RUN
from tests.servers.fault import FaultServer

STORE = "default"
SOURCE, REPORTS = "source", "destination"


def configuration(
    identity: str = "daily",
    bucket: str = REPORTS,
    fields: Sequence[str] = ("Size", "EncryptionStatus"),
) -> InventoryConfiguration:
    """A daily report, Parquet, of the whole bucket."""
    delivery = S3BucketDestination(bucket=bucket_arn(bucket), format=Format.PARQUET)
    return RUN.configuration.model_copy(
        update={
            "id": identity,
            "is_enabled": True,
            "filter": None,
            "optional_fields": tuple(fields),
            "destination": Destination(s3_bucket_destination=delivery),
        }
    )


def put(
    ledger: Ledger, identity: str = "daily", bucket: str = SOURCE, **more: Any
) -> ConfigurationKey:
    """Put a daily configuration of the source bucket. No other day of it begins while a test runs."""
    key = ledger.configurations.put(STORE, bucket, configuration(identity, **more)).key
    ledger.configurations.put_options(key, {"hour": (house.now().hour + 12) % 24})
    return key


@contextmanager
def opened(url: str | None, state: Path) -> Iterator[Ledger]:
    """The ledger at `url`, or in the folder `state`."""
    with Ledger.at(url, now=house.now) if url else Ledger.open(state, now=house.now) as ledger:
        yield ledger


class Workers:
    """Worker processes over one ledger, each of which a test may kill. With `own_disks` each has its rows wait on a
    disk of its own, as on another machine, which is gone when it is killed.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path, *options: str, own_disks: bool = False
    ) -> None:
        self._environment = environment
        self._folder = folder
        self._options = options
        self._own_disks = own_disks
        self._disks: dict[int, Path] = {}
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> subprocess.Popen[bytes]:
        """One more; it logs to `worker.log`."""
        disk = self._folder / f"disk-{uuid4().hex}"
        if self._own_disks:
            disk.mkdir()
        own = {"STOCKTAKE_SPOOL_FOLDER": str(disk)} if self._own_disks else {}
        with (self._folder / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                command("worker", *self._options),
                env={**os.environ, **self._environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._disks[process.pid] = disk
        self.running.append(process)
        return process

    def log(self) -> str:
        """All that they said."""
        return (self._folder / "worker.log").read_text()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """kill -9, and its disk is gone with it."""
        process.kill()
        process.wait()
        self.running.remove(process)
        shutil.rmtree(self._disks.pop(process.pid), ignore_errors=True)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.kill()
            process.wait()


def until(condition: Callable[[], Any], within_s: float, workers: Workers | None = None) -> Any:
    """What `condition` comes to once it holds."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s; {workers.log() if workers else ''}")
        time.sleep(0.05)
    return found


def run_in(ledger: Ledger, *states: ScheduledState) -> ScheduledRun | None:
    """The one scheduled run, if it is in one of these states."""
    [run] = ledger.schedule.list() or [None]
    return run if run is not None and run.state in states else None


def reported_keys(server: FaultServer, name: str = REPORTS) -> list[Sequence[str]]:
    """The keys in each published report, in its order; and nothing lies in data/ that no report names."""
    bucket = server.buckets[name]
    manifests = published(bucket.keys(), bucket.read)
    named = {file["key"] for manifest in manifests for file in manifest["files"]}
    assert {key for key in bucket.keys() if "/data/" in key} == named, "an orphan"  # noqa: SIM118
    return [
        [
            row["key"]
            for file in manifest["files"]
            for row in pq.read_table(BytesIO(bucket.read(file["key"]))).to_pylist()
        ]
        for manifest in manifests
    ]
