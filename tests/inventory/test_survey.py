from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.survey import Survey, split_at
from stocktake.model.keys import KeyRange
from stocktake.model.proof import check_tiling


@given(st.sets(st.text(min_size=1, max_size=4)), st.integers(1, 20))
def test_ranges_tile_the_key_space_whatever_the_milestones(names: set[str], most: int) -> None:
    ranges = split_at(sorted(names), most)
    check_tiling(ranges, KeyRange())
    assert len(ranges) <= most


def test_milestones_are_spread_evenly_over_the_ranges() -> None:
    ranges = split_at([f"{number:02d}/" for number in range(40)], 4)
    assert [keys.upto for keys in ranges] == ["09/", "19/", "29/", None]


def test_progress_is_told_by_milestones_and_only_by_enough_of_them() -> None:
    survey = Survey((KeyRange(),), tuple("abcdefgh"))
    assert survey.done("a") == 1 / 8
    assert survey.done("dzz") == 1 / 2
    assert survey.done("h") == 1
    assert Survey((KeyRange(),), ("a",)).done("a") is None
