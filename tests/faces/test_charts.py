"""The geometry of charts, and the words on pages."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from stocktake.cli.outcome import on_one_line
from stocktake.cli.pages.charts import COLUMNS_HEIGHT, WIDTH, Value, bars, columns
from stocktake.cli.words import share_text

AMOUNTS = st.lists(st.floats(min_value=0, max_value=1e18), max_size=40)


def values(amounts: list[float]) -> list[Value]:
    return [Value(f"label {number}", amount, "") for number, amount in enumerate(amounts)]


@given(AMOUNTS)
def test_bars_lie_within_the_chart_and_what_is_there_is_seen(amounts: list[float]) -> None:
    boxes = bars(values(amounts))
    assert [box.value.amount for box in boxes] == amounts
    assert all(box.x + box.width <= WIDTH for box in boxes)
    assert [box.width > 0 for box in boxes] == [amount > 0 for amount in amounts]
    assert all(first.y < second.y for first, second in itertools.pairwise(boxes))


@given(AMOUNTS)
def test_columns_stand_on_one_line_and_do_not_overlap(amounts: list[float]) -> None:
    boxes = columns(values(amounts))
    assert all(abs(box.y + box.height - COLUMNS_HEIGHT) < 0.11 for box in boxes)
    assert all(box.y >= 0 for box in boxes)
    for first, second in itertools.pairwise(boxes):
        assert first.x + first.width <= second.x


def test_the_longest_of_two_bars_is_twice_as_long_as_one_of_half_the_amount() -> None:
    half, whole = bars(values([5.0, 10.0]))
    assert whole.width == 2 * half.width


def test_of_a_long_label_the_end_is_shown() -> None:
    [box] = bars([Value("a/" * 50 + "the-end/", 1, "1")])
    assert box.short.startswith("…")
    assert box.short.endswith("/the-end/")
    assert len(box.short) == 38


def test_a_small_share_is_not_shown_as_none() -> None:
    assert share_text(0) == "0.0 %"
    assert share_text(0.0001) == "under 0.1 %"
    assert share_text(0.123) == "12.3 %"
    assert share_text(1) == "100.0 %"


def test_what_cannot_be_seen_in_a_key_is_escaped() -> None:
    assert on_one_line("a\x00b\nc\u202ed") == "a\\x00b\\nc\\u202ed"
    assert on_one_line("grüße/<b>") == "grüße/<b>"
