from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stocktake.model.keys import KeyRange, decode_csv_key, encode_csv_key
from tests.model.documents import KEYS, ranges


@given(st.lists(KEYS))
@example(["\uffff", "\U00010000", "\ue000", "\x7f", "\x80", "é", "e"])
def test_keys_sort_as_their_utf8_bytes_do(keys: list[str]) -> None:
    assert sorted(keys) == sorted(keys, key=str.encode)


@given(KEYS)
def test_a_key_survives_csv(key: str) -> None:
    assert decode_csv_key(encode_csv_key(key)) == key


@given(KEYS)
def test_only_what_genuine_keys_leave_raw_is_left_raw(key: str) -> None:
    assert re.fullmatch(r"(?:[A-Za-z0-9\-_./:]|%[0-9A-F]{2})*", encode_csv_key(key))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("frames/portrait_1_2021-01-25T03:50:27.5.jpg", "frames/portrait_1_2021-01-25T03:50:27.5.jpg"),
        ("a b~c", "a%20b%7Ec"),
        ("'()&#$,=@", "%27%28%29%26%23%24%2C%3D%40"),
        ("+*!;?%\"", "%2B%2A%21%3B%3F%25%22"),
        ("é", "%C3%A9"),
    ],
)  # fmt: skip
def test_keys_are_encoded_as_in_genuine_reports(key: str, text: str) -> None:
    assert encode_csv_key(key) == text


def test_a_plus_is_the_space_that_aws_once_wrote() -> None:
    assert decode_csv_key("a+b%2Bc") == "a b+c"


def test_bytes_that_are_no_utf8_are_not_guessed_at() -> None:
    with pytest.raises(UnicodeDecodeError):
        decode_csv_key("%FF")


@given(ranges(), KEYS, KEYS)
def test_splitting_a_range_loses_no_key_and_doubles_none(
    whole: KeyRange, pivot: str, key: str
) -> None:
    if pivot not in whole or pivot == whole.upto:
        with pytest.raises(ValueError, match="empty range"):
            whole.split(pivot)
        return
    left, right = whole.split(pivot)
    assert (key in left) + (key in right) == (key in whole)
    assert pivot in left
    assert pivot not in right
    assert (left.after, left.upto, right.after, right.upto) == (
        whole.after,
        pivot,
        pivot,
        whole.upto,
    )


@given(KEYS, KEYS)
def test_a_range_holds_its_end_and_not_its_start(one: str, other: str) -> None:
    if one == other:
        return
    after, upto = sorted([one, other])
    assert after not in KeyRange(after, upto)
    assert upto in KeyRange(after, upto)


@given(KEYS)
def test_the_whole_range_holds_every_key(key: str) -> None:
    assert key in KeyRange()


@pytest.mark.parametrize(("after", "upto"), [("a", "a"), ("b", "a"), ("", "")])
def test_an_empty_range_cannot_be_built(after: str, upto: str) -> None:
    with pytest.raises(ValueError, match="empty range"):
        KeyRange(after, upto)
