"""Who is the same object in two tables: walked side by side or looked up, in however many pieces their columns are."""

from __future__ import annotations

from itertools import pairwise
from unittest.mock import patch

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stocktake.analysis import differences_pairing as pairing

KEYS = st.text("ab/é𐀀￿", min_size=1, max_size=3)
VERSIONS = st.sampled_from(["", "1", "2", None])


def table(rows: list[tuple[str, str | None]], cuts: list[int]) -> pa.Table:
    """Rows of keys and version ids, in pieces."""
    keys, versions = [key for key, _ in rows], [version for _, version in rows]
    whole = pa.table(
        {"key": pa.array(keys, pa.string()), "version_id": pa.array(versions, pa.string())}
    )
    ends = sorted({0, *(min(cut, len(rows)) for cut in cuts), len(rows)})
    pieces = [whole.slice(start, end - start) for start, end in pairwise(ends)]
    return pa.concat_tables(pieces) if pieces else whole


def in_order(keys: list[str]) -> list[str]:
    return sorted(set(keys), key=str.encode)


@given(
    a=st.lists(st.tuples(KEYS, VERSIONS), max_size=25),
    b=st.lists(st.tuples(KEYS, VERSIONS), max_size=25),
    cuts=st.tuples(
        st.lists(st.integers(0, 25), max_size=3), st.lists(st.integers(0, 25), max_size=3)
    ),
    by_version=st.booleans(),
    stride=st.integers(1, 6),
    alone_max=st.sampled_from([0, 1, 3, 200]),
)
def test_objects_are_paired_as_one_by_one(
    *,
    a: list[tuple[str, str | None]],
    b: list[tuple[str, str | None]],
    cuts: tuple[list[int], list[int]],
    by_version: bool,
    stride: int,
    alone_max: int,
) -> None:
    one, other = dict(a), dict(b)
    rows_a = [(key, one[key]) for key in in_order(list(one))]
    rows_b = [(key, other[key]) for key in in_order(list(other))]

    def same(key: str) -> bool:
        both = key in one and key in other
        return both and (not by_version or (one[key] or "") == (other[key] or ""))

    with patch.multiple(pairing, _STRIDE=stride, _ALONE_MAX=alone_max):
        found = pairing.paired(
            table(rows_a, cuts[0]), table(rows_b, cuts[1]), by_version=by_version
        )
    assert found.both_a.column("key").to_pylist() == [key for key, _ in rows_a if same(key)]
    assert found.both_b.column("key").to_pylist() == [key for key, _ in rows_b if same(key)]
    assert found.deleted["key"].to_pylist() == [key for key, _ in rows_a if not same(key)]
    assert found.created["key"].to_pylist() == [key for key, _ in rows_b if not same(key)]
    every_other = pa.array([place % 2 == 0 for place in range(len(found.both_a))], pa.bool_())
    for kept in (found.both_a, found.both_b):
        assert kept.chosen(every_other)["key"].to_pylist() == kept.column("key").to_pylist()[::2]
        assert len(kept) == len(kept.column("key"))
