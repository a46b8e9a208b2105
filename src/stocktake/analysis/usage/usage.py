"""The usage of a report, or of several: cubes are found or counted, and what they say is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from stocktake.analysis.json_values import as_json
from stocktake.analysis.report import Report
from stocktake.analysis.tables import dt_of
from stocktake.analysis.usage.cube import (
    Cube,
    find_cube,
    known_fields,
    tellable,
)
from stocktake.analysis.usage.growth import Growth, Point, growth_of
from stocktake.analysis.usage.measures import Figures, Measure, figures_of
from stocktake.analysis.usage.questions import Bounds
from stocktake.analysis.usage.tree import OTHERS, Folder, folder_tree
from stocktake.model.errors import InventoryError, UndecidedError
from stocktake.model.paths import USAGE
from stocktake.model.prices import Prices
from stocktake.model.usage import NEEDS, VALUE_DEPTH, Dimension


class Kind(StrEnum):
    """What a line is about."""

    FOLDER = "folder"
    VALUE = "value"
    OTHERS = "others"  # values that are not kept apart
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Line:
    """A folder, or one value of what lies below it: `value` is empty where it is not one value.

    Of a folder, `folded` is how many below it are counted in it and have no line of their own, however deep one asks.
    `growth` is how many bytes more it is than in the oldest report, or objects where there are no sizes; None where
    that cannot be told, or there is one report.
    """

    prefix: str
    kind: Kind
    value: str
    depth: int
    figures: Figures
    folded: int
    growth: int | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What the newest of the reports holds, told by one dimension. `lines` begin with the whole report; a folder is
    followed by its values, then by its folders, the largest first. `untold` says what cannot be told, and why.
    `counted` is the addresses of the reports that were read for it; of all others the usage cube was.
    """

    address: str
    source_bucket: str
    created: datetime
    by: Dimension
    depth: int
    prices: Prices
    lines: tuple[Line, ...]
    untold: tuple[str, ...]
    counted: tuple[str, ...]
    growth: Growth | None
    warnings: tuple[str, ...]

    @property
    def total(self) -> Figures:
        """All of the report."""
        return self.lines[0].figures

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON has it; moments as ISO 8601."""
        return {
            "report": self.address,
            "source_bucket": self.source_bucket,
            "created": as_json(self.created),
            "by": self.by,
            "depth": self.depth,
            "prices": {"name": self.prices.name, "currency": self.prices.currency},
            "usage": [_line_json(each, growth=self.growth is not None) for each in self.lines],
            "cannot_tell": list(self.untold),
            "counted": list(self.counted),
            "growth": None if self.growth is None else as_json(asdict(self.growth)),
            "warnings": list(self.warnings),
        }


class UsageSource:
    """Reports, at least one, oldest first, whose usage is asked for once or several times.

    `count` makes the cube of a report that has none: counted by these dimensions, within these bounds. `warn` is told
    why one that is there is not used.
    """

    def __init__(
        self,
        reports: Sequence[Report],
        prices: Prices,
        *,
        count: Callable[[Report, Sequence[Dimension], Bounds], Cube],
        warn: Callable[[str], None],
    ) -> None:
        self.reports = tuple(reports)
        self.prices = prices
        self.counted: dict[str, None] = {}
        self._warn = warn
        self._count = count
        self._cubes: dict[str, Cube] = {}
        self._roots: dict[tuple[str, Dimension], tuple[Cube, Folder]] = {}

    @property
    def newest(self) -> Report:
        """The report whose usage is told."""
        return self.reports[-1]

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """What the newest report can be told by."""
        return tellable(known_fields(self.newest))

    def prepare(self, dimensions: Sequence[Dimension], depth: int = VALUE_DEPTH) -> None:
        """Have all of `dimensions` that the newest report can be told by at hand, with one look at its rows at most."""
        told = [each for each in self.dimensions if each in dimensions]
        self._cube(self.newest, told, depth)

    def root(self, dimension: Dimension, depth: int = VALUE_DEPTH) -> Folder:
        """The newest report's folders, with their values where the dimension has any.

        Raises:
            UndecidedError: the report lacks a field that it takes.
            InventoryError: the report cannot be read.
        """
        return self._root(self.newest, dimension, depth)

    def figures(self, measure: Measure) -> Figures:
        """What `measure` tells, of the newest report."""
        return figures_of(measure, known_fields(self.newest), self.prices)

    def usage(self, by: Dimension, depth: int) -> Usage:
        """The usage by this dimension, of folders of at most `depth` levels.

        Raises:
            UndecidedError, InventoryError: as `root`.
        """
        root = self.root(by, depth)
        before = self._before(by, depth)
        newest = self.newest
        points = self._points(root)
        return Usage(
            address=newest.address,
            source_bucket=newest.manifest.source_bucket,
            created=newest.manifest.created,
            by=by,
            depth=depth,
            prices=self.prices,
            lines=tuple(
                line for folder in root.walk(depth) for line in self._lines(folder, before)
            ),
            untold=tuple(_untold(known_fields(newest), self.figures(root.total), self.prices)),
            counted=tuple(self.counted),
            growth=growth_of(points) if len(points) > 1 else None,
            warnings=newest.sidecar.warnings if newest.sidecar else (),
        )

    def _root(self, report: Report, dimension: Dimension, depth: int) -> Folder:
        missing = [name for name in NEEDS[dimension] if name not in known_fields(report)]
        if missing:
            raise UndecidedError(
                f"the usage by {dimension} cannot be told: {_lacks(report, missing)}",
                hint="`stocktake run --fields` takes fields, `--versions All` what becomes of versions",
            )
        cube = self._cube(report, [dimension], depth)
        known = self._roots.get((report.address, dimension))
        if known is None or known[0] is not cube:
            known = (cube, folder_tree(cube, self.prices, dimension))
            self._roots[report.address, dimension] = known
        return known[1]

    def _cube(self, report: Report, dimensions: Sequence[Dimension], depth: int) -> Cube:
        cube = self._cubes.get(report.address) or self._found(report)
        if cube is None or not _answers(cube, dimensions, depth):
            bounds = Bounds(value_depth=max(depth, VALUE_DEPTH))
            cube = self._count(report, dimensions, bounds)
            self.counted[report.address] = None
        self._cubes[report.address] = cube
        return cube

    def _found(self, report: Report) -> Cube | None:
        try:
            return find_cube(report)
        except InventoryError as error:  # such as a store that denies what is not there
            self._warn(
                f"the {USAGE} beside {report.address} is not used, and the report is read: {error.message}"
            )
            return None

    def _before(self, by: Dimension, depth: int) -> Folder | None:
        """The oldest of several reports, as far as it can be told the same way."""
        oldest = self.reports[0]
        known, now = known_fields(oldest), known_fields(self.newest)
        if len(self.reports) == 1 or not set(NEEDS[by]) <= set(known):
            return None
        return self._root(oldest, by, depth) if ("Size" in known) == ("Size" in now) else None

    def _points(self, newest: Folder) -> list[Point]:
        found = []
        for report in self.reports:
            last = report is self.newest
            root = newest if last else self._root(report, Dimension.PREFIX, 0)
            told = figures_of(root.total, known_fields(report), self.prices)
            found.append(
                Point(
                    dt_of(report), report.address, report.manifest.created, told.objects, told.bytes, told.money,
                )
            )  # fmt: skip
        return found

    def _lines(self, folder: Folder, before: Folder | None) -> list[Line]:
        then, certain = _found_in(before, folder.prefix)
        grown = self._growth(folder.total, then.total if then else None, certain=certain)
        told = self.figures(folder.total)
        lines = [
            Line(folder.prefix, Kind.FOLDER, "", folder.depth, told, folder.here.folded, grown)
        ]
        for value, measured in folder.values.items():
            kind = kind_of(value)
            earlier = then.values.get(value) if then else None
            sure = certain and kind is Kind.VALUE and (then is None or OTHERS not in then.values)
            grown = self._growth(measured, earlier, certain=earlier is not None or sure)
            text = value if kind is Kind.VALUE and value is not None else ""
            told = self.figures(measured)
            lines.append(Line(folder.prefix, kind, text, folder.depth, told, 0, grown))
        return lines

    def _growth(self, now: Measure, then: Measure | None, *, certain: bool) -> int | None:
        if not certain:
            return None
        earlier = then or Measure()
        if "Size" in known_fields(self.newest):
            return now.bytes - earlier.bytes
        return now.objects - earlier.objects


def _found_in(root: Folder | None, prefix: str) -> tuple[Folder | None, bool]:
    """The folder in another tree; without one, whether it is certain that there was none."""
    if root is None:
        return None, False
    folder = root
    while folder.prefix != prefix:
        inner = next((each for each in folder.folders if prefix.startswith(each.prefix)), None)
        if inner is None:
            return None, not (folder.here.folded or folder.values)
        folder = inner
    return folder, True


def kind_of(value: str | None) -> Kind:
    """The kind of a line about this value of a folder."""
    if value is None:
        return Kind.UNKNOWN
    return Kind.OTHERS if value == OTHERS else Kind.VALUE


def _answers(cube: Cube, dimensions: Sequence[Dimension], depth: int) -> bool:
    held = set(cube.table.column("dimension").unique().to_pylist())
    inner = [each for each in dimensions if each is not Dimension.PREFIX]
    if cube.table.num_rows and not held >= {str(each) for each in inner}:
        return False
    return depth <= (cube.facts.value_depth if inner else cube.facts.prefix_depth)


def _lacks(report: Report, missing: Sequence[str]) -> str:
    never = [name for name in missing if name in {field.name for field in report.fields}]
    if never:
        return f"nobody could fill in {', '.join(never)} of {report.address}"
    return f"{report.address} lacks {', '.join(missing)}"


def _untold(known: Sequence[str], total: Figures, prices: Prices) -> list[str]:
    lacking = {
        "bytes and mean": ("Size",),
        "oldest and newest": ("LastModifiedDate",),
        "the noncurrent share": ("IsLatest",),
        "money": ("Size", "StorageClass") if prices.storage_class_per_gb_month else ("Size",),
    }
    said = []
    for what, needs in lacking.items():
        if missing := [name for name in needs if name not in known]:
            said.append(f"{what}: the report lacks {', '.join(missing)}")
    counts = {
        "bytes, mean and money of {} objects: they have no size": total.unsized,
        "money of {} objects: they have no storage class": total.unpriced,
        "the noncurrent share: of {} objects it is not known": total.stateless,
    }
    return said + [text.format(f"{rows:,}") for text, rows in counts.items() if rows]


def _line_json(line: Line, *, growth: bool) -> dict[str, Any]:
    grown = {"growth": line.growth} if growth else {}
    place = {"prefix": line.prefix, "kind": line.kind, "value": line.value, "depth": line.depth}
    return {**place, **as_json(asdict(line.figures)), "folded": line.folded, **grown}
