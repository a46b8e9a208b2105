"""Bytes as people write them."""

from __future__ import annotations

import pytest

from stocktake.model.errors import UsageError
from stocktake.model.sizes import parse_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1000", 1000), ("2GiB", 2 * 2**30), ("500MB", 500_000_000), ("1.5g", 3 * 2**29), (" 7 kib ", 7168)],
)  # fmt: skip
def test_a_size_is_a_number_and_a_unit(text: str, expected: int) -> None:
    assert parse_bytes(text, "the memory") == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "1 XB", "1e9"])
def test_what_is_no_size_is_named(text: str) -> None:
    with pytest.raises(UsageError, match=f"the memory `{text}` is no size"):
        parse_bytes(text, "the memory")
