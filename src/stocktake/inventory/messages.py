"""What the parent and its worker processes say to each other: small, frozen, picklable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from stocktake.inventory.assembly import Group
from stocktake.inventory.second_look import Spot
from stocktake.inventory.splitting import PageFacts
from stocktake.model.errors import InventoryError
from stocktake.model.keys import KeyRange
from stocktake.model.pieces import Segment
from stocktake.model.remembering import Memory
from stocktake.model.runs import Counters, DataFile, InventoryRun
from stocktake.store.connection import Way


@dataclass(frozen=True, slots=True)
class Begin:
    """To a worker, first of all: the run, with the limits that are this worker's share, where to spool, and the way to
    the source; and the report whose answers are taken over.
    """

    run: InventoryRun
    folder: Path
    way: Way
    memory: Memory | None = None


@dataclass(frozen=True, slots=True)
class WorkRange:
    """To a worker: list and enrich this range, in a lane of its own; `serial`, by going there from the first key on."""

    index: int
    range: KeyRange
    serial: bool = False


@dataclass(frozen=True, slots=True)
class SplitRange:
    """To the worker that lists the range: let go of the keys behind `pivot`."""

    index: int
    pivot: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """To a worker: list these spots a second time, and compare; and of those that it remembers itself at most so many,
    and all that are `suspects` if these are wanted.
    """

    spots: tuple[Spot, ...]
    own_max: int
    suspects: bool


@dataclass(frozen=True, slots=True)
class WriteFile:
    """To a worker: write these segments as the data file at `key`. The name is known before the first byte."""

    key: str
    group: Group


@dataclass(frozen=True, slots=True)
class UploadNoted:
    """To a worker: the upload it has begun is written down; its parts may be sent."""


@dataclass(frozen=True, slots=True)
class AskAbout:
    """To a worker: ask about the first rows of a segment that wait, so many by the day of the answer that they have."""

    number: int
    segment: Segment
    todo: Counters


@dataclass(frozen=True, slots=True)
class AskNoMore:
    """To a worker: the time for asking about objects is over."""


@dataclass(frozen=True, slots=True)
class StillThere:
    """To a worker: say something at once, be it a Listed without pages."""


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: end soon and cleanly."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From a worker, the process of this number: it can take ranges now."""

    pid: int


@dataclass(frozen=True, slots=True)
class PageReport:
    """One page of a range. `first` is the first key kept of it, `object_bytes` the size of what was kept; `requests`
    are those it took; `ended`: the store said that no key follows it.
    """

    index: int
    facts: PageFacts
    first: str | None
    object_bytes: int
    requests: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """From a worker: pages in the order in which they came, and what the process spent since it last spoke."""

    pages: tuple[PageReport, ...]
    spent: Counters


@dataclass(frozen=True, slots=True)
class Split:
    """From a worker: whether the range now ends at `pivot`."""

    index: int
    pivot: str
    granted: bool


@dataclass(frozen=True, slots=True)
class Spooled:
    """From a worker: a segment is finished and sealed."""

    index: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class AskedAbout:
    """From a worker: the segment with rows asked about, sealed, what of that is left, and what the process spent since
    it last spoke.
    """

    number: int
    segment: Segment
    left: Counters
    spent: Counters


@dataclass(frozen=True, slots=True)
class RangeDone:
    """From a worker: the range is finished, all its segments told; and what the process spent since it last spoke."""

    index: int
    spent: Counters


@dataclass(frozen=True, slots=True)
class Looked:
    """From a worker: the second look found no contradiction; so many places it could not look at."""

    unseen: int
    spent: Counters


@dataclass(frozen=True, slots=True)
class UploadBegun:
    """From a worker: a multipart upload of a data file was begun. It goes on once that is noted."""

    key: str
    upload_id: str


@dataclass(frozen=True, slots=True)
class Written:
    """From a worker: a data file lies in the destination."""

    file: DataFile
    spent: Counters


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: this went wrong, and the run cannot go on."""

    error: InventoryError


Task: TypeAlias = (
    Begin
    | WorkRange
    | SplitRange
    | LookAgain
    | AskAbout
    | AskNoMore
    | WriteFile
    | UploadNoted
    | StillThere
    | Stop
)
Report: TypeAlias = (
    Ready
    | Listed
    | Split
    | Spooled
    | AskedAbout
    | RangeDone
    | Looked
    | UploadBegun
    | Written
    | Failed
)
