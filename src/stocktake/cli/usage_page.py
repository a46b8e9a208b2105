"""The page that `usage --html` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stocktake import __version__
from stocktake.cli.outcome import on_one_line
from stocktake.cli.pages.charts import Value
from stocktake.cli.pages.document import render_document
from stocktake.cli.usage_text import (
    NOT_TOLD,
    day,
    expected_text,
    grown_text,
    line_name,
    money_text,
    pace_text,
    share_of,
    size_text,
    value_name,
)
from stocktake.cli.words import bytes_text, count, counted, money_amount, share_text
from stocktake.service.commands.usage import Dimension, Kind, size_order

if TYPE_CHECKING:
    from stocktake.service.commands.usage import Folder, Growth, Line, Measure, Usage, UsageSource

ROWS_MAX = 2000
BOXES_MAX = 60
BARS_MAX = 12
POINTS_MAX = 12  # columns that have room for their words
_HISTOGRAMS = (Dimension.AGE, Dimension.SIZE)  # shown whole, in their own order
_TITLES: Mapping[Dimension, str] = {
    Dimension.AGE: "Age",
    Dimension.SIZE: "Size",
    Dimension.CLASS: "Storage class",
    Dimension.EXTENSION: "Extension",
    Dimension.ENCRYPTION: "Encryption",
    Dimension.OWNER: "Owner",
    Dimension.VERSION_STATE: "Versions",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """What a chart shows, and what it is called."""

    title: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table."""

    name: str
    note: str
    cells: tuple[str, ...]


def usage_page(source: UsageSource, usage: Usage) -> str:
    """The usage as one HTML file that stands alone: with a treemap of the folders, and a chart of every dimension that
    the report can be told by.
    """
    sized = usage.total.bytes is not None
    unit = "bytes" if sized else "objects"
    rows = [_row(usage, line) for line in usage.lines[:ROWS_MAX]]
    growth = usage.growth
    return render_document(
        "usage.html",
        title=f"Usage of s3://{usage.source_bucket}",
        subtitle=f"{usage.address}, taken {usage.created:%Y-%m-%d %H:%M} UTC",
        generator=f"stocktake {__version__}",
        usage=usage,
        unit=unit,
        facts=_facts(usage),
        boxes=_boxes(source.root(Dimension.PREFIX), sized=sized),
        histograms=[_chart(source, each, unit) for each in _TITLES if each in source.dimensions],
        growth=growth,
        growth_charts=_growth_charts(growth, usage.prices.currency) if growth else (),
        forecasts=_forecasts(growth, usage.prices.currency) if growth else (),
        headings=_headings(usage),
        rows=rows,
        rows_left=len(usage.lines) - len(rows),
    )


def _facts(usage: Usage) -> dict[str, str]:
    total, prices = usage.total, usage.prices
    as_of = f", as of {prices.as_of}" if prices.as_of else ""
    shown = {
        "objects": count(total.objects),
        "delete markers": count(total.delete_markers) if total.delete_markers else "",
        "bytes": size_text(total.bytes),
        "mean": size_text(total.mean),
        "modified": f"{day(total.oldest)} to {day(total.newest)}",
        "noncurrent": NOT_TOLD
        if total.noncurrent_share is None
        else share_text(total.noncurrent_share),
        f"{prices.currency} a month": money_text(total),
        "prices": f"{prices.name}{as_of}",
    }
    return {name: text for name, text in shown.items() if text}


def _boxes(root: Folder, *, sized: bool) -> list[Value]:
    """The folders that hold the most, as deep as there is room for: the largest is parted again and again into what it
    holds, so that the boxes together are always all there is.
    """
    boxes: list[tuple[Folder, bool]] = [(root, True)]  # with a flag: it may be parted

    def amount(each: tuple[Folder, bool]) -> int:
        measured = each[0].total if each[1] else each[0].here
        return measured.bytes if sized else measured.objects

    while True:
        open_ones = [each for each in boxes if each[1] and each[0].folders]
        largest = max(open_ones, key=amount, default=None)
        if largest is None or len(boxes) + len(largest[0].folders) > BOXES_MAX:
            break
        boxes.remove(largest)
        boxes += [(inner, True) for inner in largest[0].folders]
        boxes.append((largest[0], False))
    values = []
    for number, each in enumerate(sorted(boxes, key=amount, reverse=True)):
        folder, whole = each
        measured = folder.total if whole else folder.here
        label = on_one_line(folder.prefix) or "(no folder)"
        kind = ("plain", "info", "good", "low")[number % 4]
        values.append(Value(label, amount(each), _extent(measured, sized=sized), kind))
    return values


