"""Versions in the report's order: by key, within a key by version id as text, the null version first, as AWS does.

Stores list the versions of a key newest first, over as many pages as it takes. So the rows of a page's last key wait
until the next key shows that it is complete. A key with more versions than `VERSIONS_SORTED_MAX` keeps the listed
order, so that memory has a bound; readers rely on the order of keys only.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.model.errors import ContradictionError
from stocktake.model.runs import Counters, Problem

VERSIONS_SORTED_MAX = 100_000


class VersionOrder:
    """Takes batches (LISTED_SCHEMA, keys ascending) and gives their rows back with each key whole and sorted. What it
    gives ends between keys, except within a key of more than VERSIONS_SORTED_MAX versions.

    Counts `problems.latest` for each key without exactly one latest version, and `unsorted_keys`.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        self._huge: _HugeKey | None = None

    @property
    def between_keys(self) -> bool:
        """Whether what was given so far ends between keys."""
        return self._huge is None

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """The rows that `batch`, which is not empty, shows to be complete.

        Raises:
            ContradictionError: the store listed the same version twice.
        """
        rest = batch
        if self._huge is not None:
            same = _rows_of(batch.column("key"), self._huge.key)
            if same:
                self._huge.add(batch.slice(0, same))
                yield batch.slice(0, same)
            if same == batch.num_rows:
                return
            self._huge.close(self._counters)
            self._huge, rest = None, batch.slice(same)
        last = rest.column("key")[-1].as_py()
        head = rest.num_rows - _rows_of(rest.column("key"), last)
        if head or (self._waiting and self._waiting[0].column("key")[0].as_py() != last):
            yield _sorted([*self._waiting, rest.slice(0, head)], self._counters)
            self._waiting, self._waiting_rows = [], 0
        self._waiting.append(rest.slice(head))
        self._waiting_rows += rest.num_rows - head
        if self._waiting_rows > VERSIONS_SORTED_MAX:
            yield from self._give_up_sorting(last)

    def _give_up_sorting(self, key: str) -> Iterator[pa.RecordBatch]:
        self._huge = _HugeKey(key)
        for piece in self._waiting:
            self._huge.add(piece)
            yield piece
        self._waiting, self._waiting_rows = [], 0
        self._counters["unsorted_keys"] += 1

    def finish(self) -> Iterator[pa.RecordBatch]:
        """The rows of the last key."""
        if self._huge is not None:
            self._huge.close(self._counters)
            self._huge = None
        if self._waiting:
            yield _sorted(self._waiting, self._counters)
            self._waiting, self._waiting_rows = [], 0


class _HugeKey:
    """What must be known of a key whose versions are too many to wait for each other."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._latest = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._latest += pc.sum(batch.column("is_latest"), min_count=0).as_py()

    def close(self, counters: Counters) -> None:
        counters[f"problems.{Problem.LATEST}"] += self._latest != 1


def _sorted(batches: list[pa.RecordBatch], counters: Counters) -> pa.RecordBatch:
    [whole] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    # No version id is empty, so empty text puts the null version first.
    by = pa.table(
        {"key": whole.column("key"), "version": pc.fill_null(whole.column("version_id"), "")}
    )
    whole = whole.take(
        pc.sort_indices(by, sort_keys=[("key", "ascending"), ("version", "ascending")])
    )
    _check_versions(whole)
    latest = pa.table(
        {"key": whole.column("key"), "latest": pc.cast(whole.column("is_latest"), pa.int64())}
    )
    sums = (
        latest.group_by("key", use_threads=False)
        .aggregate([("latest", "sum")])
        .column("latest_sum")
    )
    counters[f"problems.{Problem.LATEST}"] += pc.sum(pc.not_equal(sums, 1), min_count=0).as_py()
    return whole


def _check_versions(rows: pa.RecordBatch) -> None:
    """No key may have a version twice; the rows are sorted, so a repetition stands next to itself."""
    keys, versions = rows.column("key"), pc.fill_null(rows.column("version_id"), "")
    twice = pc.and_(pc.equal(keys[1:], keys[:-1]), pc.equal(versions[1:], versions[:-1]))
    if pc.any(twice, min_count=0).as_py():
        row = pc.index(twice, True).as_py()
        raise ContradictionError(
            f"the store listed version {versions[row].as_py()!r} of {keys[row].as_py()!r} twice"
        )


def _rows_of(keys: pa.Array, key: str) -> int:
    """How many of the keys, which ascend, are this one."""
    return int(pc.sum(pc.equal(keys, key), min_count=0).as_py())
