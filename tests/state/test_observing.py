"""How the service is, by its ledger: on both databases the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from stocktake.model.configuration import Frequency
from stocktake.model.errors import ThrottledError
from stocktake.model.scheduled import ScheduledState
from stocktake.model.store_limits import StoreLimits
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.model.test_runs import RUN
from tests.state.ledgers import opened_at
from tests.state.scheduling import STORE, put

LEASE = timedelta(seconds=60)
LIMITS = {STORE: StoreLimits()}


@pytest.fixture
def ledger(place: str) -> Iterator[Ledger]:
    with opened_at(place, lambda: datetime.now(UTC)) as opened:
        yield opened


def test_an_empty_ledger_has_figures(ledger: Ledger) -> None:
    found = ledger.observing.figures(10)
    assert (found.runs, found.enabled, found.totals, found.ages) == ({}, {}, {}, ())
    assert (found.due, found.longest_due, found.leased, found.oldest_beat) == (0, None, 0, None)
    assert (found.without_report, found.oldest_other) == (0, None)


def test_what_is_due_who_works_and_how_old_reports_are(ledger: Ledger) -> None:
    begun = ledger.observing.moment()
    for identity in ("a", "b", "c", "d"):
        ledger.schedule.run_now(put(ledger, identity))
    for _ in range(2):
        claim = ledger.claims.claim(this_process(), LEASE, LIMITS)
        assert claim is not None
        ledger.enter(claim.claim, RUN, this_process(), Path("/spool"))
        ledger.publish(claim.claim, "s3://reports/manifest.json", [], 1)
    held = ledger.claims.claim(this_process(), LEASE, LIMITS)
    assert held is not None

    found = ledger.observing.figures(1)
    assert found.runs == {
        ScheduledState.WAITING: 1,
        ScheduledState.RUNNING: 1,
        ScheduledState.PUBLISHED: 2,
    }
    assert (found.enabled, found.without_report) == ({True: 4}, 2)
    [told] = found.ages  # of the others only how old the oldest is
    assert told.frequency is Frequency.DAILY
    assert found.oldest_other is not None
    assert begun <= told.published <= found.moment
    assert begun <= found.oldest_other <= found.moment
    assert (found.due, found.leased) == (1, 1)
    assert found.longest_due is not None
    assert found.oldest_beat is not None
    assert begun <= found.longest_due <= found.oldest_beat <= found.moment
    ledger.claims.fail(held, ThrottledError("once"))
    assert ledger.observing.figures(1).leased == 0


def test_what_is_counted_adds_up_and_is_bounded(ledger: Ledger) -> None:
    ledger.claims.count({"requests.list": 2, "rows": 3_000_000_000, "nothing": 0})
    ledger.claims.count({"requests.list": 1, "refusals.tagging.503": 1, "x" * 40: 1})
    assert ledger.observing.figures(0).totals == {
        "refusals.tagging.503": 1,
        "requests.list": 3,
        "rows": 3_000_000_000,
    }
    put(ledger)  # numbers of other things are others
    assert len(ledger.observing.figures(0).totals) == 3


def test_transactions_are_timed_by_whom_was_asked_to(ledger: Ledger) -> None:
    seen: list[str] = []

    def watch(kind: str) -> Iterator[None]:
        seen.append(kind)
        yield

    ledger.watch(contextmanager(watch))
    put(ledger)
    ledger.observing.moment()
    assert seen == ["write", "read"]
