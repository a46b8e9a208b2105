"""The use cases. Every face calls these and nothing else."""

from __future__ import annotations

import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Unpack

from stocktake.analysis.ddl import Engine, table_statement
from stocktake.analysis.findings import Finding, Verification
from stocktake.analysis.output import Output, write_answer
from stocktake.analysis.query import run_query
from stocktake.analysis.report import Report
from stocktake.analysis.report import open_report as open_at
from stocktake.analysis.summary import ReportSummary, Share, summarize_report
from stocktake.analysis.verify import verify_report
from stocktake.inventory.take import take_inventory as take
from stocktake.model.configuration import InventoryConfiguration, parse_configuration_json
from stocktake.model.errors import ConfigurationError
from stocktake.model.runs import InventoryResult, InventoryRun, Progress
from stocktake.model.store import Store
from stocktake.model.xml import parse_configuration_xml
from stocktake.service import house
from stocktake.service.options import (
    RunKeywords,
    RunOptions,
    StoreKeywords,
    choose,
    make_options,
    make_store,
)
from stocktake.service.planning import described, notes, plan_run

__all__ = [
    "Finding",
    "ReportSummary",
    "Share",
    "Verification",
    "ddl",
    "open_report",
    "opened_report",
    "plan",
    "query",
    "read_configuration",
    "run_inventory",
    "show",
    "take_inventory",
    "verify",
]

_log = logging.getLogger("stocktake")

CONFIGURATION_BYTES_MAX = 2**20  # AWS's own documents are a few hundred bytes


def plan(options: RunOptions) -> InventoryRun:
    """The run that `options` ask for, starting now. Nothing is asked of any store yet.

    Raises:
        UsageError: what was asked for makes no sense, or the configuration file is not one.
    """
    settings = house.settings()
    configuration = options.configuration
    if isinstance(configuration, Path):
        configuration = read_configuration(configuration)
    return plan_run(
        options,
        configuration,
        moment=house.now(),
        working_folder=settings.working_folder,
        spool_folder=settings.spool_folder,
        cores=settings.cores,
    )


def read_configuration(path: Path) -> InventoryConfiguration:
    """The configuration in a file, JSON or XML, whichever it is.

    Raises:
        ConfigurationError: it cannot be read, or AWS would refuse what it says.
    """
    try:
        with path.open("rb") as file:
            body = file.read(CONFIGURATION_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigurationError(
            f"the configuration {path} cannot be read: {error.strerror}"
        ) from error
    if len(body) > CONFIGURATION_BYTES_MAX:
        raise ConfigurationError(f"{path} is larger than a configuration can be")
    body = body.removeprefix(b"\xef\xbb\xbf")
    is_xml = body.lstrip().startswith(b"<")
    return parse_configuration_xml(body) if is_xml else parse_configuration_json(body)


def run_inventory(
    run: InventoryRun, *, on_progress: Callable[[Progress], None], stop: threading.Event
) -> InventoryResult:
    """Take the inventory and deliver the report; published when this returns.

    Raises:
        StoppedError: `stop` was set.
        InventoryError: anything else that kept the report from being published.
    """
    _log.info("taking %s", described(run))
    result = take(run, now=house.now, on_progress=on_progress, stop=stop)
    _log.info("published %s: %s", result.address, dict(result.counters))
    return result


def take_inventory(
    source: str,
    destination: str | Path | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
    **options: Unpack[RunKeywords],
) -> InventoryResult:
    """Take an inventory of `source` now and deliver the report to `destination`.

    `options` are those of `stocktake run`, by the same names and with the same defaults.
    `on_progress` is called every so often, from another thread than the caller's perhaps; setting
    `stop` ends the run cleanly.

    Returns:
        The published report: its address, its manifest and what was counted.

    Raises:
        UsageError: what was asked for makes no sense.
        StoppedError: `stop` was set.
        InventoryError: anything else that kept the report from being published.
    """
    run = plan(make_options(source, destination, **options))
    result = run_inventory(run, on_progress=on_progress or _ignore, stop=stop or threading.Event())
    return replace(result, warnings=(*notes(run), *result.warnings))


def open_report(address: str | Path, **store: Unpack[StoreKeywords]) -> Report:
    """Open the report at `address`: a manifest.json, a report folder or a configuration folder.

    `store` describes where an `s3://` address lies, in the words of `stocktake show`. What is held
    open for the report is closed when nothing refers to it any more.

    Raises:
        AddressError: it is no address.
        NoReportError: there is no published report.
        ManifestError: its manifest is damaged.
        StoreError: the store was asked and did not answer.
    """
    with ExitStack() as doors:
        report = doors.enter_context(opened_report(str(address), make_store(**store)))
        weakref.finalize(report, doors.pop_all().close)
    return report


@contextmanager
def opened_report(address: str, store: Store) -> Iterator[Report]:
    """The report at `address`, open while the block runs.

    Raises:
        InventoryError: as `open_report`.
    """
    with house.opened_files(address, store) as (files, key):
        report = open_at(files, key)
        _log.info("opened %s", report.address)
        yield report


def query(address: str, sql: str, *, output: str, sink: BinaryIO, store: Store) -> int:
    """Write what `sql` yields over the report at `address`, as the form called `output`.

    Returns:
        How many rows it yielded.

    Raises:
        UsageError: no such form, no such address; QueryError: SQL that the report cannot answer.
        InventoryError: the report cannot be opened or read.
    """
    form = choose(Output, output, "output format")
    with opened_report(address, store) as report, run_query(report, sql) as answer:
        return write_answer(answer, form, sink)


def show(address: str, *, store: Store) -> ReportSummary:
    """What the report at `address` is and holds.

    Raises:
        InventoryError: it cannot be opened or read.
    """
    with opened_report(address, store) as report:
        return summarize_report(report)


def verify(address: str, *, store: Store) -> Verification:
    """Everything the report at `address` claims, checked.

    Raises:
        InventoryError: it cannot be opened.
    """
    with opened_report(address, store) as report:
        return verify_report(report)


def ddl(
    address: str, *, engine: str, store: Store, table: str | None = None, repair: bool = False
) -> str:
    """The statement that makes the report at `address` a table of `engine`.

    Raises:
        UsageError: an engine nobody knows, or one that cannot read this report.
        InventoryError: the report cannot be opened.
    """
    chosen = choose(Engine, engine, "engine")
    with opened_report(address, store) as report:
        if table is None:
            return table_statement(report, chosen, repair=repair)
        return table_statement(report, chosen, table=table, repair=repair)


def _ignore(_progress: Progress) -> None:
    pass
