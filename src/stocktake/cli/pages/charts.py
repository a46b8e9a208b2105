"""The geometry of charts; the macros of `templates/charts.html` draw them. Pure.

Lengths are in the units of an SVG view box. Each chart is as wide as `WIDTH`, whatever it shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH = 800
BAR_HEIGHT = 26
_LABEL_WIDTH_MIN, _LABEL_WIDTH_MAX, _TEXT_WIDTH = 130, 260, 260
_CHARACTER_WIDTH = 7
_LABEL_CHARACTERS_MAX = 38
COLUMNS_HEIGHT, COLUMNS_FOOT = 160, 36
_COLUMN_WIDTH_MAX = 64  # a few columns stay columns, and do not become blocks


@dataclass(frozen=True, slots=True)
class Value:
    """One thing a chart shows: `text` is `amount` in words, `kind` a colour of `style.css`."""

    label: str
    amount: float
    text: str
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of a chart, and what it stands for. `short` is the label as far as it fits."""

    x: float
    y: float
    width: float
    height: float
    short: str
    value: Value


def bars(values: Sequence[Value]) -> tuple[Box, ...]:
    """A horizontal bar for each value, in their order, the longest as long as there is room."""
    label_width = _label_width(values)
    room = WIDTH - label_width - _TEXT_WIDTH
    most = _most(values)
    return tuple(
        Box(
            label_width,
            BAR_HEIGHT * number,
            _length(value, most, room),
            BAR_HEIGHT - 8,
            _short(value.label),
            value,
        )
        for number, value in enumerate(values)
    )


def _label_width(values: Sequence[Value]) -> float:
    """What the longest label takes; charts of short ones begin alike."""
    longest = max((len(value.label) for value in values), default=0)
    return min(max(_CHARACTER_WIDTH * longest + 16, _LABEL_WIDTH_MIN), _LABEL_WIDTH_MAX)


def columns(values: Sequence[Value]) -> tuple[Box, ...]:
    """A column for each value, from left to right: a histogram, or growth over time."""
    most, step = _most(values), WIDTH / max(len(values), 1)
    width = round(min(step * 0.8, _COLUMN_WIDTH_MAX), 1)
    heights = [_length(value, most, COLUMNS_HEIGHT) for value in values]
    return tuple(
        Box(
            round(step * number + (step - width) / 2, 1),
            round(COLUMNS_HEIGHT - height, 1),
            width,
            height,
            value.label,
            value,
        )
        for number, (value, height) in enumerate(zip(values, heights, strict=True))
    )


def _most(values: Sequence[Value]) -> float:
    return max((value.amount for value in values), default=0.0)


def _length(value: Value, most: float, room: float) -> float:
    """What is there at all is seen."""
    if not most or value.amount <= 0:
        return 0.0
    return round(max(value.amount / most * room, 1.0), 1)


def _short(label: str) -> str:
    """The end of a label tells more than its begin: keys that are alike begin alike."""
    if len(label) <= _LABEL_CHARACTERS_MAX:
        return label
    return f"…{label[-(_LABEL_CHARACTERS_MAX - 1) :]}"
