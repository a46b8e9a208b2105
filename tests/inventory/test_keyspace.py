"""The number line that is learned from keys: in their order, without gaps, and of characters that a store can take."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.keyspace import KeySpace, common_length, place_of
from stocktake.model.keys import KEY_BYTES_MAX
from tests.model.documents import KEYS

HOSTILE = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("ab09/\x01\x1f\x7f\ufffe\U0001ffff"),
    min_size=1,
    max_size=12,
)


def learned(keys: set[str], *, control_characters: bool = True) -> KeySpace:
    space = KeySpace(control_characters=control_characters)
    for left, right in pairwise(sorted(keys)):
        space.learn_neighbours(left, right)
    return space


@given(KEYS, KEYS, KEYS)
def test_the_common_length_is_that_of_the_longest_common_beginning(
    same: str, one: str, other: str
) -> None:
    left, right = same * 40 + one, same * 40 + other
    length = common_length(left, right)
    assert left[:length] == right[:length]
    assert left[length : length + 1] != right[length : length + 1] or left == right


def test_a_place_counts_folders_and_characters_of_the_name() -> None:
    assert place_of("a/bc", 0) != place_of("a/bc", 2)
    assert place_of("a/bc", 3) == place_of("wxyz/bc", 6)


@given(st.sets(HOSTILE, min_size=2, max_size=20), HOSTILE)
def test_the_line_holds_what_was_seen_in_order_and_each_character_has_room(
    keys: set[str], context: str
) -> None:
    space = learned(keys)
    for place in {place_of(key, depth) for key in keys for depth in range(len(key))}:
        cells = space.cells(place, context[0])
        assert cells.characters == sorted(set(cells.characters))
        assert all(left < right for left, right in pairwise(cells.edges))
        assert cells.edges[0] == 0
        for index, character in enumerate(cells.characters):
            left, right = cells.span(character)
            assert (left, right) == (cells.edges[index], cells.edges[index + 1])
            assert cells.index_at((left + right) / 2) == index


@given(st.sets(HOSTILE, min_size=2, max_size=20), st.floats(0, 1), st.booleans())
def test_composed_texts_are_short_valid_and_of_characters_that_were_seen_or_are_ascii(
    keys: set[str], share: float, allowed: bool
) -> None:
    space = learned(keys, control_characters=allowed)
    first = min(keys)
    cells = space.cells(place_of(first, 0), first[0])
    text = space.compose("", cells, share * cells.width, cells.width / 50)
    if text is None:
        return
    seen = set("".join(keys))
    for character in text:
        assert character in seen or " " <= character < "\x7f"
        assert ord(character) & 0xFFFE != 0xFFFE
        assert allowed or not (character < " " or character == "\x7f")
    assert 1 <= len(text.encode()) <= KEY_BYTES_MAX


@given(st.sets(HOSTILE, min_size=2, max_size=20), st.lists(st.floats(0, 1), min_size=2))
def test_composed_texts_lie_in_the_order_of_their_points(
    keys: set[str], shares: list[float]
) -> None:
    space = learned(keys)
    first = min(keys)
    cells = space.cells(place_of(first, 0), first[0])
    texts = [
        space.compose("", cells, share * cells.width, cells.width / 50) for share in sorted(shares)
    ]
    found = [text for text in texts if text is not None]
    assert found == sorted(found)


def test_a_text_that_would_be_too_long_for_a_key_is_cut() -> None:
    prefix = "x" * (KEY_BYTES_MAX - 1)
    space = learned({prefix + "a", prefix + "b"})
    cells = space.cells(place_of(prefix, KEY_BYTES_MAX - 1), "a")
    assert space.compose(prefix, cells, 0.5, 0.001) == prefix + "a"
    assert space.compose(prefix + "a", cells, 0.5, 0.001) is None


def test_constant_text_takes_no_room_and_a_constant_digit_little() -> None:
    space = learned({f"year=2026/{number:03d}" for number in range(300)})
    assert not space.may_part(place_of("year=2026/", 2), "a")
    assert space.may_part(place_of("year=2026/", 5), "2")
    constant = space.cells(place_of("year=2026/", 5), "2")
    parting = space.cells(place_of("year=2026/", 11), "2")
    left, right = constant.span("7")
    assert 0 < right - left < 1
    assert parting.span("7")[1] - parting.span("7")[0] == 1


def test_what_did_not_follow_though_keys_ended_gets_less_room() -> None:
    space = learned({"a1/x", "a2/x"})
    place = place_of("a1/x", 1)

    def room() -> float:
        left, right = space.cells(place, "1").span("7")
        return right - left

    before = room()
    for number in range(20):
        space.learn_ending(f"b2/{number}", 0)
    assert room() < before / 10


def test_characters_that_part_at_one_place_are_expected_at_others() -> None:
    space = learned({f"00{character}" for character in "0123456789abcdef"})
    cells = space.cells(place_of("00", 0), "0")
    assert set("0123456789abcdef") <= set(cells.characters)
    assert "g" not in cells.characters


def test_a_character_beyond_ascii_stands_for_those_up_to_the_next() -> None:
    space = learned({"一.jpg", "亀.jpg", "乿.jpg"})
    cells = space.cells(place_of("一", 0), "丁")
    assert cells.characters == ["一", "乿", "亀"]
    assert cells.span("丁") == cells.span("一")
    assert cells.span("一")[1] - cells.span("一")[0] > cells.span("乿")[1] - cells.span("乿")[0]


@pytest.mark.parametrize(
    ("character", "following"),
    [("/", "0"), ("a", "b"), ("\x02", " "), ("~", None), ("é", "一"), ("龥", None)],
)
def test_the_successor_is_printable_ascii_or_was_seen(
    character: str, following: str | None
) -> None:
    assert learned({"é", "一"} | {"é.jpg", "丁"}).successor(character) == following
