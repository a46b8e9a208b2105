"""What is expected where nobody has listed: nothing outside the gaps, all in order, and about as much as there is."""

from __future__ import annotations

from hashlib import md5
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.forecast import Marks, forecast
from stocktake.inventory.keyspace import KeySpace

TEXTS = st.text("ab/01é\x01", min_size=1, max_size=6)


def listed(keys: list[str], marks: Marks, space: KeySpace) -> None:
    """Take in `keys`, a hundred at a time."""
    for start in range(0, len(keys), 100):
        page = keys[start : start + 100]
        marks.add(page[9::10] or page[-1:], len(page))
    for left, right in pairwise(keys):
        space.learn_neighbours(left, right)


@given(st.lists(st.tuples(TEXTS, st.integers(1, 9)), max_size=60))
def test_marks_keep_the_rows_and_the_order(added: list[tuple[str, int]]) -> None:
    marks = Marks()
    for key, rows in added:
        marks.add([key], rows)
    assert marks.keys == sorted(key for key, _ in added)
    assert marks.sums()[-1] == pytest.approx(sum(rows for _, rows in added))


def test_marks_are_bounded_and_lose_no_row() -> None:
    marks = Marks()
    for number in range(20_001):
        marks.add([f"{number:06d}"], 3)
    assert len(marks.keys) == len(marks.sums()) - 1 <= 8192
    assert marks.sums()[-1] == pytest.approx(60_003)
    assert marks.keys == sorted(marks.keys)


@given(st.sets(TEXTS, max_size=40), st.sets(TEXTS, min_size=2, max_size=12), st.booleans())
def test_stretches_lie_in_order_within_their_gap_whatever_was_listed(
    keys: set[str], ends: set[str], to_the_end: bool
) -> None:
    bounds: list[str | None] = [*sorted(ends)[: len(ends) // 2 * 2]]
    if to_the_end:
        bounds[-1] = None
    gaps = [(after, upto) for after, upto in zip(bounds[::2], bounds[1::2], strict=True) if after]
    marks, space = Marks(), KeySpace()
    listed(sorted(keys), marks, space)
    for number, stretches in enumerate(forecast(gaps, marks, space)):
        after, upto = gaps[number]
        assert all(stretch.gap == number and stretch.rows >= 0 for stretch in stretches)
        for stretch in stretches:
            assert upto is None or stretch.prefix <= upto
            assert after.startswith(stretch.prefix) or stretch.prefix > after


@pytest.mark.parametrize("shape", ["{0:05x}", "data/{1}/{0:06d}", "p" * 900 + "{1}"])
def test_of_keys_that_are_evenly_distributed_the_forecast_is_about_true(shape: str) -> None:
    keys = sorted(
        shape.format(number, md5(str(number).encode(), usedforsecurity=False).hexdigest())
        for number in range(40_000)
    )
    places = range(0, 40_000, 4000)
    marks, space = Marks(), KeySpace()
    gaps: list[tuple[str, str | None]] = []
    for start in places:
        page = keys[start : start + 1500]
        listed(page, marks, space)
        upto = keys[start + 4000 - 1] if start + 4000 < len(keys) else None
        gaps.append((page[-1], upto))
    found = [sum(stretch.rows for stretch in each) for each in forecast(gaps, marks, space)[:-1]]
    true = 4000 - 1500
    assert 0.6 * true < sum(found) / len(found) < 1.7 * true
    assert all(true / 4 < rows < true * 4 for rows in found)


def test_one_large_folder_says_little_of_its_siblings() -> None:
    names = [a + b for a in "abcdefghijklm" for b in "abcdefghijklm"]
    small = [f"users/{name}/{number}" for name in names for number in range(20)]
    large = [f"users/na/{number:05d}" for number in range(3000)]
    marks, space = Marks(), KeySpace()
    listed(sorted(small) + large, marks, space)
    (stretches,) = forecast([(large[-1], "users/z")], marks, space)
    siblings = sum(stretch.rows for stretch in stretches if len(stretch.prefix) <= len("users/"))
    # As many folders again would hold as much as the small ones do; as large as the last, a hundred times as much.
    assert len(small) / 10 < siblings < len(small) * 10


def test_keys_that_could_part_at_a_thousand_places_do_not_exhaust_the_stack() -> None:
    keys = sorted("01" * length + "0" for length in range(1, 500))
    marks, space = Marks(), KeySpace()
    listed(keys, marks, space)
    assert len(forecast([(keys[250], None)], marks, space)) == 1


def test_a_folder_that_outgrew_its_siblings_is_expected_to_hold_as_much_again() -> None:
    small = [f"project-{n:02d}/scan-{number:06d}" for n in range(40) for number in range(500)]
    large = [f"project-40/scan-{number:06d}" for number in range(6000)]

    def expected(rows: int) -> float:
        marks, space = Marks(), KeySpace()
        listed(small + large[:rows], marks, space)
        (stretches,) = forecast([(large[rows - 1], None)], marks, space)
        return sum(each.rows for each in stretches if each.prefix.startswith("project-40/"))

    assert expected(500) < 500
    assert expected(6000) >= 0.9 * 6000
