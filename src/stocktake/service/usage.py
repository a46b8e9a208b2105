"""Usage cubes beside published reports: made after a run that was asked for one, or later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from threading import Event

from stocktake.analysis.report import Report, open_report
from stocktake.analysis.usage.cube import Cube, find_cube
from stocktake.analysis.usage.questions import Bounds
from stocktake.model.errors import InventoryError
from stocktake.model.paths import USAGE, ReportPaths
from stocktake.model.runs import InventoryRun
from stocktake.model.store import Store
from stocktake.model.usage import Dimension
from stocktake.service import house
from stocktake.store.destinations import open_destination


def keep_usage(address: str, store: Store) -> str:
    """Count the report at `address`, and write its usage cube beside it, unless it has one; returns where.

    Raises:
        UsageError: no address.
        InventoryError: the report cannot be read, or the cube not written; a file that is no cube of this report stays.
    """
    with house.opened_files(address, store) as (files, key):
        report = open_report(files, key)
        where = f"{report.address.rpartition('/')[0]}/{USAGE}"
        body = _made(report, Event())
    if body is not None:
        with house.opened_place(where, store) as (place, name):
            place.put(name, body)
    return where


def keep_usage_of_run(
    run: InventoryRun,
    paths: ReportPaths,
    address: str,
    stop: Event,
    placed: Callable[[str, str], None],
) -> str:
    """As `keep_usage` for the report at `paths` that a run has just published, written as its other files are;
    `placed` is told the key and which version was made, in a bucket that has versions. Whatever goes wrong, the report
    stays what it is: returns what did, or nothing.
    """
    try:
        with house.opened_files(address, run.destination) as (files, key):
            body = _made(open_report(files, key), stop)
        if body is not None:
            with open_destination(run, Counter()) as destination:
                version = destination.put(paths.usage, body)
            if version is not None:
                placed(paths.usage, version)
    except InventoryError as error:
        return (
            f"the report is published, but its {USAGE} was not made: {error.message};"
            f" `stocktake usage {address} --save` tries again"
        )
    return ""


def _made(report: Report, stop: Event) -> bytes | None:
    """The usage cube of a report; None where it has one."""
    try:
        if find_cube(report) is not None:
            return None
    except InventoryError:
        pass  # what is there is no cube of this report, and writing one tells
    return counted(report, stop=stop).encode()


def counted(
    report: Report,
    dimensions: Sequence[Dimension] | None = None,
    bounds: Bounds | None = None,
    *,
    stop: Event | None = None,
) -> Cube:
    """The usage cube of a report, within the environment's limits, but with so little memory that the whole process
    stays below 2 GB. Where nothing else is said, it is the one that is kept.

    Raises:
        UsageError: the environment's limits make no sense.
        InventoryError: the report cannot be read, or `stop` was set.
    """
    # A cube that is there answers without an engine, which takes longer to load than that.
    from stocktake.analysis.usage.counting import (  # noqa: PLC0415
        DEFAULT_BOUNDS,
        USAGE_LIMITS,
        count_usage,
    )
    from stocktake.service.limits import query_limits  # noqa: PLC0415

    limits = query_limits()
    memory = min(limits.memory_bytes_max, USAGE_LIMITS.memory_bytes_max)
    return count_usage(
        report,
        dimensions=dimensions,
        bounds=bounds or DEFAULT_BOUNDS,
        limits=replace(limits, memory_bytes_max=memory),
        stop=stop,
    )
