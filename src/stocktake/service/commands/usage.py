"""The usage of reports: told, or kept beside a report as its usage cube."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from stocktake.analysis.query import QueryLimits
from stocktake.analysis.relation import VIEW
from stocktake.analysis.report import open_report
from stocktake.analysis.usage.cube import USAGE_LIMITS, count_usage
from stocktake.analysis.usage.growth import Expected, Forecast, Growth, Point
from stocktake.analysis.usage.measures import Figures, Measure
from stocktake.analysis.usage.tree import OTHERS, Folder, size_order
from stocktake.analysis.usage.usage import Kind, Line, Usage, UsageSource
from stocktake.model.errors import InventoryError, UsageError
from stocktake.model.store import Store
from stocktake.model.usage import DEPTH_MAX, USAGE, Dimension
from stocktake.service import house
from stocktake.service.commands.report import opened_tables
from stocktake.service.limits import query_limits
from stocktake.service.options import choose
from stocktake.service.tables import load_prices

__all__ = [
    "OTHERS", "Dimension", "Expected", "Figures", "Folder", "Forecast", "Growth", "Kind", "Line", "Measure", "Point",
    "Usage", "UsageSource", "checked_depth", "keep_usage", "opened_usage", "parse_dimension", "size_order",
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
    """What can be asked for the usage of the report at `address`, or with `dt`, a range of dates, of all of a configuration's
    folder, open while the block runs.

    Raises:
        UsageError: no price table, no range of dates.
        InventoryError: a report cannot be opened.
    """
    table = load_prices(prices)
    with opened_tables({VIEW: address}, store=store, dt=dt) as [reports]:
        yield UsageSource(reports.reports, table, warn=warn, limits=_limits())


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


def keep_usage(address: str, store: Store) -> str:
    """Count the report at `address`, and write its usage cube beside it; returns where.

    Raises:
        UsageError: no address.
        InventoryError: the report cannot be read, or the cube not written; one that is there is not replaced.
    """
    with house.opened_files(address, store) as (files, key):
        report = open_report(files, key)
        body = count_usage(report, limits=_limits()).encode()
        where = f"{report.address.rpartition('/')[0]}/{USAGE}"
    with house.opened_place(where, store) as (place, name):
        place.put(name, body)
    return where


def keep_usage_if_possible(address: str, store: Store) -> str:
    """As `keep_usage`, for a report that is published whatever becomes of this; returns what went wrong, or nothing."""
    try:
        keep_usage(address, store)
    except InventoryError as error:
        return (
            f"the report is published, but its {USAGE} could not be made: {error.message};"
            f" `stocktake usage {address} --save` tries again"
        )
    return ""


def _limits() -> QueryLimits:
    """What the environment says, but so little memory that the whole process stays below 2 GB."""
    limits = query_limits()
    return replace(
        limits, memory_bytes_max=min(limits.memory_bytes_max, USAGE_LIMITS.memory_bytes_max)
    )
