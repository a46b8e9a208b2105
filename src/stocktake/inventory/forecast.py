"""How much lies where nobody has listed yet: an estimate from what was listed elsewhere, and how it is distributed.

The ends of all gaps are laid into a tree of prefixes. At each prefix, the children that were listed say how much those
that were not may hold. What is known of the siblings goes before what one lane has met alone: it may stand in a folder
that is not like others.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp, log
from string import digits

from stocktake.inventory.keyspace import Cells, KeySpace, common_length, place_of

_LAST = "\U0010ffff"

_MARKS_MAX = 8192
_LEAF_MARKS = 3
_LEVELS_MAX = 200  # of nested prefixes at which keys part: more is cut short, for the stack's sake
_SUSPECT_DIGITS = 64  # characters before a branch within which a constant digit may yet change

_DOUBT_ROWS = 300.0  # what siblings expect weighs as much as so many rows listed
_DOUBT_FADES = 0.5  # less so with every page listed
_EXPECTED_WEIGHT = 3.0  # in children: what is expected of a node, against what its own children say
_OUTLIER = 2.0  # in powers of e: how far both may differ before the expected is doubted
_GROWTH = (
    3.0  # a node nobody expected is at most so many times as large again as what was listed of it
)
_OUTGROWN = 5.0  # times what was expected: from there on that says nothing any more
_WITHIN = 0.33  # of what is expected within a child, the part that its node is expected to hold the less for it
_FEW = 1e-9


class Marks:
    """Some of the keys listed, with the rows listed up to each since the one before: bounded, thinned by halves."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._rows: list[float] = []
        self._sums: list[float] | None = None

    def add(self, keys: Sequence[str], rows: int) -> None:
        """`rows` rows, evenly distributed, that end with each of `keys`, which are in order and follow each other."""
        at = bisect_left(self.keys, keys[0])
        self.keys[at:at] = keys
        self._rows[at:at] = [rows / len(keys)] * len(keys)
        self._sums = None
        if len(self.keys) > _MARKS_MAX:
            if len(self.keys) % 2:
                self.keys.insert(0, self.keys[0])
                self._rows.insert(0, 0.0)
            self.keys = self.keys[1::2]
            self._rows = [a + b for a, b in zip(self._rows[::2], self._rows[1::2], strict=True)]

    def sums(self) -> list[float]:
        """The rows before each mark, and at the end all rows."""
        if self._sums is None:
            self._sums = [0.0, *accumulate(self._rows)]
        return self._sums


@dataclass(slots=True)
class Stretch:
    """A part of a gap: the keys that begin with `prefix` and lie from `left` to `right` of the line behind it. Without
    `cells`, nothing is known of that line.
    """

    rows: float
    gap: int
    prefix: str
    cells: Cells | None
    left: float
    right: float


@dataclass(slots=True)
class _Node:
    """The keys with one prefix. Widths are those of its cells: `listed` where keys were found, `open` within gaps;
    `presence` is the share of cells that hold anything.
    """

    prefix: str
    cells: Cells | None = None
    parts: list[Stretch | tuple[_Node, float]] = field(default_factory=list)
    rows: float = 0.0
    listed: float = 0.0
    open: float = 0.0
    presence: float = 1.0
    listed_share: float = 0.0
    open_share: float = 0.0


def forecast(
    gaps: Sequence[tuple[str, str | None]], marks: Marks, space: KeySpace
) -> list[list[Stretch]]:
    """Of each of `gaps` (from behind a key up to a key; in order) the stretches it consists of, in order, with the rows
    expected in each. `space` learns where gaps tell of branches.
    """
    tree = _Tree(gaps, marks, space)
    found: list[Stretch] = []
    _spread(tree.node(0, len(tree.ends), "", 0), None, found)
    stretches: list[list[Stretch]] = [[] for _ in gaps]
    for stretch in found:
        stretches[stretch.gap].append(stretch)
    return stretches


