"""Columns of text, made for a thousand rows at once: a matrix of bytes, a row a line, filled up where a text is short.

No Python code runs per row. What is shorter than its column is followed by FILLER, a byte that no UTF-8 holds, and one
`replace` over the finished rows takes it away.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import accumulate
from typing import Any, Protocol, TypeAlias, TypeVar
from urllib.parse import quote_plus

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.integer[Any]]  # uint64; numpy's types say less of sums of them
Places: TypeAlias = NDArray[np.intp]
Cells: TypeAlias = NDArray[np.uint8]  # one row of bytes for each number
Mixed = TypeVar("Mixed", int, Numbers)  # one number, or many at once

FILLER = b"\xff"

_MASK = 2**64 - 1
_HEX_DIGITS = np.frombuffer(b"".join(b"%04x" % pair for pair in range(2**16)), np.uint32)


def mix(number: Mixed) -> Mixed:
    """A number of 64 bits that looks random and follows from `number` alone (the finalizer of splitmix64)."""
    mixed = (number + 0x9E3779B97F4A7C15) & _MASK
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
    return mixed ^ (mixed >> 31)


class Spelling(Enum):
    """How a key stands in a listing: percent-encoded, or as XML takes it."""

    URL = "url"
    XML = "xml"


_NAMED = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b'"': b"&quot;"}
_SPECIAL = re.compile(rb'[&<>"\x00-\x1f\x7f]|\xef\xbf[\xbe\xbf]')


def spelt(text: bytes, spelling: Spelling) -> bytes:
    """`text` as AWS writes it: with encoding-type=url a space is `+`, and `/` and `*` stay; without, characters that
    XML cannot hold become references that no XML parser takes.
    """
    if spelling is Spelling.URL:
        return quote_plus(text, safe="/*").replace("~", "%7E").encode()
    return _SPECIAL.sub(lambda found: _NAMED.get(found[0]) or _reference(found[0]), text)


def _reference(character: bytes) -> bytes:
    return f"&#x{ord(character.decode()):x};".encode()


def table(texts: Iterable[bytes]) -> Cells:
    """One row for each text, filled up to the longest."""
    known = list(texts)
    width = max(map(len, known))
    rows = b"".join(text.ljust(width, FILLER) for text in known)
    return np.frombuffer(rows, np.uint8).reshape(len(known), width)


def rows_at(rows: Cells, places: Numbers) -> Cells:
    """The rows at `places`, one for each of them."""
    return rows.take(places.view(np.int64), axis=0)


def hex_cells(*numbers: Numbers) -> Cells:
    """The 16 hexadecimal digits of each number; those of several columns stand side by side."""
    big_endian = np.stack(numbers, axis=1).byteswap()
    return _HEX_DIGITS.take(big_endian.view(">u2")).view(np.uint8)


class KeyColumn(Protocol):
    """A part of a key, by the key's rank. The texts of all columns together ascend with it."""

    def text(self, rank: int) -> bytes: ...
    def width(self, spelling: Spelling) -> int: ...
    def cells(self, ranks: Numbers, spelling: Spelling) -> Cells: ...


