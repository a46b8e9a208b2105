"""What the parent and its worker processes say to each other: small, frozen, picklable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from stocktake.inventory.assembly import Group
from stocktake.inventory.spool import Segment
from stocktake.model.errors import InventoryError
from stocktake.model.keys import KeyRange
from stocktake.model.runs import Counters, DataFile, InventoryRun


@dataclass(frozen=True, slots=True)
class Begin:
    """To a worker, first of all: the run, where to spool, and how many requests it may have in flight."""

    run: InventoryRun
    folder: Path
    concurrency: int


@dataclass(frozen=True, slots=True)
class WorkRange:
    """To a worker: list and enrich this range."""

    index: int
    range: KeyRange


@dataclass(frozen=True, slots=True)
class WriteFile:
    """To a worker: write these segments as the data file at `key`. The name is known before the first byte."""

    key: str
    group: Group


@dataclass(frozen=True, slots=True)
class Stop:
    """To a worker: end soon and cleanly."""


@dataclass(frozen=True, slots=True)
class Listed:
    """From a worker: what was counted since it last spoke, and the last key it has seen."""

    index: int
    counters: Counters
    key: str


@dataclass(frozen=True, slots=True)
class Spooled:
    """From a worker: a segment is finished."""

    index: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class RangeDone:
    """From a worker: the range is finished. `silent` names an object whose HEAD withheld a value, if there was one."""

    index: int
    counters: Counters
    silent: tuple[str, str | None] | None


@dataclass(frozen=True, slots=True)
class Written:
    """From a worker: a data file lies in the destination."""

    file: DataFile
    counters: Counters


@dataclass(frozen=True, slots=True)
class Failed:
    """From a worker: this went wrong, and the run cannot go on."""

    error: InventoryError


Task: TypeAlias = Begin | WorkRange | WriteFile | Stop
Report: TypeAlias = Listed | Spooled | RangeDone | Written | Failed
