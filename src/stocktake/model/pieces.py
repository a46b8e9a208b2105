"""The finished pieces of a run: rows in the local spool, data files in the destination, and what was counted for each.

A piece is complete: every key of its range that the bucket held is in it. What was counted goes with the piece, so that
a run which goes on after a crash has exactly the counts of the pieces it still has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from stocktake.model.coverage import uncovered
from stocktake.model.keys import KeyRange
from stocktake.model.runs import Counters, DataFile

# An object whose HEAD withheld a value, as (key, version id): what permissions are tried on in the end.
Silent = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class Segment:
    """Finished rows: `range` is complete, its rows are in the file at `path` (None when there are none). `counters` are
    what was counted of these rows, and `silent` an object among them that was, if there was one. `full`: a data file's
    worth of rows ends here. `size` and `checksum` are the file's once it is sealed. `since_s` is when the listing that
    found them began, in seconds since 1970, where that is known.
    """

    range: KeyRange
    rows: int
    first_key: str | None
    last_key: str | None
    path: Path | None
    full: bool = False
    counters: Counters = field(default_factory=Counter)
    silent: Silent | None = None
    size: int = 0
    checksum: str = ""
    since_s: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A data file that lies in the destination, confirmed, with what its segments had beside their rows."""

    file: DataFile
    counters: Counters = field(default_factory=Counter)
    silent: Silent | None = None


def delivery_of(file: DataFile, group: Iterable[Segment], spent: Counters) -> Delivery:
    """The delivery of `file`, which was made of the segments in `group`; `spent` is what delivering it took."""
    group = tuple(group)
    counters = sum((segment.counters for segment in group), Counter(spent))
    return Delivery(file, counters, next((each.silent for each in group if each.silent), None))


@dataclass(frozen=True, slots=True)
class Kept:
    """What a run that goes on has already, each kind in key order; nothing for a run that begins. `root` and `moment`
    are of the report folder it chose, if it has.
    """

    files: tuple[Delivery, ...] = ()
    segments: tuple[Segment, ...] = ()
    root: str | None = None
    moment: datetime | None = None

    @property
    def counters(self) -> Counters:
        """What was counted for all of it."""
        pieces = [
            *(each.counters for each in self.files),
            *(each.counters for each in self.segments),
        ]
        return sum(pieces, Counter())

    @property
    def silent(self) -> Silent | None:
        """An object in any of it that was silent."""
        pieces = [*(each.silent for each in self.files), *(each.silent for each in self.segments)]
        return next((silent for silent in pieces if silent), None)

    def uncovered(self, whole: KeyRange) -> tuple[KeyRange, ...]:
        """What is still to be listed of `whole`, in key order."""
        delivered = [each.file.range for each in self.files]
        return uncovered([*delivered, *(each.range for each in self.segments)], whole)
