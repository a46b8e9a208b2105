"""Taking an inventory, from the bucket to the published report: the straight line. Read this first.

    configuration ──survey──▶ ranges ──engine──▶ (list ▶ enrich ▶ spool ▶ write) ──▶ data files ──publish──▶ manifest

What fails before the survey has written nothing. What fails after it has published nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from importlib.metadata import version
from uuid import uuid4

from stocktake.inventory.delivery import open_destination
from stocktake.inventory.engine import Engine, WorkPlan
from stocktake.inventory.heading import HIDDEN
from stocktake.inventory.leftovers import settling_leftovers
from stocktake.inventory.permissions import settle_silence
from stocktake.inventory.publish import describe_run, publish
from stocktake.inventory.spool import spool_folder
from stocktake.inventory.stopping import NOTHING_LEFT, STOPPED, stopping, unless_stopped
from stocktake.inventory.survey import Survey, survey
from stocktake.model.errors import (
    IncompleteRunError,
    ReportExistsError,
    StoppedError,
)
from stocktake.model.keys import KeyRange
from stocktake.model.paths import ReportPaths, configuration_root
from stocktake.model.proof import check_files
from stocktake.model.runs import Counters, InventoryResult, InventoryRun, Progress, RunStage, group
from stocktake.store.connection import Connection
from stocktake.store.destinations import Destination
from stocktake.store.transport import Transport

# A second run in the same minute takes the next free one; so many minutes ahead it may reach.
MINUTES_AHEAD_MAX = 5


def take_inventory(
    run: InventoryRun,
    *,
    now: Callable[[], datetime],
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
) -> InventoryResult:
    """Take the inventory `run` asks for and publish its report.

    Raises:
        StoppedError: `stop` was set; delivered data files stay, and the hint says how to remove them.
        InventoryError: anything else; then nothing was published, and what had been delivered is removed again.
    """
    started = now()
    counters = Counters()
    with ExitStack() as doors:
        folder = doors.enter_context(spool_folder(run.spool_folder))
        engine = doors.enter_context(Engine(folder, counters, stop))
        connection = Connection.open(run.source, region=run.region)
        transport = doors.enter_context(Transport(connection, run.limits, counters))
        doors.enter_context(stopping(stop, transport))
        on_progress(Progress(RunStage.SURVEY, counters, None))
        ranges = _survey(run, transport)
        # The store may have told another region; the workers need not find out for themselves.
        run = replace(run, region=connection.region_of(run.bucket))
        destination = doors.enter_context(open_destination(run, counters))
        paths = unless_stopped(stop, lambda: _free_paths(run, destination))
        unless_stopped(stop, lambda: destination.check_writable(paths.root))
        plan = WorkPlan(
            name_file=lambda: paths.data(uuid4(), run.configuration.delivery.format),
            on_progress=lambda key: on_progress(_progress(RunStage.LIST, counters, ranges, key)),
        )
        placed: list[str] = []
        with settling_leftovers(run, destination, engine.named, placed, stop):
            files = engine.work(run, ranges.ranges, plan)
            check_files(files, KeyRange(), counters["rows"])
            settle_silence(run, counters, engine.silent, transport, connection)
            _count_unknowable(counters)
            _check_strict(run, counters)
            on_progress(_progress(RunStage.PUBLISH, counters, ranges, ""))
            sidecar = describe_run(
                run,
                files,
                counters,
                generator=f"stocktake {version('stocktake')}",
                endpoint=connection.endpoint_url(run.bucket),
                warnings=_warnings(ranges, counters),
                started=started,
                finished=now(),
            )
            manifest = publish(run, paths, files, sidecar, destination=destination, placed=placed)
        return InventoryResult(
            address=destination.uri(paths.manifest),
            manifest=manifest,
            counters=counters,
            seconds=(now() - started).total_seconds(),
            files=files,
            warnings=sidecar.warnings,
        )


def _survey(run: InventoryRun, transport: Transport) -> Survey:
    try:
        return survey(run, transport)
    except StoppedError as error:
        raise StoppedError(STOPPED, hint=NOTHING_LEFT) from error


def _free_paths(run: InventoryRun, destination: Destination) -> ReportPaths:
    """Where this run's report goes: the folder of its minute, or of the next minute that has none."""
    delivery = run.configuration.delivery
    root = configuration_root(delivery.prefix or "", run.bucket, run.configuration.id)
    for minutes in range(MINUTES_AHEAD_MAX + 1):
        paths = ReportPaths(root, run.moment + timedelta(minutes=minutes))
        if not any(True for _ in destination.list(f"{paths.folder}/")):
            return paths
    raise ReportExistsError(
        f"there are report folders already from {ReportPaths(root, run.moment).folder} on, for every minute"
        f" to {paths.folder}",
        hint="wait a few minutes, or give this run another --id",
    )


def _progress(stage: RunStage, counters: Counters, ranges: Survey, key: str) -> Progress:
    return Progress(stage, counters, 1.0 if stage is RunStage.PUBLISH else ranges.done(key), key)


def _count_unknowable(counters: Counters) -> None:
    """`problems.unknowable`: the values that may be withheld, over all fields, and the objects SSE-C hides."""
    unknowable = sum(group(counters, "unknowable").values()) + counters[HIDDEN]
    if unknowable:
        counters["problems.unknowable"] = unknowable


def _check_strict(run: InventoryRun, counters: Counters) -> None:
    problems = group(counters, "problems")
    if run.strict and problems:
        found = ", ".join(f"{count} {kind}" for kind, count in problems.items())
        raise IncompleteRunError(
            f"not everything could be learned ({found}), and --strict asks for all or nothing",
            hint="run without --strict to publish the report with these rows as far as they are known",
        )


def _warnings(ranges: Survey, counters: Counters) -> tuple[str, ...]:
    noted = {
        ranges.warning: bool(ranges.warning),
        f"{counters[HIDDEN]} objects are encrypted with customers' keys (SSE-C), without which a store tells"
        " nothing more of them": counters[HIDDEN] > 0,
        "this store has no object ACLs": counters["without.acl"] > 0,
        "this store has no object tags": counters["without.tagging"] > 0,
        "a key has too many versions to sort: they stand in listed order": counters["unsorted_keys"]
        > 0,
    }
    return tuple(text for text, applies in noted.items() if applies)
