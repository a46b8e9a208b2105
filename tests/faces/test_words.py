"""Figures in words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.cli.outcome import visible
from stocktake.cli.words import bytes_text, count, counted, duration, tally


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1536 * 1024, "1.5 MiB"),
        (3 * 2**40, "3.0 TiB"),
        (5000 * 2**60, "5,000.0 EiB"),
    ],
)
def test_bytes_are_said_in_the_unit_that_fits(number: int, text: str) -> None:
    assert bytes_text(number) == text


def test_counts_durations_and_tallies_read_well() -> None:
    assert count(1234567) == "1,234,567"
    assert counted(1, "file") == "1 file"
    assert counted(2000, "file") == "2,000 files"
    assert duration(3725.9) == "1:02:05"
    assert tally({"list": 2, "head": 1000}) == "list 2, head 1,000"


def test_what_could_command_a_terminal_is_shown_escaped() -> None:
    assert visible("a\x1b[31mb\x9bc\u202ed\r") == r"a\x1b[31mb\x9bc\u202ed\r"
    assert visible("two\nlines") == "two\nlines"


@given(st.text())
def test_visible_text_has_no_control_character_but_newlines(text: str) -> None:
    assert all(character.isprintable() or character == "\n" for character in visible(text))
