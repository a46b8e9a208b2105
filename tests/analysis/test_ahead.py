"""Reading ahead: all of it in order, no more than may wait, errors at their place; and texts compared by numbers."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from stocktake.analysis.ahead import read_ahead
from stocktake.analysis.differences_columns import differing


def test_what_is_read_ahead_comes_in_order_from_another_thread() -> None:
    threads = set()

    def source() -> Iterator[int]:
        for number in range(100):
            threads.add(threading.get_ident())
            yield number

    assert list(read_ahead(source(), 3)) == list(range(100))
    assert threads.isdisjoint({threading.get_ident()})


def test_no_more_is_made_than_may_wait() -> None:
    made: list[int] = []

    def source() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    ahead = read_ahead(source(), 3)
    assert next(ahead) == 0
    ahead.close()  # type: ignore[attr-defined]
    assert len(made) <= 4


def test_what_goes_wrong_while_reading_ahead_goes_wrong_at_its_place() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    ahead = read_ahead(source(), 3)
    assert next(ahead) == 1
    with pytest.raises(OSError, match="gone"):
        next(ahead)


def test_texts_in_dictionaries_differ_as_texts_do() -> None:
    """A dictionary may hold a text twice, and an empty text is NULL, as in CSV."""
    a = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2, None, 3]), pa.array(["x", "x", "y", ""]))
    b = pa.DictionaryArray.from_arrays(pa.array([1, 1, 1, 2, None]), pa.array(["z", "x", ""]))
    assert differing(a, b).to_pylist() == [False, False, True, False, False]
    assert not any(differing(a, a).to_pylist())
