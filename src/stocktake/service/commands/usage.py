"""The usage of reports: told, or kept beside a report as its usage cube."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stocktake.analysis.relation import VIEW
from stocktake.analysis.usage.growth import Expected, Forecast, Growth, Point
from stocktake.analysis.usage.measures import Figures, Measure
from stocktake.analysis.usage.tree import Folder, size_order
from stocktake.analysis.usage.usage import Kind, Line, Usage, UsageSource, kind_of
from stocktake.model.errors import UsageError
from stocktake.model.store import Store
from stocktake.model.usage import DEPTH_MAX, Dimension
from stocktake.service.commands.report import opened_tables
from stocktake.service.options import choose
from stocktake.service.tables import load_prices
from stocktake.service.usage import counted, keep_usage

__all__ = [
    "Dimension", "Expected", "Figures", "Folder", "Forecast", "Growth", "Kind", "Line", "Measure", "Point",
    "Usage", "UsageSource", "checked_depth", "keep_usage", "kind_of", "opened_usage", "parse_dimension", "size_order",
]  # fmt: skip


@contextmanager
def opened_usage(
    address: str,
    *,
    store: Store,
    dt: str | None = None,
    prices: str | None = None,
    warn: Callable[[str], None],
) -> Iterator[UsageSource]:
    """The report at `address`, whose usage can be asked while the block runs; with `dt`, a range of dates, all reports
    of a configuration's folder.

    Raises:
        UsageError: no price table, no range of dates.
        InventoryError: a report cannot be opened.
    """
    table = load_prices(prices)
    with opened_tables({VIEW: address}, store=store, dt=dt) as [reports]:
        yield UsageSource(reports.reports, table, count=counted, warn=warn)


def parse_dimension(word: str) -> Dimension:
    """The dimension that `word` names.

    Raises:
        UsageError: none.
    """
    return choose(Dimension, word, "dimension")


def checked_depth(depth: int | None, by: Dimension) -> int:
    """How many levels of folders are told; where nobody says, the first of them, or the whole report by its values.

    Raises:
        UsageError: more than are told apart.
    """
    if depth is None:
        return 1 if by is Dimension.PREFIX else 0
    if not 0 <= depth <= DEPTH_MAX:
        raise UsageError(f"--depth {depth} is out of range; expected 0 to {DEPTH_MAX}")
    return depth
