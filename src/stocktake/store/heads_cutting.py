"""The header blocks of many answers -> their values, header by header, without a look at any single answer.

Servers write the headers of answers of one kind in one order. The names in an answer are its layout; the lines of all
answers are cut behind as many bytes as the names in that layout have, and what is in front of the cuts is compared with
the names. Where it is the same, byte for byte, the values are what is behind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from stocktake.store.cutting import binaries, integer, integers, offsets, ramp

_END = "\r\n"
_ODD = (b"\r", b"\n", b"\0")  # in what is between
_LINES = re.compile(rb"(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+:[^\r\n]*\r\n)+")
_NAME = re.compile(rb"^[^:\r\n]+:", re.MULTILINE)
_LAYOUTS_KEPT = 64
_PLANS_MAX = 16


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of the headers that an answer has, in its order and spelling, each with its colon."""

    names: tuple[bytes, ...]

    @property
    def headers(self) -> tuple[bytes, ...]:
        """The names in lower case, without colons; no two are the same."""
        return tuple(name[:-1].lower() for name in self.names)


@dataclass(frozen=True, slots=True)
class Cut:
    """The values of the answers that have a layout."""

    rows: pa.Array  # which answers they are, as int32
    # Those of the layout's first header, then those of the second, and so on; blanks before and behind them are left.
    values: pa.BinaryArray

    def value(self, number: int) -> pa.BinaryArray:
        """The values of the header at this place of the layout."""
        return self.values.slice(number * len(self.rows), len(self.rows))


@dataclass(frozen=True, slots=True)
class Blocks:
    """The header blocks of answers, cut at the ends of lines."""

    lines: (
        pa.ListArray
    )  # of each block; the last one is what follows its last end of a line: nothing

    @classmethod
    def of(cls, raw: list[bytes]) -> Blocks | None:
        """None where any of them has half an end of a line or a NUL, or all are too long to be taken together."""
        blocks = pa.array(raw, pa.binary())
        if isinstance(blocks, pa.ChunkedArray):
            return None
        lines = pc.split_pattern(blocks, _END)
        text = _text(lines.values)
        return None if any(byte in text for byte in _ODD) else cls(lines)

    def cut(self, layout: Layout, among: pa.Array) -> Cut:
        """The values of the blocks among these rows that have this layout; there may be none."""
        width = len(layout.names) + 1
        counts = pc.list_value_length(self.lines)
        rows = among.filter(pc.equal(counts.take(among), width))
        whole = len(rows) == len(self.lines)
        values = (self.lines if whole else self.lines.take(rows)).values
        if not len(rows):
            return Cut(rows, values[:0])
        parts = _parts(values, layout, len(rows))
        alike = _alike(parts, layout, len(rows))
        if alike.true_count == len(rows):
            return Cut(rows, parts.take(_order(len(rows), width)))
        order = _order(len(rows), width)
        kept = pa.concat_arrays([alike] * (width - 1))
        return Cut(rows.filter(alike), parts.take(order.filter(kept)))


def layout_of(block: bytes) -> Layout | None:
    """The layout of an answer; None where it is not the plain lines of headers that all are sent once."""
    if _LINES.fullmatch(block) is None:
        return None
    return _layout(tuple(_NAME.findall(block)))


@lru_cache(maxsize=_LAYOUTS_KEPT)
def _layout(names: tuple[bytes, ...]) -> Layout | None:
    layout = Layout(names)
    return layout if len(set(layout.headers)) == len(names) else None


def _parts(lines: pa.BinaryArray, layout: Layout, rows: int) -> pa.BinaryArray:
    """Names and values in turns: each line up to where its name would end, and what is behind."""
    starts = offsets(lines)
    steps = _steps(layout, rows)
    cuts = pc.min_element_wise(pc.add(starts[:-1], steps), starts[1:])
    both = pa.concat_arrays([starts[:-1], cuts]).take(_turns(len(lines)))
    bounds = pa.concat_arrays([both, starts[-1:]])
    return binaries(bounds, lines.buffers()[2])


def _alike(parts: pa.BinaryArray, layout: Layout, rows: int) -> pa.BooleanArray:
    """Whether the names of each block are those of the layout, and its last line is empty."""
    width = len(layout.names) + 1
    names = parts.take(ramp(len(parts) // 2, 2))
    ends = offsets(names).take(ramp(rows + 1, width))
    same = pc.equal(binaries(ends, names.buffers()[2]), b"".join(layout.names))
    last = parts.take(ramp(rows, 2 * width, 2 * width - 1))
    return pc.and_(same, pc.equal(pc.binary_length(last), 0))


def _text(lines: pa.BinaryArray) -> bytes:
    buffer = lines.buffers()[2]
    return buffer.to_pybytes() if buffer is not None else b""


@lru_cache(maxsize=_PLANS_MAX)
def _steps(layout: Layout, rows: int) -> pa.Int32Array:
    """How long the name in each line of each block is."""
    return integers([*map(len, layout.names), 0] * rows)


@lru_cache(maxsize=_PLANS_MAX)
def _order(rows: int, width: int) -> pa.Int32Array:
    """Where in names and values the values of the first header are, then those of the second, and so on."""
    firsts = ramp(rows, 2 * width, 1)
    return pa.concat_arrays([pc.add(firsts, integer(2 * place)) for place in range(width - 1)])


@lru_cache(maxsize=_PLANS_MAX)
def _turns(length: int) -> pa.Int32Array:
    """0, `length`, 1, `length` + 1 and so on."""
    count = ramp(2 * length)
    odd = pc.bit_wise_and(count, integer(1))
    return pc.add(pc.shift_right(count, integer(1)), pc.multiply(odd, integer(length)))
