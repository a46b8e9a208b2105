"""Taking an inventory: from what was asked for to the published report."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from stocktake.inventory.spool import make_spool
from stocktake.inventory.stopping import unless_stopped
from stocktake.inventory.take import take_inventory as take
from stocktake.model.documents import decode_run
from stocktake.model.errors import ReportError, StoreError
from stocktake.model.remembering import Memory
from stocktake.model.runs import InventoryResult, InventoryRun, Progress
from stocktake.service import house
from stocktake.service.clearing import chosen_paths
from stocktake.service.configuration_files import read_configuration
from stocktake.service.journal import LedgerJournal, Work
from stocktake.service.options import RunKeywords, RunOptions, make_options
from stocktake.service.planning import described, notes, plan_run
from stocktake.service.previous import Previous, find_previous, hints_of
from stocktake.service.remembering import choose_memory, forget_memory, prepare_memory
from stocktake.service.runs import open_ledger
from stocktake.service.working import (
    beating,
    begin_run,
    carry_out,
    find_resumable,
    resume_run,
)
from stocktake.state.ledger import Ledger

if TYPE_CHECKING:
    from stocktake.model.estimate import Estimate

_log = logging.getLogger("stocktake")


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
        file_rows=settings.file_rows,
    )


def run_inventory(
    run: InventoryRun, *, on_progress: Callable[[Progress], None], stop: threading.Event
) -> InventoryResult:
    """Take the inventory and deliver the report; published when this returns. What it has done is in the ledger, so
    that `resume_inventory` can go on where this ended without a report.

    Raises:
        StoppedError: `stop` was set.
        InventoryError: anything else that kept the report from being published.
    """
    run, note = unless_stopped(stop, lambda: choose_memory(run))
    with open_ledger(house.settings().state_folder) as ledger:
        work = begin_run(ledger, run, house.made_spool_folder(run.spool_folder))
        return carried_out(ledger, work, on_progress, stop, note)


def find_run(name: str | None) -> tuple[str, InventoryRun]:
    """The run called `name`, or the newest that can be gone on with: what it is called, and what it asks for.

    Raises:
        UsageError: there is none.
    """
    with open_ledger(house.settings().state_folder) as ledger:
        record = find_resumable(ledger, name)
    return record.id, decode_run(record.document)


def resume_inventory(
    name: str, *, on_progress: Callable[[Progress], None], stop: threading.Event
) -> InventoryResult:
    """Go on with the run called `name`, and deliver its report; published when this returns.

    Raises:
        UsageError: there is no such run, or it is over.
        StoppedError: `stop` was set.
        InventoryError: anything else that kept the report from being published; such as another process that works
            on it.
    """
    with open_ledger(house.settings().state_folder) as ledger:
        return carried_out(ledger, resume_run(ledger, name), on_progress, stop)


def carried_out(
    ledger: Ledger,
    work: Work,
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
    note: str = "",
) -> InventoryResult:
    """Carry out `work`, which is entered in the ledger, and deliver its report; as `resume_inventory`."""
    _log.info("taking %s, run %s", described(work.run), work.claim.run)

    def taken(work: Work, journal: LedgerJournal) -> InventoryResult:
        previous = Previous()
        if not work.resumed:
            previous = unless_stopped(stop, lambda: find_previous(work.run))
        expected = _expected(work.run, previous)
        run, memory, why = unless_stopped(stop, lambda: _memory(work))
        result = take(
            run,
            kept=work.kept,
            spool=work.spool,
            journal=journal,
            now=house.now,
            on_progress=beating(journal, on_progress, house.now),
            stop=stop,
            hints=hints_of(previous),
            memory=memory,
        )
        result = replace(result, warnings=(*filter(None, (note, why)), *result.warnings))
        return result if expected is None else _compared(result, expected)

    result = carry_out(ledger, work, taken)
    _log.info("published %s: %s", result.address, dict(result.counters))
    return _with_usage(ledger, work, result, stop) if work.run.usage else result


def _with_usage(
    ledger: Ledger, work: Work, result: InventoryResult, stop: threading.Event
) -> InventoryResult:
    """The result of a run that was asked for a usage cube beside its report; a warning says where there is none."""
    # It needs all that reads reports, which no other run does.
    from stocktake.service.usage import keep_usage_of_run  # noqa: PLC0415

    run = work.claim.run
    paths = chosen_paths(ledger.run(run))
    assert paths is not None, "a published report has a folder"
    placed = partial(ledger.expiries.wrote, run)
    warning = keep_usage_of_run(work.run, paths, result.address, stop, placed)
    return replace(result, warnings=(*result.warnings, warning)) if warning else result


def _memory(work: Work) -> tuple[InventoryRun, Memory | None, str]:
    """The run, with what it takes over ready to be read; or why that cannot be, for then everything is asked for."""
    make_spool(work.spool)
    try:
        return work.run, prepare_memory(work.run, work.spool), ""
    except (ReportError, StoreError) as error:
        forget_memory(work.spool)
        remembering = replace(work.run.remembering, report=None, withheld=())
        run = replace(work.run, remembering=remembering)
        return run, None, f"nothing is remembered: {error.message}"


def _expected(run: InventoryRun, previous: Previous) -> Estimate | None:
    """What the last report lets expect of a run; None where it tells nothing, or the run is only the rest of one."""
    if previous.sidecar is None:
        return None
    # Planning is large, and most of it is not about the last report.
    from stocktake.service.estimating import expect_again  # noqa: PLC0415

    return expect_again(run, previous)


def _compared(result: InventoryResult, expected: Estimate) -> InventoryResult:
    """The result, with what was expected beside it."""
    from stocktake.model.estimate import compare  # noqa: PLC0415

    written = sum(file.size for file in result.manifest.files)
    rows = compare(expected, result.counters, seconds=result.seconds, report_bytes=written)
    return replace(result, compared=rows)


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


def _ignore(_progress: Progress) -> None:
    pass
