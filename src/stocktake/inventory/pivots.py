"""Which text to split a gap at, so that about so many rows lie before it. Any text between the gap's ends will do."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from stocktake.inventory.forecast import Marks, Stretch
from stocktake.inventory.keyspace import KeySpace
from stocktake.model.keys import KEY_BYTES_MAX

_RESOLUTION = 0.02  # of a stretch
_NEAR = 16  # keys listed nearby, one of which says how a pivot goes on
_STRIDE = 7  # from one of them to the next: pages begin and end at the same few places of a folder
_ENDINGS_TRIED = 4


@dataclass(frozen=True, slots=True)
class Pivots:
    """Finds pivots by what was learned of the keys: `space`, and `marks`, some of those listed."""

    space: KeySpace
    marks: Marks

    def find(
        self, after: str, upto: str | None, stretches: Sequence[Stretch], rows: float, turn: int
    ) -> str | None:
        """The pivot that has `rows` rows of the gap from `after` to `upto` before it, of which `stretches` it consists;
        None where no text can be found. By `turn`, which counts them, pivots end like different keys.
        """
        for stretch in stretches:
            if rows > stretch.rows:
                rows -= stretch.rows
                continue
            pivot = self._within(after, stretch, rows)
            if pivot is None or (stretch.cells is None and not _fits(pivot, after, upto)):
                rows = 0.0
                continue
            longer = self._ended(pivot, turn)
            return next((text for text in (longer, pivot) if _fits(text, after, upto)), None)
        return None

    def _within(self, after: str, stretch: Stretch, rows: float) -> str | None:
        """The text that has `rows` rows of `stretch` before it; None where no character can be used."""
        prefix, cells = stretch.prefix, stretch.cells
        if cells is None:
            return prefix
        width = stretch.right - stretch.left
        if after.startswith(prefix) and len(after) > len(prefix):
            # Where nothing was seen beside the character of the gap's own keys, ask what follows at all.
            successor = self.space.successor(after[len(prefix)])
            if successor and sum(cells.likely) <= 1:
                return prefix + successor
        point = (
            stretch.left + width * min(rows / stretch.rows, 1.0) if stretch.rows else stretch.left
        )
        return self.space.compose(prefix, cells, point, width * _RESOLUTION)

    def _ended(self, text: str, turn: int) -> str:
        """`text`, and behind it what a key listed nearby has there. Pages are often full where folders and counters
        begin anew: a gap that ends at such a place costs a whole request to find out that nothing is left.
        """
        keys = self.marks.keys
        if not keys:
            return text
        first = bisect_left(keys, text) - _NEAR // 2
        for each in range(turn, turn + _ENDINGS_TRIED):
            place = first + each * _STRIDE % _NEAR
            # Short of its last character: a pivot that is a key would tell less of whether the store honours markers.
            ending = _from_place(keys[min(max(place, 0), len(keys) - 1)], text)[:-1]
            usable = ending and all(map(self.space.usable, ending))
            if usable and len((text + ending).encode()) <= KEY_BYTES_MAX:
                return text + ending
        return text


def _from_place(key: str, text: str) -> str:
    """What `key` has from the place on at which `text` ends, as many folders deep, as many characters into the name;
    nothing if that name is shorter.
    """
    folders = text.count("/")
    offset = len(text) - text.rfind("/") - 1
    rest = "/".join(key.split("/", folders)[folders:])
    return rest[offset:] if len(rest.partition("/")[0]) >= offset else ""


def _fits(pivot: str, after: str, upto: str | None) -> bool:
    # The character behind the last one of a long key may have more bytes than that.
    inside = pivot > after and (upto is None or pivot < upto)
    return inside and len(pivot.encode()) <= KEY_BYTES_MAX
