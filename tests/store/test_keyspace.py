"""Keys as places on a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stocktake.store.keyspace import PLACES, KeySpace

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), min_size=1)


@given(TEXTS)
def test_the_order_of_places_is_the_order_of_texts(texts: list[str]) -> None:
    space = KeySpace(texts)
    assert sorted(texts, key=space.place) == sorted(texts)


@given(TEXTS)
def test_a_text_of_the_space_is_found_again_at_its_place(texts: list[str]) -> None:
    space = KeySpace(texts)
    assert [space.text(space.place(text)) for text in texts] == texts


@given(TEXTS, st.data())
def test_any_place_has_a_text_that_does_not_lie_behind_it(
    texts: list[str], data: st.DataObject
) -> None:
    space = KeySpace(texts)
    place = data.draw(st.integers(0, space.end - 1))
    assert space.place(space.text(place)) <= place


def test_what_was_seen_where_texts_differ_may_stand_at_any_such_place() -> None:
    space = KeySpace(["img_007.jpg", "img_012.jpg"])
    assert space.text(space.place("img_994.jpg")) == "img_994.jpg"
    assert space.place("img_0") < space.place("img_007.jpg") < space.place("img_01")


def test_what_is_the_same_in_all_texts_takes_no_place() -> None:
    prefix = "x" * 900
    space = KeySpace([f"{prefix}{n:03}" for n in range(20)])
    assert space.text(space.place(f"{prefix}977")) == f"{prefix}977"
    assert space.place("w") < space.place(prefix) < space.place("y")


def test_what_lies_beyond_the_places_does_not_count() -> None:
    texts = ["b" * (PLACES + 9), "a" * (PLACES + 9)]
    space = KeySpace(texts)
    assert space.place("a" * PLACES) == space.place("a" * (PLACES + 1)) < space.place("b")
