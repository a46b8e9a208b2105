from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stocktake.model.histogram import (
    STORED_ENTRIES_MAX,
    Histogram,
    HistogramEntry,
    StoredHistogram,
)

ENTRIES = st.lists(
    st.tuples(st.text("abc/é", min_size=1, max_size=4), st.integers(1, 50)), max_size=80
)


def made(entries: list[tuple[str, int]], entries_max: int = 4096) -> Histogram:
    histogram = Histogram(entries_max)
    for key, rows in entries:
        histogram.add(key, rows)
    return histogram


@given(ENTRIES, st.integers(2, 20))
def test_no_row_is_lost_and_the_bound_holds(entries: list[tuple[str, int]], most: int) -> None:
    histogram = made(entries, most)
    assert histogram.rows == sum(rows for _, rows in entries)
    assert len(histogram) <= most
    keys = [key for key, _ in histogram.entries()]
    assert keys == sorted(set(keys))
    if entries:
        assert keys[-1] == max(key for key, _ in entries)


@given(ENTRIES, st.integers(1, 10))
def test_boundaries_are_keys_in_order_without_the_last(
    entries: list[tuple[str, int]], count: int
) -> None:
    histogram = made(entries)
    boundaries = histogram.boundaries(count)
    assert len(boundaries) <= count
    assert list(boundaries) == sorted(set(boundaries))
    assert set(boundaries) <= {key for key, _ in entries[:]} - {
        max((k for k, _ in entries), default="")
    }


def test_boundaries_part_the_rows_evenly() -> None:
    histogram = made([(f"{n:04d}", 10) for n in range(1000)])
    assert histogram.boundaries(3) == ("0249", "0499", "0749")
    assert histogram.boundaries(0) == ()
    assert Histogram().boundaries(5) == ()


def test_boundaries_part_more_rows_than_a_float_can_count() -> None:
    """A file that lay about says how many there are."""
    assert made([(key, 10**400) for key in "abcd"]).boundaries(3) == ("a", "b", "c")


@given(ENTRIES)
def test_what_is_stored_comes_back(entries: list[tuple[str, int]]) -> None:
    histogram = made(entries)
    stored = histogram.stored()
    assert len(stored.entries) <= STORED_ENTRIES_MAX
    again = Histogram.of(StoredHistogram.model_validate_json(stored.model_dump_json()))
    assert again.rows == histogram.rows


def test_merging_adds() -> None:
    one, other = made([("a", 1), ("c", 2)]), made([("b", 3), ("c", 4)])
    one.merge(other)
    assert one.entries() == [("a", 1), ("b", 3), ("c", 6)]


def test_keys_that_do_not_ascend_are_refused() -> None:
    entry = HistogramEntry(key="a", rows=1)
    with pytest.raises(ValidationError, match="ascend"):
        StoredHistogram(entries=(entry, entry))
