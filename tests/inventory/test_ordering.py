from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory import ordering
from stocktake.inventory.ordering import VersionOrder
from stocktake.model.errors import ContradictionError
from tests.inventory.rows import listed

VERSIONS = st.one_of(st.none(), st.text("ab9_.", min_size=1, max_size=3))
KEYS = st.text("ab/\x01é", min_size=1, max_size=3)


def order_versions(pages: list[pa.RecordBatch], counters: Counter[str]) -> list[pa.RecordBatch]:
    order = VersionOrder(counters)
    return [*(rows for page in pages for rows in order.add(page)), *order.finish()]


def rows_of(batches: list[pa.RecordBatch]) -> list[tuple[str, str | None]]:
    return [
        (row["key"], row["version_id"])
        for batch in batches
        for row in batch.select(["key", "version_id"]).to_pylist()
    ]


@given(st.dictionaries(KEYS, st.lists(VERSIONS, min_size=1, max_size=6, unique=True)), st.data())
def test_every_version_comes_out_once_by_key_and_version_with_null_first(
    versions: dict[str, list[str | None]], data: st.DataObject
) -> None:
    in_listed_order = [
        (key, version, place == 0)
        for key in sorted(versions)
        for place, version in enumerate(versions[key])
    ]
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, len(in_listed_order) - 1)), max_size=5)))
    pages = [
        in_listed_order[start:stop]
        for start, stop in zip([0, *cuts], [*cuts, len(in_listed_order)], strict=True)
    ]
    counters: Counter[str] = Counter()
    batches = order_versions([listed(page) for page in pages if page], counters)
    expected = sorted(
        ((key, version) for key, version, _ in in_listed_order),
        key=lambda row: (row[0], row[1] is not None, row[1] or ""),
    )
    assert rows_of(batches) == expected
    assert counters["problems.latest"] == 0
    for left, right in pairwise(batches):
        assert left.column("key")[-1].as_py() < right.column("key")[0].as_py()


def test_a_key_without_exactly_one_latest_version_is_counted() -> None:
    counters: Counter[str] = Counter()
    page = listed(
        [("a", "1", False), ("b", "1", True), ("b", "2", True), ("c", "1", True), ("c", "2", False)]
    )
    order_versions([page], counters)
    assert counters["problems.latest"] == 2


def test_a_version_listed_twice_is_a_contradiction() -> None:
    pages = [listed([("a", "1", True)]), listed([("a", "1", False)])]
    with pytest.raises(ContradictionError, match="version '1' of 'a' twice"):
        order_versions(pages, Counter())


def test_a_key_with_too_many_versions_keeps_the_listed_order_and_all_its_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ordering, "VERSIONS_SORTED_MAX", 5)
    many = [("k", str(number), number == 9) for number in reversed(range(10))]
    after: list[tuple[str, str | None, bool]] = [("z", None, True)]
    pages = [listed([("a", None, True), *many[:4]]), listed(many[4:8]), listed([*many[8:], *after])]
    counters: Counter[str] = Counter()
    found = rows_of(order_versions(pages, counters))
    assert found == [("a", None), *((key, version) for key, version, _ in many), ("z", None)]
    assert counters["unsorted_keys"] == 1
    assert counters["problems.latest"] == 0
