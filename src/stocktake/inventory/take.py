"""Taking an inventory, from the bucket to the published report: the straight line. Read this first.

    configuration ──survey──▶ ranges ──engine──▶ (list ▶ enrich ▶ spool ▶ write) ──▶ data files ──publish──▶ manifest

The survey is the first page: whether the bucket can be listed at all, and where it may be split. What fails before it
came has written nothing. What fails after it has published nothing.

A store that cannot begin a page where it is asked to is found out by the first page that should begin somewhere. Then
the run goes on as if it had been interrupted, by a serial walk.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from importlib.metadata import version
from pathlib import Path
from uuid import uuid4

from stocktake.inventory.ageing import gather_ages
from stocktake.inventory.engine import Engine
from stocktake.inventory.heading import HIDDEN
from stocktake.inventory.journal import Journal
from stocktake.inventory.permissions import settle_silence
from stocktake.inventory.publish import describe_run, publish
from stocktake.inventory.shares import lanes_max
from stocktake.inventory.splitting import Splitter
from stocktake.inventory.spool import make_spool
from stocktake.inventory.stopping import stopping, unless_stopped
from stocktake.model.capabilities import Walk
from stocktake.model.errors import IncompleteRunError, MarkerIgnoredError, ReportExistsError
from stocktake.model.keys import KeyRange
from stocktake.model.paths import AGES, ReportPaths, configuration_root
from stocktake.model.pieces import Kept
from stocktake.model.proof import check_files, check_ranges
from stocktake.model.remembering import WITHHELD, Memory, count_fates
from stocktake.model.runs import Counters, InventoryResult, InventoryRun, Progress, RunStage, group
from stocktake.store.connection import Connection
from stocktake.store.destinations import Destination, open_destination
from stocktake.store.transport import Transport

# A second run in the same minute takes the next free one; so many minutes ahead it may reach.
MINUTES_AHEAD_MAX = 5


def take_inventory(
    run: InventoryRun,
    *,
    kept: Kept,
    spool: Path,
    journal: Journal,
    now: Callable[[], datetime],
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
    hints: Sequence[str] = (),
    memory: Memory | None = None,
) -> InventoryResult:
    """Take the inventory `run` asks for and publish its report. Of what `kept` holds, nothing is done again. Rows wait
    in the folder `spool`; what is finished is told to `journal` at once, so that another call can go on from there.
    `hints` are keys between which about equally many lie, as far as anybody knows; `memory` is the report whose answers
    are taken over.

    Raises:
        StoppedError: `stop` was set.
        InventoryError: anything else. Either way nothing was published; segments and delivered data files stay.
    """
    take = partial(
        _take, run, spool=spool, journal=journal, now=now, on_progress=on_progress, stop=stop, started=now(),
        memory=memory,
    )  # fmt: skip
    try:
        return take(Walk.PARALLEL, kept=kept, hints=hints)
    except MarkerIgnoredError as error:
        if not error.unable:
            raise
    return take(Walk.SERIAL, kept=journal.kept(), hints=())


def _take(
    run: InventoryRun,
    walk: Walk,
    *,
    kept: Kept,
    hints: Sequence[str],
    spool: Path,
    journal: Journal,
    now: Callable[[], datetime],
    on_progress: Callable[[Progress], None],
    stop: threading.Event,
    started: datetime,
    memory: Memory | None,
) -> InventoryResult:
    counters: Counters = Counter(kept.counters)
    with ExitStack() as doors:
        make_spool(spool)
        engine = doors.enter_context(
            Engine(
                run, kept, spool, counters=counters, journal=journal, stop=stop,
                on_progress=on_progress, walk=walk, memory=memory, now=now,
            )
        )  # fmt: skip
        connection = Connection.open(run.source, region=run.region)
        transport = doors.enter_context(Transport(connection, run.limits, counters))
        doors.enter_context(stopping(stop, transport))
        on_progress(Progress(RunStage.SURVEY, counters, None))
        lanes = lanes_max(run, remembers=memory is not None)
        splitter = Splitter(kept.uncovered(KeyRange()), lanes=lanes, hints=hints)
        engine.survey(splitter, connection.way(run.bucket))
        destination = doors.enter_context(open_destination(run, counters))
        paths = unless_stopped(stop, lambda: _chosen_paths(run, kept, destination, journal))
        unless_stopped(stop, lambda: destination.check_writable(paths.probe))
        files = engine.work(lambda: paths.data(uuid4(), run.configuration.delivery.format))
        ranges = engine.listed_ranges()
        check_ranges(ranges, KeyRange(), counters["rows"])
        check_files(files, KeyRange(), counters["rows"])
        settle_silence(run, counters, engine.silent, transport, connection)
        _count_in_the_end(run, counters)
        on_progress(Progress(RunStage.PUBLISH, counters, 1.0))
        ages = gather_ages(run, files, spool / AGES, paths.ages)
        sidecar = describe_run(
            run, files, ranges, counters, histogram=engine.histogram(), ages=ages, walk=walk,
            generator=f"stocktake {version('stocktake')}", endpoint=connection.endpoint_url(run.bucket),
            warnings=_warnings(counters, walk), started=started, finished=now(),
        )  # fmt: skip
        manifest = publish(
            run, paths, files, sidecar, ages=ages, destination=destination, journal=journal
        )
        return InventoryResult(
            address=destination.uri(paths.manifest),
            manifest=manifest,
            counters=counters,
            seconds=(now() - started).total_seconds(),
            files=files,
            warnings=sidecar.warnings,
            walk=walk,
        )


def _chosen_paths(
    run: InventoryRun, kept: Kept, destination: Destination, journal: Journal
) -> ReportPaths:
    """Where this run's report goes: where it was to go before, else the folder of its minute, or of the next minute
    that has none.
    """
    if kept.root is not None and kept.moment is not None:
        return ReportPaths(kept.root, kept.moment)
    delivery = run.configuration.delivery
    root = configuration_root(delivery.prefix or "", run.bucket, run.configuration.id)
    for minutes in range(MINUTES_AHEAD_MAX + 1):
        paths = ReportPaths(root, run.moment + timedelta(minutes=minutes))
        free = not any(True for _ in destination.list(f"{paths.folder}/"))
        if free and journal.folder(root, paths.moment):
            return paths
    raise ReportExistsError(
        f"there are report folders already from {ReportPaths(root, run.moment).folder} on, for every minute"
        f" to {paths.folder}",
        hint="wait a few minutes, or give this run another --id",
    )


def _count_in_the_end(run: InventoryRun, counters: Counters) -> None:
    """What became of answers, and `problems.unknowable`: the values that may be withheld, over all fields, and the
    objects SSE-C hides.

    Raises:
        IncompleteRunError: there are problems, and the run is strict.
    """
    count_fates(counters)
    for name, rows in group(counters, WITHHELD).items():
        counters[f"unknowable.{name}"] += rows
    unknowable = sum(group(counters, "unknowable").values()) + counters[HIDDEN]
    if unknowable:
        counters["problems.unknowable"] = unknowable
    problems = group(counters, "problems")
    if run.strict and problems:
        found = ", ".join(f"{count} {kind}" for kind, count in problems.items())
        raise IncompleteRunError(
            f"not everything could be learned ({found}), and --strict asks for all or nothing",
            hint="run without --strict to publish the report with these rows as far as they are known",
        )


def _warnings(counters: Counters, walk: Walk) -> tuple[str, ...]:
    noted = {
        "this store does not begin a page where it is asked to: the bucket was listed serially, page by page from its"
        " first key on": walk is Walk.SERIAL,
        f"{counters['unseen']} places could not be looked at again: this store takes no token twice, or answered"
        " without a key": counters["unseen"] > 0,
        f"{counters[HIDDEN]} objects are encrypted with customers' keys (SSE-C), without which a store tells"
        " nothing more of them": counters[HIDDEN] > 0,
        "part of the remembered report could not be read; its objects were asked about"
        " again": counters["remembered.unreadable"] > 0,
        "this store has no object ACLs": counters["without.acl"] > 0,
        "this store has no object tags": counters["without.tagging"] > 0,
        "a key has too many versions to sort: they stand in listed order": counters["unsorted_keys"]
        > 0,
    }
    return tuple(text for text, applies in noted.items() if applies)
