"""Counting what differs: in all, by column, by prefix. Columns at a time; memory is bounded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.differences_window import WindowDifference

_SUM_END = 2**63
PREFIXES_MAX = 1000  # that are told apart; of more, those with the most differing objects


class Change(StrEnum):
    """What can be between two reports."""

    CREATED = "created"
    DELETED = "deleted"
    CHANGED = "changed"
    UNDECIDED = "undecided"


@dataclass(slots=True)
class Count:
    """How many objects, and their bytes in either report; an object without a size has none."""

    objects: int = 0
    bytes_a: int = 0
    bytes_b: int = 0

    def add(self, objects: int, bytes_a: int, bytes_b: int) -> None:
        """Add so many."""
        self.objects += objects
        self.bytes_a += bytes_a
        self.bytes_b += bytes_b


@dataclass(slots=True)
class Totals:
    """What was counted. Objects that are the same are only counted in all.

    `prefixes`: by the prefix of `depth` slashes, shorter where a key has fewer. Exact for those it
    holds, for a prefix that is over is only given up for others with more; `beside` holds what was.
    """

    depth: int
    same: int = 0
    repeated_a: int = 0
    repeated_b: int = 0
    counts: dict[Change, Count] = field(default_factory=lambda: {kind: Count() for kind in Change})
    columns: Counter[str] = field(default_factory=Counter)
    prefixes: dict[str, dict[Change, Count]] = field(default_factory=dict)
    beside: int = 0

    @property
    def rows(self) -> int:
        """All objects of both reports, each once."""
        return self.same + differing_objects(self.counts)

    def add(self, window: WindowDifference) -> None:
        """Count what a window of keys holds; windows come in the order of keys."""
        self.same += window.same
        self.repeated_a += window.repeated_a
        self.repeated_b += window.repeated_b
        names = window.changed_columns.flatten().value_counts()
        for each in names.to_pylist():
            self.columns[each["values"]] += each["counts"]
        self._add(Change.CREATED, None, window.created)
        self._add(Change.DELETED, window.deleted, None)
        self._add(Change.CHANGED, window.changed_a, window.changed_b)
        self._add(Change.UNDECIDED, window.undecided_a, window.undecided_b)
        if len(self.prefixes) > 2 * PREFIXES_MAX:
            self._forget()

    def _add(self, kind: Change, a: pa.Table | None, b: pa.Table | None) -> None:
        rows = b if a is None else a
        assert rows is not None
        if not rows.num_rows:
            return
        facts = pa.table(
            {
                "prefix": prefixes_of(rows.column("key"), self.depth),
                "a": _sizes(a, rows.num_rows),
                "b": _sizes(b, rows.num_rows),
            }
        )
        # So few rows are grouped sooner than threads have been told of them.
        grouped = facts.group_by("prefix", use_threads=False).aggregate(
            [([], "count_all"), ("a", "sum"), ("b", "sum")]
        )
        for row in grouped.to_pylist():
            counted = (row["count_all"], int(row["a_sum"]), int(row["b_sum"]))
            self.counts[kind].add(*counted)
            kinds = self.prefixes.setdefault(row["prefix"], {kind: Count() for kind in Change})
            kinds[kind].add(*counted)

    def _forget(self) -> None:
        """Give up the prefixes with the fewest differing objects, but for the last one's and those
        above it, which may go on.
        """
        last = max(self.prefixes)
        ordered = sorted(
            self.prefixes, key=lambda prefix: -differing_objects(self.prefixes[prefix])
        )
        for prefix in ordered[PREFIXES_MAX:]:
            if not last.startswith(prefix):
                self.beside += differing_objects(self.prefixes.pop(prefix))


def differing_objects(kinds: dict[Change, Count]) -> int:
    """The objects of all kinds together."""
    return sum(count.objects for count in kinds.values())


def prefixes_of(keys: pa.ChunkedArray, depth: int) -> pa.ChunkedArray:
    """The first `depth` folders of each key, with their slashes; fewer where there are fewer."""
    pattern = f"^((?:[^/]*/){{0,{depth}}})(?s:.*)$"
    return pc.replace_substring_regex(keys, pattern, r"\1", max_replacements=1)


def _sizes(rows: pa.Table | None, count: int) -> pa.ChunkedArray | pa.Array:
    if rows is None or "size" not in rows.column_names:
        return pa.repeat(pa.scalar(0, pa.int64()), count)
    sizes = pc.fill_null(rows.column("size"), 0)
    # Sums of integers wrap round silently.
    wide = (pc.max(sizes).as_py() or 0) * count >= _SUM_END
    return sizes.cast(pa.decimal128(38, 0)) if wide else sizes
