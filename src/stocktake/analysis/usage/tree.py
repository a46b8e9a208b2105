"""A cube as people walk it: folders in folders, and what is in each by one dimension."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow.compute as pc

from stocktake.analysis.usage.cube import Cube
from stocktake.analysis.usage.measures import Measure, measure_row
from stocktake.model.prices import Prices
from stocktake.model.usage import ORDERED, Dimension

OTHERS = (
    "\0others"  # in place of the values that are not kept apart; no value of a report can be it
)
Value = str | None


@dataclass(slots=True)
class Folder:
    """A folder with all below it in `total`, and in `here` what lies in it directly or in folders that are not kept
    apart, of which there are `here.folded`. `values` is all of `total` by the values of a dimension; None is not known.
    """

    prefix: str
    total: Measure = field(default_factory=Measure)
    here: Measure = field(default_factory=Measure)
    folders: list[Folder] = field(default_factory=list)
    values: dict[Value, Measure] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """How many folders it is below the root, itself included."""
        return self.prefix.count("/")

    @property
    def name(self) -> str:
        """The last part of its prefix, with the `/`."""
        return self.prefix[len(parent_of(self.prefix)) :]

    def walk(self, depth: int) -> Iterator[Folder]:
        """It and the folders below it, the largest first, those at most `depth` levels from the root."""
        yield self
        for each in self.folders:
            if each.depth <= depth:
                yield from each.walk(depth)


def parent_of(prefix: str) -> str:
    """The folder that holds this one; the root's is the root."""
    above, slash, _ = prefix[:-1].rpartition("/")
    return above + slash


def folder_tree(cube: Cube, prices: Prices, dimension: Dimension = Dimension.PREFIX) -> Folder:
    """The root of the cube's folders, of those whose `dimension` is kept. Folders and values are in the order of their
    bytes, then of their objects, the most first, unless the values have an order of their own.
    """
    folders: dict[str, Folder] = {"": Folder("")}
    rows = cube.table.filter(pc.equal(cube.table.column("dimension"), dimension.value))
    for batch in rows.to_batches():
        for row in batch.to_pylist():
            folder = _folder(folders, row["prefix"])
            measured = measure_row(row, prices)
            if dimension is Dimension.PREFIX:
                folder.here.add(measured)
                folder.here.folded = measured.folded  # the same in each of the folder's rows
            else:
                value = OTHERS if measured.folded else row["value"]
                _add_value(folder, value, measured)
    for prefix in sorted(folders, key=lambda each: -each.count("/")):
        _add_up(folders, folders[prefix], dimension)
    return folders[""]


def _folder(folders: dict[str, Folder], prefix: str) -> Folder:
    """The folder of this prefix, with all above it."""
    if prefix not in folders:
        folders[prefix] = Folder(prefix)
        _folder(folders, parent_of(prefix)).folders.append(folders[prefix])
    return folders[prefix]


def _add_value(folder: Folder, value: Value, measured: Measure) -> None:
    known = folder.values.setdefault(value, Measure())
    known.add(measured)
    known.folded = max(known.folded, measured.folded)
    folder.here.add(measured)


def _add_up(folders: dict[str, Folder], folder: Folder, dimension: Dimension) -> None:
    """Give what a folder holds to the one above it; all below it has done so."""
    folder.total.add(folder.here)
    folder.folders.sort(key=lambda each: (*size_order(each.total), each.prefix))
    folder.values = dict(sorted(folder.values.items(), key=lambda each: _order(dimension, *each)))
    if folder.prefix:
        above = folders[parent_of(folder.prefix)]
        above.total.add(folder.total)
        for value, measured in folder.values.items():
            known = above.values.setdefault(value, Measure())
            known.add(measured)
            known.folded = max(known.folded, measured.folded)


def size_order(measured: Measure) -> tuple[int, int]:
    """The most bytes first, then the most objects."""
    return (-measured.bytes, -measured.objects)


def _order(dimension: Dimension, value: Value, measured: Measure) -> tuple[object, ...]:
    names = ORDERED.get(dimension)
    if value is None or value == OTHERS:  # last, and what is not known behind all
        return (2 if value is None else 1, 0, 0, "")
    place = names.index(value) if names and value in names else 0
    return (0, place, 0, value) if names else (0, *size_order(measured), value)
