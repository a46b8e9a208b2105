"""The scheduler: has every enabled configuration run once in each of its periods. Any number of them may run."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from datetime import datetime

from stocktake.model.configuration import Frequency, parse_configuration_json
from stocktake.model.errors import InventoryError
from stocktake.model.periods import HOUR, due_period, period_at
from stocktake.model.report_options import parse_report_options
from stocktake.model.stored import ConfigurationKey
from stocktake.state.schedule import Schedule, Standing

_log = logging.getLogger("stocktake")

TICK_S = 2.0
FAILED_TICK_S_MAX = 30.0  # between ticks while the ledger cannot be used


@dataclass(frozen=True, slots=True)
class _Rhythm:
    """When a configuration runs, and by which of its documents that is known."""

    version: int
    options: str | None
    frequency: Frequency
    hour: int


class Scheduler:
    """What one scheduler remembers between ticks, so that a tick costs little; nothing rests on it."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self._rhythms: dict[ConfigurationKey, _Rhythm] = {}
        self._settled: dict[ConfigurationKey, tuple[datetime, datetime]] = {}

    def tick(self) -> None:
        """Enter what is due now, by the database's clock, and cancel what nobody wants any more.

        Raises:
            LedgerError: the ledger cannot be used; the next tick does what this one could not.
        """
        self._schedule.tidy()
        now = self._schedule.moment()
        standing = {each.key: each for each in self._schedule.standing()}
        for gone in self._rhythms.keys() - standing.keys():
            self._rhythms.pop(gone)
            self._settled.pop(gone, None)
        for each in standing.values():
            self._look_at(each, now)

    def _look_at(self, standing: Standing, now: datetime) -> None:
        key = standing.key
        rhythm = self._rhythm(standing)
        period = period_at(now, rhythm.frequency, rhythm.hour)
        if self._settled.get(key) == (standing.created, period.start):
            return
        done = self._schedule.periods(standing)
        due = due_period(
            now, rhythm.frequency, created=standing.created, done=done, hour=rhythm.hour
        )
        if due is not None:
            if not self._schedule.enter(standing, due.start):
                return
            about = {"store": key.store, "bucket": key.bucket, "configuration": key.id}
            _log.info("the configuration %s of %s is due", key.id, key.bucket, extra=about)
        if due is not None or period.start in done:
            self._settled[key] = (standing.created, period.start)

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
    scheduler, failures = Scheduler(schedule), 0
    while not stop.is_set():
        try:
            scheduler.tick()
            failures = 0
        except InventoryError as error:
            failures += 1
            _log.warning("the schedule waits: %s", error)
        stop.wait(min(TICK_S * 2 ** min(failures, 10), FAILED_TICK_S_MAX))
