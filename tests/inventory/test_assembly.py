from __future__ import annotations

from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stocktake.inventory.assembly import absorb_empty, group_range, group_segments
from stocktake.model.errors import IncompleteRunError
from stocktake.model.keys import KeyRange
from stocktake.model.manifest import ManifestFile
from stocktake.model.pieces import Segment
from stocktake.model.proof import check_files
from stocktake.model.runs import DataFile

ROWS_MAX = 10


def key(number: int) -> str:
    return f"{number:06d}"


@st.composite
def worked_ranges(draw: st.DrawFn) -> list[list[Segment]]:
    """The segments of neighbouring ranges, as lanes make them: full ones, then what is left."""
    at = 0
    ranges = []
    count = draw(st.integers(1, 6))
    for number in range(count):
        segments = []
        for _ in range(draw(st.integers(0, 3))):
            segments.append(segment(at, at + ROWS_MAX, ROWS_MAX, full=True))
            at += ROWS_MAX
        rows = draw(st.integers(0, ROWS_MAX - 1))
        last = number == count - 1
        segments.append(segment(at, None if last else at + rows + 1, rows, full=False))
        at += rows + 1
        ranges.append(segments)
    return ranges


def segment(start: int, stop: int | None, rows: int, *, full: bool) -> Segment:
    keys = KeyRange("" if start == 0 else key(start), None if stop is None else key(stop))
    first, last = (key(start + 1), key(start + rows)) if rows else (None, None)
    return Segment(keys, rows, first, last, Path("x") if rows else None, full)


def data_file(group: tuple[Segment, ...]) -> DataFile:
    held = [each for each in group if each.rows]
    return DataFile(
        ManifestFile("k", 1, "0" * 32),
        group_range(group),
        sum(each.rows for each in group),
        held[0].first_key if held else None,
        held[-1].last_key if held else None,
    )


@given(worked_ranges())
def test_files_tile_the_key_space_and_are_few(ranges: list[list[Segment]]) -> None:
    rows = sum(each.rows for segments in ranges for each in segments)
    full = [(each,) for segments in ranges for each in segments if each.full]
    left = [each for segments in ranges for each in segments if not each.full]
    groups = group_segments(left, ROWS_MAX)
    filled = [group for group in groups if any(each.rows for each in group)] or (
        [] if full else groups
    )
    empty = [group_range(group) for group in groups if group not in filled]
    files = absorb_empty([data_file(group) for group in [*full, *filled]], empty)
    check_files(files, KeyRange(), rows)
    assert len(files) <= 2 * ceil(rows / ROWS_MAX) + 1
    assert all(file.rows <= ROWS_MAX for file in files)
    assert rows == 0 or all(file.rows for file in files)


@given(worked_ranges(), st.data())
def test_a_lost_segment_is_always_found(ranges: list[list[Segment]], data: st.DataObject) -> None:
    pieces = [each for segments in ranges for each in segments]
    lost = data.draw(st.sampled_from(pieces))
    kept = [[each for each in segments if each is not lost] for segments in ranges]
    rows = sum(each.rows for each in pieces)
    full = [(each,) for segments in kept for each in segments if each.full]
    # Grouped without regard to the hole, as a careless engine would.
    groups = [(each,) for segments in kept for each in segments if not each.full]
    files = absorb_empty(
        [data_file(group) for group in [*full, *groups] if group[0].rows],
        [group_range(group) for group in groups if not group[0].rows],
    )
    with pytest.raises(IncompleteRunError):
        check_files(files, KeyRange(), rows)
