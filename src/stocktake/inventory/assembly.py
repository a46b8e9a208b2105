"""Which segments become which data file: files in key order, at most `rows_max` rows each, few of them.

Segments of one range that add up to a full data file are written at once. What is left of the ranges waits until all
are finished; then neighbours go together as long as they fit. Two neighbouring files that are not full so hold more
than `rows_max` rows together, which bounds the files by 2 x ceil(rows / rows_max) + 1.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from stocktake.model.keys import KeyRange
from stocktake.model.pieces import Segment
from stocktake.model.runs import DataFile

Group = tuple[Segment, ...]


def group_segments(segments: Iterable[Segment], rows_max: int) -> list[Group]:
    """The groups of neighbours that make the files still to be written, of `segments` in key order.

    Segments go together only where one begins at the key the other ends with: between others there is a file already.
    """
    groups: list[Group] = []
    current: list[Segment] = []
    rows = 0
    for segment in segments:
        apart = current and current[-1].range.upto != segment.range.after
        if current and (apart or rows + segment.rows > rows_max):
            groups.append(tuple(current))
            current, rows = [], 0
        current.append(segment)
        rows += segment.rows
    if current:
        groups.append(tuple(current))
    return groups


def group_range(group: Group) -> KeyRange:
    """The keys that a group of neighbours covers."""
    return KeyRange(group[0].range.after, group[-1].range.upto)


def absorb_empty(files: Iterable[DataFile], empty: Iterable[KeyRange]) -> tuple[DataFile, ...]:
    """`files` in key order, each extended over the finished ranges without rows that follow it, the first one also over
    those before it. Nothing else is bridged: a gap stays a gap, for the proof to find.
    """
    merged: list[DataFile] = []
    before: KeyRange | None = None
    pieces: list[DataFile | KeyRange] = sorted(
        [*files, *empty], key=lambda piece: _range(piece).after
    )
    for piece in pieces:
        keys = _range(piece)
        touching = merged[-1].range if merged else before
        joined = (
            KeyRange(touching.after, keys.upto)
            if touching and touching.upto == keys.after
            else keys
        )
        if isinstance(piece, DataFile):
            first = not merged and before is not None
            merged.append(replace(piece, range=joined if first else keys))
        elif merged and joined is not keys:
            merged[-1] = replace(merged[-1], range=joined)
        else:
            before = joined
    return tuple(merged)


def _range(piece: DataFile | KeyRange) -> KeyRange:
    return piece.range if isinstance(piece, DataFile) else piece
