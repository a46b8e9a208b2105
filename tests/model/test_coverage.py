"""What is still to be listed: exactly the keys that no piece covers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.model.coverage import uncovered
from stocktake.model.keys import KeyRange
from stocktake.model.proof import check_tiling

WHOLE = KeyRange()
KEYS = st.text("abc", min_size=1, max_size=3)


@st.composite
def ranges(draw: st.DrawFn) -> KeyRange:
    after = draw(st.one_of(st.just(""), KEYS))
    upto = draw(st.one_of(st.none(), KEYS.filter(lambda key: key > after)))
    return KeyRange(after, upto)


@given(pieces=st.lists(ranges(), max_size=6), whole=ranges(), key=KEYS)
def test_a_key_is_to_be_listed_exactly_when_no_piece_covers_it(
    pieces: list[KeyRange], whole: KeyRange, key: str
) -> None:
    missing = key in whole and not any(key in piece for piece in pieces)
    assert any(key in gap for gap in uncovered(pieces, whole)) == missing


@given(pieces=st.lists(ranges(), max_size=6), whole=ranges())
def test_the_gaps_ascend_and_no_two_of_them_touch(pieces: list[KeyRange], whole: KeyRange) -> None:
    gaps = uncovered(pieces, whole)
    assert all(left.upto is not None and left.upto < right.after for left, right in pairwise(gaps))


@given(cuts=st.sets(KEYS, min_size=1, max_size=8), data=st.data())
def test_pieces_and_gaps_together_tile_the_key_space(cuts: set[str], data: st.DataObject) -> None:
    bounds = ["", *sorted(cuts), None]
    tiles = [KeyRange(after, upto) for after, upto in pairwise(bounds) if after is not None]
    kept = data.draw(st.lists(st.sampled_from(tiles), unique=True))
    gaps = uncovered(data.draw(st.permutations(kept)), WHOLE)
    check_tiling(sorted([*kept, *gaps], key=lambda piece: piece.after), WHOLE)
    assert uncovered([*kept, *gaps], WHOLE) == ()


@pytest.mark.parametrize(
    ("pieces", "gaps"),
    [
        ([], [WHOLE]),
        ([WHOLE], []),
        ([KeyRange("", "b")], [KeyRange("b", None)]),
        ([KeyRange("b", None)], [KeyRange("", "b")]),
        ([KeyRange("b", "c"), KeyRange("", "a")], [KeyRange("a", "b"), KeyRange("c", None)]),
        ([KeyRange("a", "c"), KeyRange("b", "d")], [KeyRange("", "a"), KeyRange("d", None)]),
    ],
)
def test_what_is_left_of_the_whole_key_space(pieces: list[KeyRange], gaps: list[KeyRange]) -> None:
    assert uncovered(pieces, WHOLE) == tuple(gaps)
