"""How many rows lie up to which key: a bounded summary of a listing, from which the next one knows where to begin."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

ENTRIES_MAX = 4096  # in memory
STORED_ENTRIES_MAX = 256


class HistogramEntry(BaseModel):
    """`rows` rows that end with `key`."""

    model_config = ConfigDict(frozen=True)

    key: Annotated[str, Field(min_length=1)]
    rows: Annotated[int, Field(ge=0)]


class StoredHistogram(BaseModel):
    """What stocktake.json keeps of a Histogram: its entries, in the order of their keys, fewer and so coarser."""

    model_config = ConfigDict(frozen=True)

    entries: Annotated[tuple[HistogramEntry, ...], Field(max_length=STORED_ENTRIES_MAX)] = ()

    @model_validator(mode="after")
    def _ascend(self) -> StoredHistogram:
        keys = [entry.key for entry in self.entries]
        if any(left >= right for left, right in pairwise(keys)):
            raise ValueError("the keys of a histogram must ascend")
        return self


class Histogram:
    """Rows by key, added in any order. Where there are more than `entries_max` entries, neighbours are merged: the sum
    stays exact, and each entry holds at most about twice its fair share of all rows, unless it was added larger.
    """

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._rows_by_key: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows_by_key)

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self._rows_by_key.values())

    def add(self, last_key: str, rows: int) -> None:
        """Add `rows` rows that end with `last_key`."""
        self._rows_by_key[last_key] = self._rows_by_key.get(last_key, 0) + rows
        if len(self._rows_by_key) > self._entries_max:
            self._thin(self._entries_max // 2)

    def merge(self, other: Histogram) -> None:
        """Add all that `other` holds."""
        for key, rows in other.entries():
            self.add(key, rows)

    def entries(self) -> list[tuple[str, int]]:
        """Keys in order, each with the rows that end with it."""
        return sorted(self._rows_by_key.items())

    def boundaries(self, count: int) -> tuple[str, ...]:
        """At most `count` keys, in order, that part all rows into nearly equal shares; none of them is the last key."""
        entries = self.entries()
        sums = list(accumulate(rows for _, rows in entries))
        if count < 1 or not entries or sums[-1] == 0:
            return ()
        whole = sums[-1]
        # Rounded up, which among whole numbers is the same, as no float is too small for what a file may say.
        found = {
            bisect_left(sums, -(-whole * share // (count + 1))) for share in range(1, count + 1)
        }
        return tuple(entries[index][0] for index in sorted(found - {len(entries) - 1}))

    def stored(self) -> StoredHistogram:
        """The form that is stored, with STORED_ENTRIES_MAX entries at most."""
        entries = _thinned(self.entries(), STORED_ENTRIES_MAX)
        return StoredHistogram(
            entries=tuple(HistogramEntry(key=key, rows=rows) for key, rows in entries)
        )

    @classmethod
    def of(cls, stored: StoredHistogram) -> Histogram:
        """The histogram of which `stored` is the stored form."""
        histogram = cls()
        for entry in stored.entries:
            histogram.add(entry.key, entry.rows)
        return histogram

    def _thin(self, count: int) -> None:
        self._rows_by_key = dict(_thinned(self.entries(), count))


def _thinned(entries: Iterable[tuple[str, int]], count: int) -> list[tuple[str, int]]:
    """At most `count` of `entries`: the rows of the others go to the next key that is kept; the last one always is."""
    entries = list(entries)
    if len(entries) <= count:
        return entries
    # Each entry kept but the last has more than the whole divided by `count`, so there are at most `count` of them.
    least = sum(rows for _, rows in entries) / count
    kept: list[tuple[str, int]] = []
    gathered = 0
    for index, (key, rows) in enumerate(entries):
        gathered += rows
        if gathered > least or index == len(entries) - 1:
            kept.append((key, gathered))
            gathered = 0
    return kept
