"""Rows -> a data file -> its place in the destination."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast
from uuid import uuid4

import pyarrow as pa

from stocktake.formats import open_writer
from stocktake.formats.ages import write_ages
from stocktake.inventory.assembly import Group, group_range
from stocktake.inventory.calls import call_plan
from stocktake.inventory.sealing import make_durable
from stocktake.inventory.spool import read_segment, spool_error
from stocktake.model.fields import report_schema
from stocktake.model.manifest import ManifestFile
from stocktake.model.remembering import AGES_SCHEMA
from stocktake.model.runs import DataFile, InventoryRun
from stocktake.store.destinations import Destination

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer


AGES_SUFFIX = ".ages"


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
    """Write the rows of `group` as one data file and bring it to `key` in the destination.

    Raises:
        SpoolError: no room for the file on this machine.
        DestinationError, StoreError: it could not be delivered.
        StoppedError: `stopping` was set first.
    """
    path = folder / f"{uuid4()}.part"
    columns = report_schema(run.fields).names
    aged = call_plan(run.fields).asks
    ages = folder / f"{uuid4()}{AGES_SUFFIX}" if aged else None
    try:
        with path.open("wb") as file:
            sink = _HashingSink(file)
            with open_writer(
                run.configuration.delivery.format, cast("BinaryIO", sink), report_schema(run.fields)
            ) as writer:
                for batch in _rows(group):
                    writer.write(batch.select(columns))
        if ages is not None:
            write_ages((batch.select(AGES_SCHEMA.names) for batch in _rows(group)), ages)
            make_durable(ages)
    except OSError as error:
        raise spool_error(error, folder) from error
    version = destination.upload(key, path, stopping)
    path.unlink(missing_ok=True)
    held = [segment for segment in group if segment.rows]
    return DataFile(
        file=ManifestFile(key, sink.size, sink.md5),
        range=group_range(group),
        rows=sum(segment.rows for segment in group),
        first_key=held[0].first_key if held else None,
        last_key=held[-1].last_key if held else None,
        ages=ages,
        version=version,
    )


def _rows(group: Group) -> Iterator[pa.RecordBatch]:
    for segment in group:
        yield from read_segment(segment)
