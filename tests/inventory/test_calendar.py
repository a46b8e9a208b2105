"""Which digits can follow in a date, as far as a key shows that it is one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.calendar import digits_after

FORMS = (
    "logs/{:%Y/%m/%d/%H}/x",
    "a-{:%Y-%m-%d}T{:%H:%M}",
    "year={:%Y}/month={:%m}/day={:%d}/hour={:%H}/x",
)


@given(moment=st.datetimes(), form=st.sampled_from(FORMS))
def test_no_digit_of_a_date_is_left_out(moment: object, form: str) -> None:
    key = form.format(*[moment] * 4)
    for found in re.finditer("[0-9]", key):
        digits = digits_after(key[: found.start()], key[found.start() :])
        assert digits is None or found[0] in digits


@pytest.mark.parametrize(
    ("prefix", "following", "digits"),
    [
        ("logs/", "2024/06/30", "12"),
        ("logs/2", "024/06/30", "0"),
        ("logs/20", "24/06/30", "012"),
        ("logs/2024/", "06/30", "01"),
        ("logs/2024/1", "1/30", "012"),
        ("logs/2024/06/", "30/", "0123"),
        ("logs/2024-06-3", "0", "01"),
        ("year=2024/month=06/day=30/hour=2", "", "0123"),
    ],
)
def test_what_follows_in_a_date(prefix: str, following: str, digits: str) -> None:
    assert digits_after(prefix, following) == frozenset(digits)


@pytest.mark.parametrize(
    ("prefix", "following"),
    [
        ("", ""),
        ("logs/", ""),
        ("part-", "00017"),
        ("frame-20", "24001"),
        ("2", "0240630T1"),
        ("v", "3"),
    ],
)
def test_what_is_no_date_can_go_on_with_any_digit(prefix: str, following: str) -> None:
    assert digits_after(prefix, following) is None
