"""What a run tells of itself while it is under way, so that it can go on after a crash, or be cleared away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from stocktake.model.pieces import Kept, Segment
from stocktake.model.runs import Counters, DataFile


class Journal(Protocol):
    """Whom a run tells. What was told is durable when a method returns, so nothing is told too often: once for each
    segment, data file and multipart upload. All raise InventoryError where it cannot be kept, or where another process
    has taken the run up; then this one must end. Only the parent tells; not from several threads at once.
    """

    def folder(self, root: str, moment: datetime) -> bool:
        """The run chooses the report folder of `moment` under `root`; nothing is in the destination yet. False where
        it is another run's: the run must choose another.
        """

    def spooled(self, segment: Segment) -> None:
        """A segment is finished and sealed. It takes the place of one of the same range, whose file may go when this
        returns.
        """

    def named(self, key: str) -> None:
        """A data file will be delivered to `key`; not a byte of it was sent yet."""

    def uploading(self, key: str, upload_id: str) -> None:
        """A multipart upload to `key` was begun; no part of it was sent yet."""

    def delivered(self, file: DataFile, group: Sequence[Segment], spent: Counters) -> None:
        """A data file lies in the destination, confirmed. It was made of the segments in `group`, whose files may go
        when this returns; `spent` is what delivering it took.
        """

    def placed(self, key: str, version: str | None) -> None:
        """An object that makes the data files a report lies in the destination; `version` is which, where the
        destination has versions. That of a data file is in its DataFile.
        """

    def kept(self) -> Kept:
        """All that was told to be finished, for the run to go on from in another way."""

    def beat(self) -> None:
        """The run is still being worked on. Told about once a minute, and before each object that publishes it."""
