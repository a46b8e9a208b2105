"""The scheduler: has every enabled configuration run once in each of its periods. Any number of them may run."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from stocktake.model.configuration import Frequency, parse_configuration_json
from stocktake.model.errors import InventoryError
from stocktake.model.periods import HOUR, Period, due_period, period_at
from stocktake.model.report_options import parse_report_options
from stocktake.model.stored import ConfigurationKey
from stocktake.state.due import Due, Put
from stocktake.state.schedule import Schedule, Standing

_log = logging.getLogger("stocktake")

TICK_S = 2.0
FAILED_TICK_S_MAX = 30.0  # between ticks while the ledger cannot be used
ENTERED_AT_ONCE = 100  # others write in between


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """When a configuration runs, and by which of its documents that is known."""

    version: int
    options: str | None
    frequency: Frequency
    hour: int


class Scheduler:
    """What one scheduler remembers between ticks, so that a tick costs little, however many configurations there are;
    nothing rests on it.
    """

    def __init__(self, schedule: Schedule, stopping: Callable[[], bool] = lambda: False) -> None:
        self._schedule = schedule
        self._stopping = stopping
        self._mark: object = None  # of the configurations that are known
        self._standing: dict[ConfigurationKey, Standing] = {}
        self._rhythms: dict[ConfigurationKey, _Rhythm] = {}
        self._settled: dict[ConfigurationKey, Due] = {}  # the last that has its run
        self._open: list[Standing] = []  # those that may be due
        self._span: Period | None = None  # in which no period of any of them begins or ends

    def tick(self) -> None:
        """Enter what is due now, by the database's clock, and cancel what nobody wants any more. It ends early where
        the scheduler is to stop.

        Raises:
            LedgerError: the ledger cannot be used; the next tick does what this one could not.
        """
        self._schedule.tidy()
        now = self._schedule.moment()
        # Asked before the configurations are, so that who puts one meanwhile is seen by the next tick.
        mark = self._schedule.mark()
        if mark != self._mark:
            self._know(self._schedule.standing())
            self._mark = mark
        if self._span is None or now not in self._span:
            self._open = list(self._standing.values())
            self._span = self._common_span(now)
        still_open: list[Standing] = []
        for at in range(0, len(self._open), ENTERED_AT_ONCE):
            if self._stopping():
                return
            still_open += self._unsettled(self._open[at : at + ENTERED_AT_ONCE], now)
        self._open = still_open

    def _know(self, standing: Sequence[Standing]) -> None:
        # Always in one order, so that of two schedulers neither waits for the other, who waits for it.
        self._standing = {each.key: each for each in sorted(standing, key=lambda each: each.key)}
        self._span = None
        for gone in self._rhythms.keys() - self._standing.keys():
            self._rhythms.pop(gone)
            self._settled.pop(gone, None)

    def _common_span(self, now: datetime) -> Period | None:
        periods = {self._period(each, now) for each in self._standing.values()}
        if not periods:
            return None
        return Period(max(each.start for each in periods), min(each.end for each in periods))

    def _period(self, standing: Standing, now: datetime) -> Period:
        rhythm = self._rhythm(standing)
        return period_at(now, rhythm.frequency, rhythm.hour)

    def _unsettled(self, some: Sequence[Standing], now: datetime) -> list[Standing]:
        """Those of the configurations that have no run of the period of now; the others have, where they can."""
        dues = [
            (Due(Put(each.key, each.created), self._period(each, now).start), each) for each in some
        ]
        wanted = {due: each for due, each in dues if self._settled.get(each.key) != due}
        settled = self._schedule.with_run(tuple(wanted)) if wanted else set()
        due = [each for each in wanted if each not in settled and self._is_due(wanted[each], now)]
        entered = self._schedule.enter(due) if due else set()
        for each in due:
            if each in entered:
                _log_due(each.of.key)
        settled |= entered
        self._settled |= {each.of.key: each for each in settled}
        return [each for due, each in wanted.items() if due not in settled]

    def _is_due(self, standing: Standing, now: datetime) -> bool:
        rhythm = self._rhythm(standing)
        created = standing.created
        due = due_period(now, rhythm.frequency, created=created, done=(), hour=rhythm.hour)
        return due is not None

    def _rhythm(self, standing: Standing) -> _Rhythm:
        known = self._rhythms.get(standing.key)
        if known and (known.version, known.options) == (standing.version, standing.options):
            return known
        configuration = parse_configuration_json(standing.document)
        rhythm = _Rhythm(
            standing.version, standing.options, configuration.schedule.frequency, _hour(standing)
        )
        self._rhythms[standing.key] = rhythm
        return rhythm


def _log_due(key: ConfigurationKey) -> None:
    about = {"store": key.store, "bucket": key.bucket, "configuration": key.id}
    _log.info("the configuration %s of %s is due", key.id, key.bucket, extra=about)


def _hour(standing: Standing) -> int:
    if standing.options is None:
        return HOUR
    try:
        return parse_report_options(json.loads(standing.options), standing.key.id).hour
    except InventoryError as error:  # its run will say so, too, and fail
        _log.error("%s", error)
        return HOUR


def schedule_until(stop: threading.Event, schedule: Schedule) -> None:
    """Tick until `stop` is set; a ledger that cannot be used is asked again, more and more seldom."""
    scheduler, failures = Scheduler(schedule, stop.is_set), 0
    while not stop.is_set():
        try:
            scheduler.tick()
            failures = 0
        except InventoryError as error:
            failures += 1
            _log.warning("the schedule waits: %s", error)
        stop.wait(min(TICK_S * 2 ** min(failures, 10), FAILED_TICK_S_MAX))