class _Tree:
    """The ends of gaps as a tree. An end at an even index begins a gap, so between ends `i - 1` and `i` lies a gap if
    `i` is odd.
    """

    def __init__(
        self, gaps: Sequence[tuple[str, str | None]], marks: Marks, space: KeySpace
    ) -> None:
        self.ends = [end for gap in gaps for end in gap if end is not None]
        self._marks = marks.keys
        self._sums = marks.sums()
        self._space = space

    def node(self, first: int, last: int, prefix: str, level: int) -> _Node:
        """The node of `prefix`, with which all of the ends `first` up to `last` begin."""
        begin = bisect_left(self._marks, prefix)
        end = bisect_left(self._marks, prefix + _LAST, begin)
        if end - begin > _LEAF_MARKS and level < _LEVELS_MAX:
            prefix = self._skip_constant(first, last, prefix, begin, end)
            inner = first
            while inner < last and len(self.ends[inner]) == len(prefix):
                inner += 1
            if inner < last:
                return self._inner_node(inner, last, prefix, (begin, end), level)
            return self._settled_node(last, prefix, begin, end)
        if len(self.ends[last - 1]) == len(prefix):
            return self._settled_node(last, prefix, begin, end)
        return self._unknown_node(first, last, prefix)

    def _skip_constant(self, first: int, last: int, prefix: str, begin: int, end: int) -> str:
        """`prefix` and what follows it in all keys, as long as keys cannot part there."""
        key, depth = self.ends[first], len(prefix)
        others = (self.ends[last - 1], self._marks[begin], self._marks[end - 1])
        following = key[: depth + 1]
        if len(following) == depth or not all(other.startswith(following) for other in others):
            return prefix
        same = min(common_length(key, other) for other in others)
        while depth < same:
            suspect = same - depth <= _SUSPECT_DIGITS or not key[depth].isdigit()
            if suspect and self._space.may_part(place_of(key, depth), key[depth]):
                break
            depth += 1
        return key[:depth]

    def _settled_node(self, last: int, prefix: str, begin: int, end: int) -> _Node:
        """A node before whose first key all the ends lie: either all of it is listed or nothing is."""
        node = _Node(prefix)
        if last % 2:
            node.parts.append(Stretch(1.0, last // 2, prefix, None, 0.0, 1.0))
            node.open_share = 1.0
        elif end > begin:
            node.rows = self._sums[end] - self._sums[begin + 1]
            node.listed_share = 1.0
        return node

    @staticmethod
    def _unknown_node(first: int, last: int, prefix: str) -> _Node:
        """A node with ends within it, of whose keys too little is known to place them: they count as in its middle."""
        node = _Node(prefix)
        if last - first == 1:
            left, right = (0.5, 1.0) if last % 2 else (0.0, 0.5)
            gap = (last if last % 2 else first) // 2
            node.parts.append(Stretch(0.5, gap, prefix, None, left, right))
            node.listed_share = 0.5 if last % 2 else 0.0
            node.open_share = 0.5
        return node

    def _inner_node(
        self, first: int, last: int, prefix: str, marks: tuple[int, int], level: int
    ) -> _Node:
        ends, depth = self.ends, len(prefix)
        # Where a gap begins is a key or a pivot made of keys' characters; where it ends may be a mere guess.
        known = next((index for index in range(first, last) if not index % 2), first)
        key = ends[known]
        cells = self._space.cells(place_of(ends[first], depth), key[depth], prefix, key[depth:])
        node = _Node(prefix, cells)
        empty = position = 0.0
        begin = marks[0]
        while first < last:
            character = ends[first][depth]
            after = first + 1
            while after < last and ends[after][depth] == character:
                after += 1
            left, right = cells.span(character)
            left = max(left, position)
            right = max(right, left)
            end = bisect_left(self._marks, prefix + character, begin)
            empty += self._region(node, first, (position, left), (begin, end))
            child = self.node(first, after, prefix + character, level + 1)
            width = max(right - left, cells.width / 1000)
            node.parts.append((child, width))
            node.rows += child.rows
            node.listed += width * child.listed_share
            node.open += width * child.open_share
            empty += width * (1 - child.listed_share - child.open_share)
            begin = bisect_left(self._marks, prefix + character + _LAST, end)
            position, first = right, after
        empty += self._region(node, last, (position, cells.width), (begin, marks[1]))
        self._settle(node, empty, depth)
        return node

    def _region(
        self, node: _Node, index: int, span: tuple[float, float], marks: tuple[int, int]
    ) -> float:
        """Take in the cells before the end at `index`; the width of those that were listed and hold nothing."""
        width = span[1] - span[0]
        if width <= 0:
            return 0.0
        if index % 2:
            node.parts.append(Stretch(width, index // 2, node.prefix, node.cells, *span))
            node.open += width
            return 0.0
        rows = self._sums[marks[1]] - self._sums[marks[0]]
        if rows <= 0:
            return width
        node.listed += width
        node.rows += rows
        return 0.0

    def _settle(self, node: _Node, empty: float, depth: int) -> None:
        children = [part[0] for part in node.parts if not isinstance(part, Stretch)]
        found = [child.prefix[depth] for child in children if child.rows > 0]
        if len(found) > 1:
            self._space.learn_branch(place_of(children[0].prefix, depth), found)
        node.presence = (node.listed + 1) / (node.listed + empty + 1)
        if node.rows > 0:
            expected = node.listed + node.open * node.presence
            node.listed_share = node.listed / expected if expected > 0 else 1.0
            node.open_share = 1 - node.listed_share
        elif node.cells is not None:
            node.open_share = node.open / node.cells.width


def _spread(node: _Node, expected: float | None, found: list[Stretch]) -> float:
    """Give the stretches of `node` their rows, add them to `found` in order, and tell how many rows that is. `expected`
    are the rows of the whole node, by what is known of its siblings.
    """
    if node.cells is None:
        rows = 0.0
        for part in node.parts:
            assert isinstance(part, Stretch)
            part.rows *= expected or 0.0
            rows += part.rows
            found.append(part)
        return rows
    whole = node.listed + node.open * node.presence
    density = None if expected is None or whole <= 0 else max(expected / whole, _FEW)
    blank: list[Stretch] = []  # of whose part of the node no row was listed
    width = children = node.listed
    below = 0.0
    for part in node.parts:
        at = len(found)
        if isinstance(part, Stretch):
            found.append(part)
            blank.append(part)
            continue
        child, child_width = part
        if child.rows <= 0:
            _spread(child, child_width, found)
            blank += found[at:]
            continue
        others = _density_of_others(node, child, child_width, density)
        below += _spread(child, None if others is None else others * child_width, found)
        children += 1 - child_width * child.listed_share
        width += child_width * (1 - child.listed_share)
    own = (node.rows + below) / width if width > 0 else 0.0
    density_blank = node.presence * _agreed(own, density, children)
    size = sum(stretch.rows for stretch in blank)
    if density is not None and size > 0:
        most = max(size * node.presence * density, _GROWTH * node.rows - below)
        density_blank = min(density_blank, max(most, 0.0) / size)
    for stretch in blank:
        stretch.rows *= density_blank
    beside = size * density_blank
    return below + beside + _outgrown(node, expected, below, beside)


def _outgrown(node: _Node, expected: float | None, below: float, beside: float) -> float:
    """Rows added to the end of `node`, where nobody has seen it, numbers are counted, and far more was listed than its
    siblings led to expect: it may well hold as much again. So many rows are expected in it already, `below` within its
    children and `beside` them. The former leave something for where larger numbers are: nobody knows the last.
    """
    last = node.parts[-1]
    if expected is None or node.rows < _OUTGROWN * expected or not isinstance(last, Stretch):
        return 0.0
    before = [part[0] for part in node.parts[-2:] if not isinstance(part, Stretch)]
    if not before or before[0].prefix[len(node.prefix)] not in digits:
        return 0.0
    missing = max(node.rows - beside - _WITHIN * below, 0.0)
    last.rows += missing
    return missing


def _density_of_others(
    node: _Node, child: _Node, width: float, density: float | None
) -> float | None:
    """The rows per width that `child` is expected to have, by its siblings and by what is expected of the node."""
    rows = node.rows - child.rows
    listed = max(node.listed - width * child.listed_share, 0.0)
    if density is None:
        return rows / listed if rows > 0 and listed > 0 else None
    doubt = _DOUBT_ROWS / (1 + _DOUBT_FADES * rows / 1000)
    return (rows + doubt) / (listed + doubt / density)


def _agreed(own: float, expected: float | None, children: float) -> float:
    """The density of a node, from that of its own children and the one expected: their geometric mean, in which the
    expected one counts the less the further both are apart.
    """
    if own <= 0:
        return expected or 0.0
    if expected is None:
        return own
    distance = log(own / expected) / _OUTLIER
    weight = _EXPECTED_WEIGHT / (1 + distance * distance)
    return exp((children * log(own) + weight * log(expected)) / (children + weight))
