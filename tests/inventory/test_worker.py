"""A worker in the test's own process: what it says of an upload, and what it waits for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from stocktake.inventory.messages import (
    Begin,
    Listed,
    Report,
    StillThere,
    Stop,
    UploadBegun,
    UploadNoted,
    WriteFile,
    Written,
)
from stocktake.inventory.spool import Spool
from stocktake.inventory.worker import Worker
from stocktake.model.addresses import S3Address
from stocktake.model.fields import report_schema
from stocktake.model.pieces import Segment
from stocktake.model.runs import Counters, InventoryRun
from stocktake.store import client
from stocktake.store.connection import Connection
from tests.inventory.lanes import make_run
from tests.servers.fault import FaultServer
from tests.store.clients import SMALL_PARTS

ROWS = 20_000
WAIT_S = 60.0


@dataclass(slots=True)
class At:
    """A worker at work."""

    worker: Worker
    heard: queue.SimpleQueue[Report]
    thread: threading.Thread

    def hears(self, kind: type[Report]) -> Report:
        """The next report of this kind."""
        while True:
            report = self.heard.get(timeout=WAIT_S)
            if isinstance(report, kind):
                return report


@pytest.fixture
def work(
    fault_server: FaultServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[At]:
    """A worker that was given a data file of several parts to deliver."""
    for name, value in fault_server.as_server().environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(client, "UploadLimits", lambda: SMALL_PARTS)
    fault_server.bucket("b")
    fault_server.bucket("reports")
    run = replace(make_run(fault_server.endpoint_url, "b"), address=S3Address("reports", ""))
    heard: queue.SimpleQueue[Report] = queue.SimpleQueue()
    way = Connection.open(run.source).way("b")
    worker = Worker(Begin(run, tmp_path, way), heard.put)
    thread = threading.Thread(target=worker.work)
    thread.start()
    worker.take(WriteFile("data/large.parquet", (large_segment(run, tmp_path),)))
    yield At(worker, heard, thread)
    worker.take(Stop())
    thread.join(WAIT_S)
    assert not thread.is_alive()


def large_segment(run: InventoryRun, folder: Path) -> Segment:
    """Rows that no format makes small."""
    random = Random(0)
    schema = report_schema(run.fields)
    keys = sorted(random.randbytes(500).hex() for _ in range(ROWS))
    columns = [
        pa.array(keys, field.type) if field.name == "key" else pa.array(["b"] * ROWS, field.type)
        if field.name == "bucket" else pa.nulls(ROWS, field.type)
        for field in schema
    ]  # fmt: skip
    kept: list[Segment] = []
    with Spool(
        folder, "", schema, file_rows_max=ROWS, counters=Counters(), clock=lambda: 0.0, keep=kept.append
    ) as spool:  # fmt: skip
        for part in spool.parts(pa.RecordBatch.from_arrays(columns, schema=schema)):
            spool.add(part)
        spool.finish(None)
    return kept[0]


def test_no_part_is_sent_before_the_upload_is_noted(work: At, fault_server: FaultServer) -> None:
    begun = work.hears(UploadBegun)
    bucket = fault_server.bucket_named("reports")
    assert begun == UploadBegun("data/large.parquet", *bucket.uploads)
    work.thread.join(0.3)
    assert "UploadPart" not in fault_server.counts
    work.worker.take(UploadNoted())
    written = work.hears(Written)
    assert isinstance(written, Written)
    assert written.file.rows == ROWS
    assert fault_server.counts["UploadPart"] > 1
    assert bucket.keys() == ["data/large.parquet"]


def test_a_worker_answers_whatever_it_waits_for(work: At) -> None:
    work.hears(UploadBegun)
    work.worker.take(StillThere())
    assert work.hears(Listed) == Listed((), Counters())
    work.worker.take(UploadNoted())


def test_a_worker_that_is_stopped_while_it_waits_aborts_the_upload(
    work: At, fault_server: FaultServer
) -> None:
    work.hears(UploadBegun)
    work.worker.take(Stop())
    work.thread.join(WAIT_S)
    bucket = fault_server.bucket_named("reports")
    assert (dict(bucket.uploads), bucket.keys()) == ({}, [])
