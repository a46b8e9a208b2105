"""Pivots: texts that a store takes as a marker."""

from __future__ import annotations

from stocktake.inventory.forecast import Marks, Stretch
from stocktake.inventory.keyspace import KeySpace, place_of
from stocktake.inventory.pivots import Pivots
from stocktake.model.keys import KEY_BYTES_MAX


def test_no_pivot_is_longer_than_a_key_where_the_next_character_has_more_bytes() -> None:
    space = KeySpace()
    space.learn("a", "\U0001f600")
    prefix = "p" * (KEY_BYTES_MAX - 2)
    after = prefix + "é"
    cells = space.cells(place_of(after, len(prefix)), "é")
    assert space.successor("é") == "\U0001f600"
    stretch = Stretch(5000.0, 0, prefix, cells, 0.0, cells.width)
    assert Pivots(space, Marks()).find(after, None, [stretch], 2500.0, 0) is None
    shorter = Stretch(5000.0, 0, prefix[2:], cells, 0.0, cells.width)
    found = Pivots(space, Marks()).find(after[2:], None, [shorter], 2500.0, 0)
    assert found == prefix[2:] + "\U0001f600"
