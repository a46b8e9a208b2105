"""Adding up usage: what is counted of a folder or a value, and which of it can be told."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stocktake.model.prices import GB, Prices
from stocktake.model.usage import VersionState

_DIGITS = 10  # of money: as many as do not depend on the order in which it was added up


@dataclass(slots=True)
class Measure:
    """A sum of rows of a cube. Delete markers are no objects; what is not known counts 0 here, and how often."""

    objects: int = 0
    bytes: int = 0
    unsized: int = 0
    noncurrent: int = 0
    noncurrent_bytes: int = 0
    stateless: int = 0
    delete_markers: int = 0
    money: float = 0.0
    unpriced: int = 0
    oldest: datetime | None = None
    newest: datetime | None = None
    folded: int = 0

    def add(self, other: Measure) -> None:
        """Add what another one counted."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.oldest = _of_both(min, self.oldest, other.oldest)
        self.newest = _of_both(max, self.newest, other.newest)


_SUMS = (
    "objects", "bytes", "unsized", "noncurrent", "noncurrent_bytes", "stateless", "delete_markers", "money", "unpriced",
)  # fmt: skip


def _of_both(choose: Any, one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    chosen: datetime = choose(one, other)
    return chosen


def measure_row(row: dict[str, Any], prices: Prices) -> Measure:
    """What one row of a cube comes to."""
    objects, state = row["objects"], row["version_state"]
    if state == VersionState.DELETE_MARKER:
        return Measure(delete_markers=objects, folded=row["folded"])
    noncurrent = state == VersionState.NONCURRENT
    priced = row["storage_class"] is not None or not prices.storage_class_per_gb_month
    price = prices.of_storage(row["storage_class"] or "")
    return Measure(
        objects=objects,
        bytes=row["bytes"],
        unsized=row["unsized"],
        noncurrent=objects if noncurrent else 0,
        noncurrent_bytes=row["bytes"] if noncurrent else 0,
        stateless=objects if state is None else 0,
        money=row["bytes"] / GB * price if priced else 0.0,
        unpriced=0 if priced else objects,
        oldest=row["oldest"],
        newest=row["newest"],
        folded=row["folded"],
    )


@dataclass(frozen=True, slots=True)
class Figures:
    """What is told of a folder or a value. None: it cannot be told, because the report lacks the field; of the
    noncurrent, because it is not known of every object.

    `bytes`, `mean` and `money` are of the objects that have a size, and a price; how many have not is `unsized` and
    `unpriced`. `noncurrent_share` is of bytes, or of objects where there are no sizes. `money` is a month's.
    """

    objects: int
    bytes: int | None
    mean: float | None
    oldest: datetime | None
    newest: datetime | None
    noncurrent: int | None
    noncurrent_bytes: int | None
    noncurrent_share: float | None
    delete_markers: int | None
    money: float | None
    unsized: int
    unpriced: int
    stateless: int


def figures_of(measure: Measure, known: Collection[str], prices: Prices) -> Figures:
    """What `measure` tells, of a report that has the fields `known`."""
    sized = "Size" in known
    stated = "IsLatest" in known and not measure.stateless
    whole = measure.bytes if sized else measure.objects
    noncurrent = measure.noncurrent_bytes if sized else measure.noncurrent
    counted = measure.objects - measure.unsized
    return Figures(
        objects=measure.objects,
        bytes=measure.bytes if sized else None,
        mean=measure.bytes / counted if sized and counted else None,
        oldest=measure.oldest,
        newest=measure.newest,
        noncurrent=measure.noncurrent if stated else None,
        noncurrent_bytes=measure.noncurrent_bytes if stated and sized else None,
        noncurrent_share=(noncurrent / whole if whole else 0.0) if stated else None,
        delete_markers=measure.delete_markers if "IsDeleteMarker" in known else None,
        money=float(f"{measure.money:.{_DIGITS}g}") if is_priced(known, prices) else None,
        unsized=measure.unsized if sized else 0,
        unpriced=measure.unpriced if is_priced(known, prices) else 0,
        stateless=measure.stateless if "IsLatest" in known else 0,
    )


def is_priced(known: Collection[str], prices: Prices) -> bool:
    """Whether the money can be told: by sizes, and by storage classes unless all cost the same."""
    return "Size" in known and ("StorageClass" in known or not prices.storage_class_per_gb_month)
