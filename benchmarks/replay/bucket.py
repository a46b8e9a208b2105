"""A bucket: the keys of a shape, and how many versions and delete markers each of them has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from benchmarks.replay.columns import Numbers, Places
from benchmarks.replay.facts import VERSION_ID, Batch
from benchmarks.replay.shapes import SHAPES, Shape

_MARKERS_MAX = 4096

# The versions of eight keys in a row, the newest first: V is a version, D a delete marker. Then it begins anew.
VERSIONED = ("V", "VV", "V", "VVVV", "V", "DV", "VDVV", "V")
UNVERSIONED = ("V",)

# Days of one bucket: on the second, one key in a thousand is new, one is gone, and one in a hundred is written anew.
_DAY = ("V",) * 1000
DAYS = {1: ("D", *_DAY[1:]), 2: (*_DAY[:500], "D", *_DAY[501:])}


@dataclass(frozen=True)
class Histories:
    """Between three ways to count: keys, rows of ListObjectVersions, keys whose newest version is no delete marker."""

    pattern: Sequence[str] = UNVERSIONED
    rewritten: bool = False

    @cached_property
    def _rows_before(self) -> list[int]:
        return [0, *accumulate(map(len, self.pattern))]

    @cached_property
    def _current_before(self) -> list[int]:
        return [0, *accumulate(not history.startswith("D") for history in self.pattern)]

    def rows_before(self, key: int) -> int:
        """How many rows the keys before this one have."""
        turns, place = divmod(key, len(self.pattern))
        return turns * self._rows_before[-1] + self._rows_before[place]

    def current_before(self, key: int) -> int:
        """How many keys before this one LIST shows."""
        turns, place = divmod(key, len(self.pattern))
        return turns * self._current_before[-1] + self._current_before[place]

    def history(self, key: int) -> str:
        """The versions of a key."""
        return self.pattern[key % len(self.pattern)]

    def current_keys(self, start: int, stop: int) -> Numbers:
        """The ranks of the keys which LIST shows as those numbers."""
        numbers = np.arange(start, stop, dtype=np.uint64)
        if len(self.pattern) == 1:
            return numbers
        turns, places = np.divmod(numbers, self._current_before[-1])
        return turns * len(self.pattern) + self._current.take(places.view(np.int64))

    def rows(self, start: int, stop: int) -> tuple[Batch, Places]:
        """Those rows of ListObjectVersions, and which of them are delete markers."""
        numbers = np.arange(start, stop, dtype=np.uint64)
        turns, places = np.divmod(numbers, self._rows_before[-1])
        at = places.view(np.int64)
        ranks = turns * len(self.pattern) + self._row_keys.take(at)
        markers = np.flatnonzero(self._row_markers.take(at))
        return Batch(ranks, self._row_ages.take(at), self.rewritten), markers

    def current(self, start: int, stop: int) -> Batch:
        """The newest versions that LIST shows as those numbers."""
        return Batch(self.current_keys(start, stop), None, self.rewritten)

    @cached_property
    def _current(self) -> Numbers:
        shown = [key for key, history in enumerate(self.pattern) if history[0] != "D"]
        return np.array(shown, np.uint64)

    @cached_property
    def _row_keys(self) -> Numbers:
        keys = [key for key, history in enumerate(self.pattern) for _ in history]
        return np.array(keys, np.uint64)

    @cached_property
    def _row_ages(self) -> Numbers:
        return np.array([age for history in self.pattern for age in range(len(history))], np.uint64)

    @cached_property
    def _row_markers(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        return np.array([kind == "D" for history in self.pattern for kind in history])


class Bucket:
    """The keys, and where listings lately ended, so that going on costs no search."""

    def __init__(self, shape: Shape, histories: Histories | None = None) -> None:
        self.shape = shape
        self.histories = histories or Histories()
        self._recent: dict[bytes, int] = {}

    @classmethod
    def named(cls, name: str, rows: int, *, day: int = 0) -> Bucket:
        """A bucket of that shape with so many rows of ListObjectVersions: as many objects, unless it has histories, or
        is as it was on the first `day` or the second.
        """
        pattern = DAYS.get(day, VERSIONED if name == "versions" else UNVERSIONED)
        histories = Histories(pattern, rewritten=day == max(DAYS))
        keys = rows * len(histories.pattern) // histories.rows_before(len(histories.pattern))
        return cls(SHAPES[name](keys), histories)

    @property
    def objects(self) -> int:
        """How many LIST shows."""
        return self.histories.current_before(self.shape.count)

    @property
    def rows(self) -> int:
        """How many ListObjectVersions shows."""
        return self.histories.rows_before(self.shape.count)

    def rank_behind(self, key: bytes) -> int:
        """The rank of the first key behind `key`."""
        rank = self._recent.get(key)
        return self.shape.rank_behind(key) if rank is None else rank

    def rank_of(self, key: bytes) -> int | None:
        """The rank of `key`; None where there is no such key."""
        rank = self.rank_behind(key) - 1
        return rank if rank >= 0 and self.shape.key(rank) == key else None

    def ended_at(self, rank: int) -> bytes:
        """The key of the rank that a page ends with. It is remembered, because the next page goes on from it."""
        key = self.shape.key(rank)
        self._recent[key] = rank + 1
        if len(self._recent) > _MARKERS_MAX:
            del self._recent[next(iter(self._recent))]
        return key

    def version_ids(self, batch: Batch) -> list[bytes]:
        """The ids of these versions."""
        return [row.tobytes() for row in VERSION_ID.cells(batch)]

    def row_of(self, key: bytes, version_id: bytes) -> int:
        """The row of ListObjectVersions that a version stands in.

        Raises:
            ValueError: there is no such version.
        """
        rank = self.rank_of(key)
        if rank is None:
            raise ValueError(f"no key {key!r}")
        start, stop = self.histories.rows_before(rank), self.histories.rows_before(rank + 1)
        batch, _ = self.histories.rows(start, stop)
        return start + self.version_ids(batch).index(version_id)
