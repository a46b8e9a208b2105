"""How many entries a list has that can only be asked for pages of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.store.density import Dense, Entries, OutOfRequestsError, count_densely

ROWS = 100


def paged(
    texts: Sequence[str], requests_max: int
) -> tuple[Entries, Callable[[str], Entries], list[str]]:
    """The first page of `texts`, what gives the others, and where it was asked to begin."""
    asked: list[str] = []

    def ask(after: str) -> Entries:
        if len(asked) >= requests_max:
            raise OutOfRequestsError
        asked.append(after)
        start = bisect_right(texts, after)
        return Entries(texts[start : start + ROWS], start + ROWS < len(texts))

    return Entries(texts[:ROWS], len(texts) > ROWS), ask, asked


def counted(texts: Sequence[str], requests_max: int = 30) -> Dense:
    first, ask, _ = paged(texts, requests_max)
    return count_densely(first, ask)


def test_a_page_is_counted_without_asking() -> None:
    assert counted(["a", "b"], requests_max=0) == Dense(2, whole=True)
    assert counted([], requests_max=0) == Dense(0, whole=True)


@pytest.mark.parametrize("count", [101, 150, 999, 20_000])
def test_a_counter_is_guessed_well(count: int) -> None:
    dense = counted([f"img_{n:09d}.jpg" for n in range(count)])
    assert dense.whole
    assert dense.count == pytest.approx(count, rel=0.2)


def test_what_is_made_otherwise_is_another_stretch() -> None:
    texts = sorted(
        [f"img_{n:09d}.jpg" for n in range(5000)] + [f"video-{n:06d}" for n in range(3000)]
    )
    dense = counted(texts, requests_max=40)
    assert dense.whole
    assert dense.count == pytest.approx(8000, rel=0.2)


def test_where_requests_end_what_was_seen_until_then_is_told() -> None:
    dense = counted([f"{n:09d}" for n in range(50_000)], requests_max=3)
    assert not dense.whole
    assert ROWS < dense.count < 50_000


def test_texts_that_differ_late_are_counted_too() -> None:
    dense = counted(["x" * 999 + f"{n:09d}" for n in range(5000)])
    assert dense.count == pytest.approx(5000, rel=0.2)


def test_texts_that_cannot_be_told_apart_are_not_counted_twice() -> None:
    dense = counted(["a" * 999 + f"{n:09x}" for n in range(5000)])
    assert not dense.whole
    assert dense.count <= 2 * ROWS


def test_a_list_that_always_begins_anew_is_given_up() -> None:
    first, _, _ = paged([f"{n:05d}" for n in range(1000)], 0)
    asked: list[str] = []

    def ask(after: str) -> Entries:
        asked.append(after)
        return first

    dense = count_densely(first, ask)
    assert (dense.count, dense.whole, len(asked)) == (ROWS, False, 1)


@given(
    st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4), max_size=600)
)
def test_any_list_comes_to_an_end(texts: set[str]) -> None:
    ordered = sorted(texts)
    first, ask, asked = paged(ordered, 40)
    dense = count_densely(first, ask)
    assert len(asked) <= 40
    assert dense.count >= min(len(ordered), ROWS)
    if len(ordered) <= ROWS:
        assert dense == Dense(len(ordered), whole=True)
