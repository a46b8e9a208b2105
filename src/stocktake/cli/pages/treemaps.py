"""The geometry of treemaps: areas in proportion, as near to squares as may be. Pure.

The squarified layout of Bruls, Huizing and van Wijk, "Squarified Treemaps" (2000): the largest first, in rows along the
shorter side, each as long as that makes its boxes squarer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stocktake.cli.pages.charts import WIDTH, Box, Value

TREEMAP_HEIGHT = 420
SHARE_MIN = 1e-5  # what is smaller would not be seen
_CHARACTER_WIDTH, _LINE_HEIGHT = 8, 16


@dataclass(slots=True)
class _Room:
    """What of the area is still free."""

    x: float
    y: float
    width: float
    height: float

    @property
    def side(self) -> float:
        return min(self.width, self.height)

    def take(self, row: Sequence[float]) -> list[tuple[float, float, float, float]]:
        """Boxes of these areas, as a row along the shorter side."""
        total, boxes = sum(row), []
        upright = self.width >= self.height
        depth = total / self.side
        along = self.y if upright else self.x
        for area in row:
            length = area / depth
            boxes.append(
                (self.x, along, depth, length) if upright else (along, self.y, length, depth)
            )
            along += length
        if upright:
            self.x, self.width = self.x + depth, self.width - depth
        else:
            self.y, self.height = self.y + depth, self.height - depth
        return boxes


def treemap(values: Sequence[Value]) -> tuple[Box, ...]:
    """A box for each value that can be seen, the largest first; together they fill the area."""
    whole = sum(each.amount for each in values)
    seen = (each for each in values if each.amount > whole * SHARE_MIN)
    shown = sorted(seen, key=lambda each: -each.amount)
    total = sum(each.amount for each in shown)
    room = _Room(0, 0, WIDTH, TREEMAP_HEIGHT)
    areas = [each.amount / total * WIDTH * TREEMAP_HEIGHT for each in shown]
    places: list[tuple[float, float, float, float]] = []
    row: list[float] = []
    for area in areas:
        if row and _worst([*row, area], room.side) > _worst(row, room.side):
            places += room.take(row)
            row = []
        row.append(area)
    if row:
        places += room.take(row)
    return tuple(_box(each, place) for each, place in zip(shown, places, strict=True))


def _worst(row: Sequence[float], side: float) -> float:
    """How far from a square the worst box of a row is."""
    total = sum(row)
    return max(max(side**2 * area / total**2, total**2 / (side**2 * area)) for area in row)


def _box(value: Value, place: tuple[float, float, float, float]) -> Box:
    x, y, width, height = (round(each, 1) for each in place)
    room = int(width / _CHARACTER_WIDTH) - 1
    fits = room > 2 and height > _LINE_HEIGHT  # noqa: PLR2004 - less than three letters say nothing
    # As with bars, the end of a label tells more than its begin.
    short = value.label if len(value.label) <= room else f"\u2026{value.label[1 - room :]}"
    return Box(x, y, width, height, short if fits else "", value)
