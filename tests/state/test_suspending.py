"""A configuration whose bucket changed runs no more until it is put again, on either database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stocktake.model.errors import BucketChangedError, RunStateError
from stocktake.model.ledger import RunState
from stocktake.model.scheduled import ScheduledState
from stocktake.service import house
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.model.test_runs import RUN
from tests.servers.postgres import PostgresServer
from tests.state.scheduling import STORE, claim, claimed, put, tick

GONE = BucketChangedError("the bucket b is gone", hint="put it again")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "sqlite":
        with Ledger.open(tmp_path, now=house.now) as opened:
            yield opened
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with Ledger.at(server.make_database(), now=house.now) as opened:
        yield opened


def test_it_runs_no_more_until_it_is_put_again(ledger: Ledger) -> None:
    key = put(ledger)
    other = put(ledger, "other")
    [first, _] = ledger.configurations.page(STORE, "b")
    tick(ledger)
    held = claimed(ledger)
    ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
    assert ledger.claims.fail(held, GONE, suspend=True) is ScheduledState.FAILED

    [told] = [each for each in ledger.configurations.page(STORE, "b") if each.key == held.key]
    assert told == ledger.configurations.get(held.key)
    assert told.suspension is not None
    assert told.suspension.reason == GONE.message
    assert [each.key for each in ledger.schedule.standing()] == [
        each for each in (key, other) if each != held.key
    ]
    figures = ledger.observing.figures(10)
    assert (figures.suspended, figures.enabled, figures.without_report) == (1, {True: 2}, 1)
    tick(ledger)
    [run] = [each for each in ledger.schedule.list() if each.key == held.key]
    assert (run.state, run.error, run.attempts) == (ScheduledState.FAILED, GONE.message, 1)
    with pytest.raises(RunStateError, match="is suspended: the bucket b is gone"):
        ledger.schedule.run_now(held.key)
    with pytest.raises(RunStateError, match="cannot be tried again"):
        ledger.schedule.retry(run.id)
    # What it had is of another bucket: nobody goes on with that, and it is removed.
    assert ledger.run(run.id).state is RunState.ABANDONED
    assert ledger.claims.to_clear() == [run.id]
    ledger.claims.cleared(run.id)
    assert ledger.claims.to_clear() == []

    again = ledger.configurations.get(put(ledger, held.key.id))
    assert again.suspension is None
    assert again.created > first.created
    tick(ledger)
    anew = [each for each in ledger.schedule.list() if each.put == again.created]
    assert [each.state for each in anew] == [ScheduledState.WAITING]
    with pytest.raises(RunStateError, match="cannot be tried again"):
        ledger.schedule.retry(run.id)
    assert ledger.observing.figures(10).suspended == 0


def test_its_other_runs_are_cancelled_and_it_is_not_tried_out(ledger: Ledger) -> None:
    key = put(ledger)
    tick(ledger)
    held = claimed(ledger)
    ledger.claims.fail(held, GONE, suspend=True)
    assert claim(ledger) is None
    assert ledger.checks.claim([STORE]) is None
    ledger.configurations.delete(key)
    assert ledger.schedule.standing() == []


def test_an_owner_is_noted_once_and_only_of_what_was_put_then(ledger: Ledger) -> None:
    key = put(ledger)
    stored = ledger.configurations.get(key)
    assert stored.owner is None
    assert ledger.configurations.page(STORE, "b") == (stored,)
    ledger.configurations.note_owner(stored, "alice")
    ledger.configurations.note_owner(stored, "bob")
    assert ledger.configurations.get(key).owner == "alice"
    assert ledger.configurations.page(STORE, "b")[0].owner == "alice"
    put(ledger)
    ledger.configurations.note_owner(stored, "bob")
    assert ledger.configurations.get(key).owner is None
    by = ledger.configurations.put(STORE, "b", stored.configuration, "carol")
    assert by.owner == "carol"