def _chart(source: UsageSource, dimension: Dimension, unit: str) -> Chart:
    """All of the report by one dimension: of those without an order the largest values, the rest together."""
    found = list(source.root(dimension).values.items())
    whole = dimension in _HISTOGRAMS
    sized = unit == "bytes"
    if dimension is not Dimension.VERSION_STATE:
        found = [each for each in found if each[1].objects]
    if not whole:
        found.sort(key=lambda each: size_order(each[1]))
    values = [
        Value(
            value_name(value), measured.bytes if sized else measured.objects, _extent(measured, sized=sized),
        )
        for value, measured in found[: None if whole else BARS_MAX]
    ]  # fmt: skip
    left = [] if whole else [measured for _, measured in found[BARS_MAX:]]
    if left:
        amount = sum(each.bytes if sized else each.objects for each in left)
        values.append(
            Value(
                f"({len(left)} more)",
                amount,
                bytes_text(amount) if sized else count(amount),
                "info",
            )
        )
    return Chart(f"{_TITLES[dimension]}, by {unit}", tuple(values))


def _extent(measured: Measure, *, sized: bool) -> str:
    markers = (
        f", {counted(measured.delete_markers, 'delete marker')}" if measured.delete_markers else ""
    )
    size = f"{bytes_text(measured.bytes)}, " if sized else ""
    return f"{size}{counted(measured.objects, 'object')}{markers}"


def _growth_charts(growth: Growth, currency: str) -> list[Chart]:
    points = growth.points[-POINTS_MAX:]
    charts = []
    for what, text in (("objects", count), ("bytes", bytes_text), ("money", money_amount)):
        amounts = [getattr(point, what) for point in points]
        if all(amount is not None for amount in amounts):
            values = (
                Value(f"{point.created:%m-%d}", amount, text(amount))
                for point, amount in zip(points, amounts, strict=True)
            )
            unit = f"{currency} a month" if what == "money" else what
            charts.append(Chart(f"Growth in {unit}", tuple(values)))
    return charts


def _forecasts(growth: Growth, currency: str) -> list[str]:
    return [
        f"{pace_text(each, currency)}: "
        + "; ".join(expected_text(each, ahead, currency) for ahead in each.expected)
        for each in growth.forecasts
    ]


def _headings(usage: Usage) -> Sequence[str]:
    grown = ("growth",) if usage.growth is not None else ()
    return (
        "bytes", *grown, "share", "objects", "mean", "oldest", "newest", "noncurrent", "markers",
        f"{usage.prices.currency} a month",
    )  # fmt: skip


def _row(usage: Usage, line: Line) -> Row:
    told = line.figures
    cells = [
        size_text(told.bytes),
        *([grown_text(line, usage)] if usage.growth is not None else []),
        share_text(share_of(told, usage.total)),
        count(told.objects),
        size_text(told.mean),
        day(told.oldest),
        day(told.newest),
        NOT_TOLD if told.noncurrent_share is None else share_text(told.noncurrent_share),
        NOT_TOLD if told.delete_markers is None else count(told.delete_markers),
        money_text(told),
    ]
    folder = line.kind is Kind.FOLDER
    name = line.prefix if folder and line.prefix else line_name(usage, line)
    notes = [f"below {on_one_line(line.prefix)}"] if not folder and line.prefix else []
    if line.folded:
        notes.append(f"and {counted(line.folded, 'folder')} not kept apart")
    return Row(name, ", ".join(notes), tuple(cells))
