"""The replay server's keys: every shape ascends, finds any text among its keys, and renders what it says it is."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.replay.columns import FILLER, Spelling, Words, spelt
from benchmarks.replay.facts import Batch
from benchmarks.replay.layout import Layout, spelt_key
from benchmarks.replay.shapes import KEY_BYTES_MAX, SHAPES, Shape, foldered, tiled
from hypothesis import given
from hypothesis import strategies as st

THOUSAND_MILLION = 10**9
MADE = {
    (name, count): SHAPES[name](count)
    for name in SHAPES
    for count in (10_000, 123_457, THOUSAND_MILLION)
}
shapes = st.sampled_from(list(MADE.values()))


def test_every_shape_has_as_many_keys_as_it_was_asked_for() -> None:
    assert all(shape.count == count for (_, count), shape in MADE.items())


@given(shapes, st.data())
def test_keys_ascend_and_are_such_as_s3_takes(shape: Shape, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, shape.count - 2))
    key, following = shape.key(rank), shape.key(rank + 1)
    assert key < following
    assert 0 < len(following) <= KEY_BYTES_MAX
    assert following.decode().encode() == following


@given(shapes, st.data())
def test_the_rank_of_every_key_is_found(shape: Shape, data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, shape.count - 1))
    key = shape.key(rank)
    assert (shape.rank_from(key), shape.rank_behind(key)) == (rank, rank + 1)


@given(shapes, st.text(), st.data())
def test_any_text_has_a_rank_with_smaller_keys_before_it_and_greater_ones_behind(
    shape: Shape, text: str, data: st.DataObject
) -> None:
    key = shape.key(data.draw(st.integers(0, shape.count - 1))).decode()
    between = (key[: data.draw(st.integers(0, len(key)))] + text).encode(errors="ignore")
    rank = shape.rank_behind(between)
    assert rank == 0 or shape.key(rank - 1) <= between
    assert rank == shape.count or shape.key(rank) > between


@given(shapes, st.sampled_from(Spelling), st.data())
def test_a_thousand_keys_made_at_once_are_those_made_one_by_one(
    shape: Shape, spelling: Spelling, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, shape.count - 1000))
    ranks = np.arange(start, start + 1000, dtype=np.uint64)
    made = Layout(spelt_key(shape, spelling)).each(Batch(ranks))
    assert made == [spelt(shape.key(rank), spelling) for rank in range(start, start + 1000)]


@pytest.mark.parametrize("text", [b"plain/key-1.txt", b"a b+c~d*e", "資料".encode(), b'\x01\n<&>"'])
def test_no_spelling_holds_the_filler(text: bytes) -> None:
    assert all(FILLER not in spelt(text, spelling) for spelling in Spelling)


@pytest.mark.parametrize("texts", [("b", "a"), ("a", "a"), ("a", "ab")])
def test_words_that_would_not_keep_keys_in_order_are_refused(texts: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match="cannot be neighbours"):
        Words(texts)


def test_a_shape_that_cannot_make_so_many_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="6 keys can be made, 7 are wanted"):
        tiled(7, ["a", "b"], "/", ["1", "2", "3"])


def test_every_folder_counts_its_keys_from_the_start() -> None:
    shape = foldered(["a/", "b/", "c/"], [1, 3, 2], ["0", "1"], ["0", "1"])
    assert [shape.key(rank) for rank in range(6)] == [
        b"a/00",
        b"b/00",
        b"b/01",
        b"b/10",
        b"c/00",
        b"c/01",
    ]


def test_the_long_prefix_has_999_bytes_and_the_deep_one_300() -> None:
    for name, length in (("long", 999), ("deep", 300)):
        shape = MADE[name, THOUSAND_MILLION]
        prefix = shape.key(0)[:length]
        assert shape.rank_from(prefix) == 0
        assert shape.rank_behind(prefix + b"\xff") == shape.count


def test_one_folder_of_a_million_stands_among_many_small_ones() -> None:
    shape = SHAPES["one-big-folder"](2_000_000)
    sizes = [
        shape.rank_from(b"project-%04d/\xff" % folder) - shape.rank_from(b"project-%04d/" % folder)
        for folder in range(2000)
    ]
    assert max(sizes) >= 1_000_000
    assert sorted(sizes)[-2] == 500


def test_control_characters_and_both_letter_cases_occur() -> None:
    control = b"".join(MADE["control", 10_000].key(rank) for rank in range(10_000))
    assert set(range(1, 0x20)) < set(control)
    shape = SHAPES["mixed-case"](1_000_000)
    mixed = {shape.key(rank)[:1].isupper() for rank in range(0, shape.count, 1000)}
    assert mixed == {True, False}
