"""Rows -> a data file -> its place in the destination; and the door to that place, for this process."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from uuid import uuid4

from stocktake.formats import open_writer
from stocktake.inventory.assembly import Group, group_range
from stocktake.inventory.spool import drop_segment, read_segment, spool_error
from stocktake.model.addresses import LocalAddress
from stocktake.model.fields import report_schema
from stocktake.model.manifest import ManifestFile
from stocktake.model.runs import Counters, DataFile, InventoryRun
from stocktake.store.client import Client
from stocktake.store.connection import Connection
from stocktake.store.destinations import BucketDestination, Destination, FolderDestination

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


@contextmanager
def open_destination(run: InventoryRun, counters: Counters) -> Iterator[Destination]:
    """Where the run's report goes, for as long as the context lasts."""
    delivery = run.configuration.delivery
    if isinstance(run.address, LocalAddress):
        yield FolderDestination(run.address.path, delivery.bucket_name)
        return
    connection = Connection.open(run.destination)
    with Client.open(connection, counters) as client:
        yield BucketDestination(
            client,
            run.address.bucket,
            encryption=delivery.encryption,
            owner_full_control=run.owner_full_control,
        )


class _HashingSink(io.RawIOBase):
    """A file that is written forward only, and knows its length and MD5 at the end."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._digest = hashlib.md5(usedforsecurity=False)
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        view = memoryview(data)
        self._file.write(view)
        self._digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.size

    @property
    def md5(self) -> str:
        return self._digest.hexdigest()


def deliver_group(
    run: InventoryRun,
    key: str,
    group: Group,
    *,
    folder: Path,
    destination: Destination,
    stopping: threading.Event,
) -> DataFile:
    """Write the rows of `group` as one data file, bring it to `key` in the destination, drop the spooled rows.

    Raises:
        SpoolError: no room for the file on this machine.
        DestinationError, StoreError: it could not be delivered.
        StoppedError: `stopping` was set first.
    """
    path = folder / f"{uuid4()}.part"
    try:
        with path.open("wb") as file:
            sink = _HashingSink(file)
            with open_writer(
                run.configuration.delivery.format, cast("BinaryIO", sink), report_schema(run.fields)
            ) as writer:
                for segment in group:
                    for batch in read_segment(segment):
                        writer.write(batch)
    except OSError as error:
        raise spool_error(error, folder) from error
    destination.upload(key, path, stopping)
    path.unlink()
    for segment in group:
        drop_segment(segment)
    held = [segment for segment in group if segment.rows]
    return DataFile(
        file=ManifestFile(key, sink.size, sink.md5),
        range=group_range(group),
        rows=sum(segment.rows for segment in group),
        first_key=held[0].first_key if held else None,
        last_key=held[-1].last_key if held else None,
    )
