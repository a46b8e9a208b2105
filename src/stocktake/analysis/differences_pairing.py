"""Which rows of two reports, within one range of keys, are the same object: whole columns at a time. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.analysis.differences_columns import (
    column_of,
    count_true,
    differing,
    whole,
)

_STRIDE = 1024  # rows whose keys are compared at once
# Keys in one table alone up to which the tables are walked side by side. Beyond, to look keys up costs less.
_ALONE_MAX = 200
_FALSE = pa.scalar(False)  # noqa: FBT003 - the value itself


@dataclass(frozen=True, slots=True)
class Kept:
    """Those rows of a table that are `kept`, a mask; None for all of them. A column is picked when it is asked for:
    most rows are kept, so that to pick is to copy.
    """

    rows: pa.Table
    kept: Any = None

    def __len__(self) -> int:
        return len(self.rows) if self.kept is None else count_true(self.kept)

    @property
    def column_names(self) -> list[str]:
        """The table's."""
        names: list[str] = self.rows.column_names
        return names

    def column(self, name: str) -> Any:
        """A column of the rows that are kept."""
        column = column_of(self.rows, name)
        return column if self.kept is None else column.filter(self.kept)

    def chosen(self, mask: Any) -> pa.Table:
        """The rows for which `mask`, a value for each that is kept, is true."""
        return self.rows.filter(_narrowed(self.kept, whole(mask)))


@dataclass(frozen=True, slots=True)
class Pairs:
    """The rows of both tables by who is the same object: `both_a` and `both_b` are, row by row."""

    both_a: Kept
    both_b: Kept
    created: pa.Table
    deleted: pa.Table
    repeated_a: int = 0
    repeated_b: int = 0


def paired(a: pa.Table, b: pa.Table, *, by_version: bool) -> Pairs:
    """The pairs of two tables in the order of keys: rows of one key, and of one version id, if that is asked for.

    An object that a table has twice counts once, by its first row.
    """
    if _neighbours_alike(a) or _neighbours_alike(b):
        return _paired_by_identity(a, b, by_version=by_version)
    return _paired_by_key(a, b, by_version=by_version)


def _paired_by_key(a: pa.Table, b: pa.Table, *, by_version: bool) -> Pairs:
    """The pairs of tables with one row a key, as most are: to compare the version ids of the same keys costs less than
    to look up both together.
    """
    there_a, there_b = _shared(column_of(a, "key"), column_of(b, "key"))
    if by_version:
        versions = (
            Kept(rows, there).column("version_id") for rows, there in ((a, there_a), (b, there_b))
        )
        apart = whole(differing(*versions))
        if count_true(apart):
            same = pc.invert(apart)
            there_a, there_b = _narrowed(there_a, same), _narrowed(there_b, same)
    return Pairs(Kept(a, there_a), Kept(b, there_b), _others(b, there_b), _others(a, there_a))


def _narrowed(there: Any, wanted: Any) -> Any:
    """Those of the rows that are there, None for all, for which `wanted`, a flag for each of these, is true."""
    return wanted if there is None else pc.replace_with_mask(there, there, wanted)


def _others(rows: pa.Table, there: Any) -> pa.Table:
    return rows.slice(0, 0) if there is None else rows.filter(pc.invert(there))


def _shared(a: Any, b: Any) -> tuple[Any, Any]:
    """In which rows keys are that both have, ascending each; None for all."""
    if a.equals(b):
        return None, None
    alone = _alone(a, b)
    if alone is not None:
        return _all_but(alone[0], len(a)), _all_but(alone[1], len(b))
    places = whole(pc.index_in(b, value_set=whole(a)))
    return _among(places.drop_null(), len(a)), pc.is_valid(places)


def _alone(a: Any, b: Any) -> tuple[list[int], list[int]] | None:
    """The places of the keys that only one of them has, of either; None where there are many."""
    alone: tuple[list[int], list[int]] = ([], [])
    at_a = at_b = 0
    while at_a < len(a) and at_b < len(b):
        rows = min(_STRIDE, len(a) - at_a, len(b) - at_b)
        same = pc.index(pc.equal(a.slice(at_a, rows), b.slice(at_b, rows)), _FALSE).as_py()
        if same < 0:
            at_a, at_b = at_a + rows, at_b + rows
            continue
        at_a, at_b = at_a + same, at_b + same
        if a[at_a].as_py() < b[at_b].as_py():
            alone[0].append(at_a)
            at_a += 1
        else:
            alone[1].append(at_b)
            at_b += 1
        if len(alone[0]) + len(alone[1]) > _ALONE_MAX:
            return None
    if len(a) - at_a + len(b) - at_b > _ALONE_MAX:
        return None
    alone[0].extend(range(at_a, len(a)))
    alone[1].extend(range(at_b, len(b)))
    return alone


def _all_but(places: list[int], rows: int) -> Any:
    if not places:
        return None
    return pc.invert(_among(pa.array(places, pa.int32()), rows))


def _among(places: Any, rows: int) -> Any:
    """Which of so many rows are at one of `places`."""
    return pc.is_in(pa.arange(0, rows).cast(pa.int32()), value_set=places)


def _paired_by_identity(a: pa.Table, b: pa.Table, *, by_version: bool) -> Pairs:
    """The pairs of tables in which a key may have several rows, in either one in another order."""
    ids_a, ids_b = _identities(a, by_version=by_version), _identities(b, by_version=by_version)
    (a, ids_a, repeated_a), (b, ids_b, repeated_b) = _unique(a, ids_a), _unique(b, ids_b)
    places = pc.index_in(ids_b, value_set=ids_a)
    found = places.drop_null()
    there = _among(found, len(a))
    # To leave rows out costs less than to fetch them; versions of a key may come in another order.
    alike = pc.all(pc.less(found[:-1], found[1:])).as_py()
    return Pairs(
        both_a=Kept(a, there) if alike else Kept(a.take(found)),
        both_b=Kept(b, pc.is_valid(places)),
        created=b.filter(pc.is_null(places)),
        deleted=a.filter(pc.invert(there)),
        repeated_a=repeated_a,
        repeated_b=repeated_b,
    )


def _neighbours_alike(rows: pa.Table) -> bool:
    """Whether a key has several rows."""
    keys = column_of(rows, "key")
    return count_true(pc.equal(keys[1:], keys[:-1])) > 0


def _identities(rows: pa.Table, *, by_version: bool) -> Any:
    """One text for each row, the same for the same object; the null version's id is empty or NULL.

    The length ahead of a version id says where the key begins, so no two objects share a text.
    """
    keys = whole(column_of(rows, "key"))
    if not by_version:
        return keys
    versions = pc.fill_null(whole(column_of(rows, "version_id")), "")
    lengths = pc.binary_length(versions).cast(pa.string())
    return pc.binary_join_element_wise(lengths, ":", versions, keys, "")


def _unique(rows: pa.Table, ids: Any) -> tuple[pa.Table, Any, int]:
    """Rows without those whose object came before. Only neighbours can share a key."""
    if not _neighbours_alike(rows):
        return rows, ids, 0
    firsts = pc.index_in(ids, value_set=ids)
    kept = pc.equal(firsts, pa.arange(0, len(ids)).cast(pa.int32()))
    return rows.filter(kept), ids.filter(kept), len(ids) - count_true(kept)
