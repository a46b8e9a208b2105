"""A whole run against a store, delivered to a folder, without a ledger; and what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stocktake.inventory.take import take_inventory
from stocktake.model.addresses import LocalAddress
from stocktake.model.pieces import Delivery, Kept, Segment, delivery_of
from stocktake.model.runs import Counters, DataFile, InventoryResult, Limits, Progress
from tests.inventory.lanes import make_run
from tests.servers.fault import FaultServer

LIMITS = Limits(
    concurrency=16,
    processes=2,
    stall_timeout_s=60,
    retry_delay_s_min=0.01,
    retry_delay_s_max=0.2,
    tries_max=12,
)


class Notes:
    """A journal in memory."""

    def __init__(self) -> None:
        self.files: list[Delivery] = []
        self.segments: list[Segment] = []

    def folder(self, root: str, moment: datetime) -> bool:
        return True

    def spooled(self, segment: Segment) -> None:
        assert segment.path is None or segment.path.is_file()
        others = [each for each in self.segments if each.range.after != segment.range.after]
        self.segments = [*others, segment]

    def named(self, key: str) -> None:
        assert key

    def placed(self, key: str, version: str | None) -> None:
        """Nobody asks."""

    def uploading(self, key: str, upload_id: str) -> None:
        raise AssertionError("nothing is uploaded to a folder")

    def delivered(self, file: DataFile, group: Sequence[Segment], spent: Counters) -> None:
        assert file.rows == sum(segment.rows for segment in group)
        self.files.append(delivery_of(file, group, spent))
        self.segments = [segment for segment in self.segments if segment not in group]

    def kept(self) -> Kept:
        return Kept(tuple(self.files), tuple(self.segments))

    def resumed(self) -> Notes:
        """Another journal, that goes on from what this one was told."""
        notes = Notes()
        notes.files, notes.segments = list(self.files), list(self.segments)
        return notes

    def beat(self) -> None:
        pass  # nobody else can take this run up


def take(
    store: FaultServer,
    folder: Path,
    *,
    versions: str = "Current",
    prefix: str = "",
    limits: Limits = LIMITS,
    notes: Notes | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    stop: threading.Event | None = None,
    **more: Any,
) -> InventoryResult:
    """Run over the bucket `b`, going on from `notes`; the report lies in `folder`."""
    notes = notes or Notes()
    run = replace(
        make_run(store.endpoint_url, "b", versions=versions, prefix=prefix, limits=limits),
        address=LocalAddress(folder),
    )
    return take_inventory(
        run,
        kept=notes.kept(),
        spool=folder.with_name(f"{folder.name}-spool"),
        journal=notes,
        now=lambda: datetime.now(UTC),
        on_progress=on_progress,
        stop=stop or threading.Event(),
        **more,
    )


def table(folder: Path, result: InventoryResult) -> pa.Table:
    """The report's rows, without the data files' bounds."""
    return pa.concat_tables(pq.read_table(folder / file.key) for file in result.manifest.files)


def rows(folder: Path, result: InventoryResult) -> list[tuple[object, ...]]:
    """The same as tuples."""
    return [tuple(row.values()) for row in table(folder, result).to_pylist()]
