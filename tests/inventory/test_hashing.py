"""Hashes of keys: the same for ever, whatever keys stand beside them, and spread evenly."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.hashing import key_hashes

GOLDEN = [0, 2935979338, 1204320728, 3020723731]
BASE, MODULUS = 0x9E3779B97F4A7C15, 2**64


def plainly(key: str) -> int:
    """The same, a byte at a time."""
    found = (
        sum(byte * pow(BASE, place, MODULUS) for place, byte in enumerate(key.encode())) % MODULUS
    )
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        found = (found ^ (found >> shift)) * factor % MODULUS
    return found >> 32


@given(st.lists(st.text(max_size=40), max_size=30), st.data())
def test_each_hash_is_that_of_its_key_alone(keys: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(keys)))
    found = key_hashes(pa.array(keys, pa.string())[start:])
    assert found.type == pa.uint32()
    assert found.to_pylist() == [plainly(key) for key in keys[start:]]


def test_long_keys_are_hashed_a_few_at_a_time() -> None:
    keys = [f"{number:07}" + "x" * 1000 for number in range(1000)]
    assert key_hashes(pa.array(keys)).to_pylist() == [plainly(key) for key in keys]


def test_they_never_change() -> None:
    """Every report has them in its file of ages."""
    known = key_hashes(pa.array(["", "a", "photos/2026/11/cat.jpg", "ü"])).to_pylist()
    assert known == [plainly(key) for key in ("", "a", "photos/2026/11/cat.jpg", "ü")]
    assert known == GOLDEN


def test_each_tenth_of_the_circle_has_about_a_tenth_of_the_keys() -> None:
    hashes = key_hashes(pa.array([f"data/{number:08}" for number in range(20_000)])).to_pylist()
    counts = [0] * 10
    for value in hashes:
        counts[value * 10 >> 32] += 1
    assert all(1_800 < count < 2_200 for count in counts)