class Words:
    """One text of a sorted table, the next one after every `unit` ranks, and after the last the first again.

    Raises:
        ValueError: two texts do not ascend, or one begins as another, so that what follows would decide their order.
    """

    def __init__(self, texts: Sequence[str], unit: int = 1) -> None:
        self._texts = [text.encode() for text in texts]
        self._unit = unit
        for lower, upper in zip(self._texts, self._texts[1:], strict=False):
            if lower >= upper or upper.startswith(lower):
                raise ValueError(
                    f"{lower!r} and {upper!r} cannot be neighbours in a table of words"
                )

    def text(self, rank: int) -> bytes:
        return self._texts[rank // self._unit % len(self._texts)]

    def width(self, spelling: Spelling) -> int:
        return len(self._table(spelling)[0])

    def cells(self, ranks: Numbers, spelling: Spelling) -> Cells:
        return rows_at(self._table(spelling), ranks // self._unit % len(self._texts))

    def _table(self, spelling: Spelling) -> Cells:
        return self._url_table if spelling is Spelling.URL else self._xml_table

    @cached_property
    def _url_table(self) -> Cells:
        return table(spelt(text, Spelling.URL) for text in self._texts)

    @cached_property
    def _xml_table(self) -> Cells:
        return table(spelt(text, Spelling.XML) for text in self._texts)


@dataclass(frozen=True, slots=True)
class Digest:
    """Hexadecimal digits that follow from the rank but do not ascend: for the end of a key."""

    digits: int

    def text(self, rank: int) -> bytes:
        return (b"%016x" % mix(rank))[-self.digits :]

    def width(self, _spelling: Spelling) -> int:
        return self.digits

    def cells(self, ranks: Numbers, _spelling: Spelling) -> Cells:
        return hex_cells(mix(ranks))[:, -self.digits :]


@dataclass(frozen=True, slots=True)
class Spread:
    """Hexadecimal digits of numbers that ascend by random steps, evenly over all numbers of that many digits."""

    digits: int
    count: int

    def text(self, rank: int) -> bytes:
        return (b"%016x" % self._number(rank))[-self.digits :]

    def width(self, _spelling: Spelling) -> int:
        return self.digits

    def cells(self, ranks: Numbers, _spelling: Spelling) -> Cells:
        return hex_cells(self._number(ranks))[:, -self.digits :]

    def _number(self, rank: Mixed) -> Mixed:
        step = (1 << 4 * self.digits) // self.count
        return rank * step + mix(rank) % step


@dataclass(frozen=True, slots=True)
class Uuid:
    """A random UUID (version 4), ascending with the rank."""

    count: int

    def text(self, rank: int) -> bytes:
        high, low = Spread(12, self.count).text(rank), b"%016x" % mix(rank + 1)
        return b"-".join((high[:8], high[8:], b"4" + low[:3], b"a" + low[3:6], low[4:]))

    def width(self, _spelling: Spelling) -> int:
        return 36

    def cells(self, ranks: Numbers, spelling: Spelling) -> Cells:
        high, low = Spread(12, self.count).cells(ranks, spelling), hex_cells(mix(ranks + 1))
        cells = np.full((len(ranks), 36), ord("-"), np.uint8)
        cells[:, 0:8], cells[:, 9:13] = high[:, :8], high[:, 8:]
        cells[:, 14], cells[:, 15:18] = ord("4"), low[:, :3]
        cells[:, 19], cells[:, 20:23] = ord("a"), low[:, 3:6]
        cells[:, 24:36] = low[:, 4:]
        return cells


class Folders:
    """Names of folders, each with a number of keys of its own."""

    def __init__(self, names: Sequence[str], sizes: Sequence[int]) -> None:
        self._words = Words(names)
        self._starts = [0, *accumulate(sizes[:-1])]
        self._start_numbers = np.array(self._starts, np.uint64)

    def place(self, rank: int) -> int:
        """Which folder the rank lies in."""
        return bisect_right(self._starts, rank) - 1

    def places(self, ranks: Numbers) -> Numbers:
        """The same for many ranks."""
        return np.searchsorted(self._start_numbers, ranks, side="right").astype(np.uint64) - 1

    def text(self, rank: int) -> bytes:
        return self._words.text(self.place(rank))

    def width(self, spelling: Spelling) -> int:
        return self._words.width(spelling)

    def cells(self, ranks: Numbers, spelling: Spelling) -> Cells:
        return self._words.cells(self.places(ranks), spelling)

    def inside(self, rank: int) -> int:
        """The rank counted from the start of its folder."""
        return rank - self._starts[self.place(rank)]

    def all_inside(self, ranks: Numbers) -> Numbers:
        """The same for many ranks."""
        return ranks - self._start_numbers.take(self.places(ranks).view(np.int64))


@dataclass(frozen=True, slots=True)
class Inside:
    """A column within folders: it begins anew in each of them."""

    folders: Folders
    column: KeyColumn

    def text(self, rank: int) -> bytes:
        return self.column.text(self.folders.inside(rank))

    def width(self, spelling: Spelling) -> int:
        return self.column.width(spelling)

    def cells(self, ranks: Numbers, spelling: Spelling) -> Cells:
        return self.column.cells(self.folders.all_inside(ranks), spelling)
