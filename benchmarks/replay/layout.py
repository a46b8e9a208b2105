"""One record of a page, or the headers of one answer, as texts and columns side by side; for many objects at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from benchmarks.replay.columns import FILLER, Cells, KeyColumn, Spelling, spelt
from benchmarks.replay.facts import Batch, FactColumn
from benchmarks.replay.shapes import Shape

ROWS_MAX = 1000

Piece: TypeAlias = bytes | FactColumn


@dataclass(frozen=True, slots=True)
class SpeltColumn:
    """A part of the key as it stands in a listing."""

    column: KeyColumn
    spelling: Spelling

    @property
    def width(self) -> int:
        return self.column.width(self.spelling)

    def cells(self, batch: Batch) -> Cells:
        return self.column.cells(batch.ranks, self.spelling)


def spelt_key(shape: Shape, spelling: Spelling) -> list[Piece]:
    """The pieces that make up a key."""
    return [
        spelt(part, spelling) if isinstance(part, bytes) else SpeltColumn(part, spelling)
        for part in shape.parts
    ]


class Layout:
    """Pieces in their order, with room for ROWS_MAX rows. The constant ones are written once and for all."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        widths = [len(piece) if isinstance(piece, bytes) else piece.width for piece in pieces]
        self.width = sum(widths)
        self._rows = np.empty((ROWS_MAX, self.width), np.uint8)
        self._slots: list[tuple[slice, FactColumn]] = []
        start = 0
        for piece, width in zip(pieces, widths, strict=True):
            place = slice(start, start + width)
            start += width
            if isinstance(piece, bytes):
                self._rows[:, place] = np.frombuffer(piece, np.uint8)
            else:
                self._slots.append((place, piece))

    def cells(self, batch: Batch) -> Cells:
        """One row for each of the batch, filled up; good until the next call."""
        rows = self._rows[: len(batch.ranks)]
        for place, column in self._slots:
            rows[:, place] = column.cells(batch)
        return rows

    def joined(self, batch: Batch) -> bytes:
        """All rows, one behind the other."""
        return self.cells(batch).tobytes().replace(FILLER, b"")

    def each(self, batch: Batch) -> list[bytes]:
        """The rows one by one."""
        return [row.tobytes().replace(FILLER, b"") for row in self.cells(batch)]
