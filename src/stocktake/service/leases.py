"""Keeping the lease of a scheduled run while it is worked on, and stopping the work in time when that fails."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any

from stocktake.model.errors import LedgerError, RunStateError
from stocktake.model.runs import Counted, Progress, RunStage, group
from stocktake.model.scheduled import ScheduledClaim
from stocktake.state.claims import Claims

_log = logging.getLogger("stocktake")

BEATS_A_LEASE = 6
# What of a run's counts is added to those of all runs, which metrics tell.
_TOTALS = ("rows", "object_bytes", "retries")
_TOTAL_GROUPS = ("requests", "refusals", "problems")
LOOK_EVERY_S = 0.2
# Of a lease without a confirmed beat: then the work stops, so that it has ended before anybody else begins.
SILENT_SHARE_MAX = 2 / 3


class Ending(StrEnum):
    """Why work on a run was stopped before it was done."""

    ASKED = "the worker was asked to stop"
    QUIET = "the store's quiet hours have begun"
    LOST = "its lease was lost"


class LeaseKeeper(AbstractContextManager["LeaseKeeper"]):
    """Renews the lease of `claim` while the block runs. `stop` is set when the work must end, `ending` says why: where
    `asked` is set, where `quiet` says so, where the claim has ended, and where no beat was confirmed for two thirds of
    the lease, the first being the claim, at `confirmed_s`. A beat counts from the moment it was sent. Two threads, for
    a beat may wait for a silent database.
    """

    def __init__(
        self,
        claims: Claims,
        claim: ScheduledClaim,
        *,
        asked: threading.Event,
        quiet: Callable[[], bool],
        monotonic: Callable[[], float],
        confirmed_s: float,
    ) -> None:
        self.stop = threading.Event()
        self.ending: Ending | None = None
        self._claims = claims
        self._claim = claim
        self._asked = asked
        self._quiet = quiet
        self._monotonic = monotonic
        self._lease_s = claim.lease.total_seconds()
        self._confirmed = confirmed_s
        self._progress: Progress | None = None
        self._counted: Counted | None = None
        self._over = threading.Event()
        self._counting = threading.Lock()  # the run's own thread beats, too
        self._threads = [
            threading.Thread(target=each, daemon=True) for each in (self._keep, self._watch)
        ]

    def __enter__(self) -> LeaseKeeper:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._count()

    def take(self, progress: Progress) -> None:
        """Take in how far the run is. Before it publishes, the ledger hears of all that was counted.

        Raises:
            RunStateError: the claim has ended, so nothing is to be published.
            LedgerError: the ledger cannot be asked whether it has.
        """
        if progress.note and (self._progress is None or self._progress.note != progress.note):
            _log.warning("%s", progress.note, extra=about_claim(self._claim))
        if self._counted is None:  # what was done before is not of this claim
            self._counted = Counted(progress.counters)
        self._progress = progress
        if progress.stage is RunStage.PUBLISH:
            self._beat()

    def _beat(self) -> None:
        sent = self._monotonic()
        progress = self._progress
        self._claims.beat(self._claim, None if progress is None else progress_document(progress))
        self._confirmed = sent
        self._count()

    def _count(self) -> None:
        """Tell the ledger what was done since it was told last; what cannot be told is not worth a failure."""
        with self._counting:
            grown = {} if self._counted is None else self._counted.since()
        news = {name: count for name, count in grown.items() if _is_total(name)}
        if not news:
            return
        try:
            self._claims.count(news)
        except LedgerError as error:
            _log.debug("what was done is not counted: %s", error, extra=about_claim(self._claim))

    def _keep(self) -> None:
        while not self._over.wait(self._lease_s / BEATS_A_LEASE):
            try:
                self._beat()
            except RunStateError:
                self._end(Ending.LOST)
                return
            except LedgerError as error:
                _log.warning(
                    "the lease of the run %s was not renewed: %s",
                    self._claim.run,
                    error,
                    extra=about_claim(self._claim),
                )

    def _watch(self) -> None:
        while not self._over.wait(min(LOOK_EVERY_S, self._lease_s / 20)):
            if ending := self._reason():
                self._end(ending)
                return

    def _reason(self) -> Ending | None:
        if self._asked.is_set():
            return Ending.ASKED
        if self._quiet():
            return Ending.QUIET
        silent_s = self._monotonic() - self._confirmed
        return Ending.LOST if silent_s > self._lease_s * SILENT_SHARE_MAX else None

    def _end(self, ending: Ending) -> None:
        if self.ending is None:
            self.ending = ending
            _log.info(
                "stopping the run %s: %s", self._claim.run, ending, extra=about_claim(self._claim)
            )
        self.stop.set()


def _is_total(name: str) -> bool:
    return name in _TOTALS or name.partition(".")[0] in _TOTAL_GROUPS


def about_claim(claim: ScheduledClaim) -> dict[str, str]:
    """What a line of the log says beside its text, for programs."""
    key = claim.key
    return {"run": claim.run, "store": key.store, "bucket": key.bucket, "configuration": key.id}


def progress_document(progress: Progress) -> dict[str, Any]:
    """How far a run is, as the ledger keeps it."""
    counters = progress.counters
    return {
        "stage": str(progress.stage),
        "done": progress.done,
        "rows": counters["rows"],
        "object_bytes": counters["object_bytes"],
        "requests": group(counters, "requests"),
        "problems": group(counters, "problems"),
        "retries": counters["retries"],
    }
