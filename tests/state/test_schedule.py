"""The schedule and the claims: the same behaviour on SQLite and on PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as hour
from pathlib import Path

import pytest
from sqlalchemy import update

from stocktake.model.configuration import Frequency, Schedule
from stocktake.model.errors import (
    InventoryError,
    NoSuchConfigurationError,
    RunStateError,
    UsageError,
)
from stocktake.model.ledger import RunState
from stocktake.model.scheduled import ATTEMPTS_MAX, ScheduledRun, ScheduledState
from stocktake.model.store_limits import QuietHours, StoreLimits
from stocktake.service.scheduler import Scheduler
from stocktake.state.due import Due, Put
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from stocktake.state.tables import scheduled_runs
from tests.model.test_runs import RUN
from tests.servers.postgres import PostgresServer
from tests.state.ledgers import delivery, segment
from tests.state.scheduling import LEASE, LIMITS, STORE, claim, claimed, put, tick

SHORT = timedelta(seconds=0.4)
FAILURE = InventoryError("the bucket is gone", hint="make it")


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Ledger]:
    if request.param == "sqlite":
        return lambda: Ledger.open(tmp_path / "state", now=_now)
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.make_database()
    return lambda: Ledger.at(url, now=_now)


@pytest.fixture
def ledger(open_ledger: Callable[[], Ledger]) -> Iterator[Ledger]:
    with open_ledger() as opened:
        yield opened


def only(ledger: Ledger) -> ScheduledRun:
    [run] = ledger.schedule.list()
    return run


# -- what is due ---------------------------------------------------------------------------------


def test_a_configuration_that_was_put_is_due_at_once_and_once(ledger: Ledger) -> None:
    key = put(ledger)
    tick(ledger)
    tick(ledger)
    run = only(ledger)
    assert (run.key, run.state, run.claims) == (key, ScheduledState.WAITING, 0)
    assert run.period is not None
    assert run.period <= _now() < run.period + timedelta(days=1)


def test_any_number_of_schedulers_enter_a_period_once(open_ledger: Callable[[], Ledger]) -> None:
    with open_ledger() as first, open_ledger() as second:
        for number in range(6):
            put(first, f"daily-{number}")
        schedulers = [Scheduler(each.schedule) for each in (first, second, first, second)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda scheduler: scheduler.tick(), schedulers))
        assert sorted(run.key.id for run in first.schedule.list()) == [
            f"daily-{n}" for n in range(6)
        ]


def test_a_run_that_nobody_began_becomes_the_run_of_the_next_period(ledger: Ledger) -> None:
    put(ledger)
    [standing] = ledger.schedule.standing()
    day = datetime(2026, 11, 22, 1, tzinfo=UTC)
    days = [Due(Put(standing.key, standing.created), day + timedelta(days=n)) for n in range(3)]
    assert ledger.schedule.enter(days[:1]) == {days[0]}
    first = only(ledger)
    assert ledger.schedule.enter(days[1:2]) == {days[1]}
    assert only(ledger) == replace(first, period=days[1].period)
    claimed(ledger)
    assert ledger.schedule.enter(days[1:]) == {days[1]}, "one at a time"
    assert ledger.schedule.with_run(days) == {days[1]}


def test_disabled_configurations_run_nothing(ledger: Ledger) -> None:
    put(ledger, "off", is_enabled=False)
    tick(ledger)
    assert ledger.schedule.list() == []
    key = put(ledger)
    tick(ledger)
    put(ledger, is_enabled=False)
    assert claim(ledger) is None, "before any scheduler has heard of it"
    tick(ledger)
    assert only(ledger).state is ScheduledState.CANCELLED
    with pytest.raises(RunStateError, match="is disabled"):
        ledger.schedule.run_now(key)


def test_deletion_cancels_what_is_running_and_a_new_put_is_due_anew(ledger: Ledger) -> None:
    key = put(ledger)
    tick(ledger)
    held = claimed(ledger)
    ledger.configurations.delete(key)
    tick(ledger)
    with pytest.raises(RunStateError, match="taken over by another worker, or cancelled"):
        ledger.claims.beat(held)
    put(ledger)
    tick(ledger)
    states = {run.id: run.state for run in ledger.schedule.list()}
    assert states.pop(held.run) is ScheduledState.CANCELLED
    assert list(states.values()) == [ScheduledState.WAITING]


def test_weekly_configurations_and_hours_of_their_own(ledger: Ledger) -> None:
    key = put(ledger, schedule=Schedule(frequency=Frequency.WEEKLY))
    ledger.configurations.put_options(key, {"hour": 5})
    tick(ledger)
    period = only(ledger).period
    assert period is not None
    assert (period.strftime("%A"), period.hour) == ("Sunday", 5)


# -- claims --------------------------------------------------------------------------------------


def test_of_all_that_claim_at_once_one_has_each_run(open_ledger: Callable[[], Ledger]) -> None:
    with open_ledger() as first, open_ledger() as second:
        for number in range(5):
            put(first, f"daily-{number}")
        tick(first)
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: claim((first, second)[n % 2]), range(8)))
        held = [each for each in found if each is not None]
        assert len({each.run for each in held}) == len(held) == 5
        assert len({each.epoch for each in held}) == 5


def _leave_of_lease(ledger: Ledger, left: timedelta) -> None:
    """What time would do."""
    with ledger.schedule.writing() as connection:
        connection.execute(update(scheduled_runs).values(lease_until=_now() + left))


def test_a_claim_lasts_as_long_as_its_lease(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    held = claimed(ledger, SHORT)
    time.sleep(SHORT.total_seconds() + 0.1)
    taker = claimed(ledger)
    assert (taker.run, taker.epoch > held.epoch) == (held.run, True)


def test_beats_renew_a_lease_until_somebody_has_taken_the_run(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    held = claimed(ledger)
    # In time, and late with nobody there to take it.
    for left in (LEASE / 2, timedelta(seconds=-1)):
        _leave_of_lease(ledger, left)
        ledger.claims.beat(held, {"rows": 7})
        assert claim(ledger) is None
        end = only(ledger).lease_until
        assert end is not None
        assert end - _now() > LEASE * 0.75
    assert only(ledger).progress == {"rows": 7}
    _leave_of_lease(ledger, timedelta(seconds=-1))
    assert claimed(ledger).run == held.run
    with pytest.raises(RunStateError, match="taken"):
        ledger.claims.beat(held)


def test_whoever_lost_a_run_is_refused_whatever_is_written(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    held = claimed(ledger)
    ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
    ledger.name(held.claim, "data/1")
    _leave_of_lease(ledger, timedelta(seconds=-1))
    taker = claimed(ledger)
    assert taker.begun
    told = (
        lambda: ledger.claims.beat(held),
        lambda: ledger.claims.give_back(held),
        lambda: ledger.claims.fail(held, FAILURE),
        lambda: ledger.beat(held.claim),
        lambda: ledger.name(held.claim, "data/2"),
        lambda: ledger.spool(held.claim, segment("", None)),
        lambda: ledger.deliver(held.claim, delivery("data/1", "", None), []),
        lambda: ledger.publish(held.claim, "s3://d/manifest.json", ["data/1"], 1),
        lambda: ledger.enter(held.claim, RUN, this_process(), Path("/spool")),
        lambda: ledger.move_spool(held.claim, Path("/elsewhere")),
        lambda: ledger.choose_folder(held.claim, "d/root/f", "root", _now()),
    )
    for tell in told:
        with pytest.raises(RunStateError, match="taken"):
            tell()
    ledger.claims.release(held)
    assert only(ledger).state is ScheduledState.RUNNING
    assert ledger.names(held.run) == ("data/1",)
    ledger.publish(taker.claim, "s3://d/manifest.json", ["data/1"], 1)
    assert only(ledger).state is ScheduledState.PUBLISHED
    assert ledger.run(held.run).state is RunState.PUBLISHED


def test_a_ledger_beat_before_publishing_renews_the_lease(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    held = claimed(ledger)
    ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
    before = only(ledger).lease_until
    time.sleep(0.05)
    ledger.beat(held.claim)
    after = only(ledger).lease_until
    assert before is not None
    assert after is not None
    assert after > before


def test_what_was_given_back_is_taken_up_at_once_with_what_it_has(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    held = claimed(ledger)
    assert not held.begun
    ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
    ledger.name(held.claim, "data/1")
    ledger.deliver(held.claim, delivery("data/1", "", "m"), [])
    ledger.spool(held.claim, segment("m", None))
    ledger.claims.give_back(held)
    assert only(ledger).attempts == 0
    taker = claimed(ledger)
    assert taker.begun
    ledger.move_spool(taker.claim, Path("/other"))
    kept = ledger.kept(taker.run)
    assert (len(kept.files), len(kept.segments)) == (1, 1)
    assert ledger.run(taker.run).spool == Path(f"/other/stocktake-spool-{taker.run}")


def test_a_run_that_is_begun_anew_has_nothing_but_the_names_of_what_it_left(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    held = claimed(ledger)
    ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
    ledger.name(held.claim, "data/1")
    ledger.deliver(held.claim, delivery("data/1", "", "m"), [])
    ledger.spool(held.claim, segment("m", None))
    ledger.leave(held.claim, RunState.FAILED, FAILURE)
    ledger.claims.give_back(held)
    taker = claimed(ledger)
    assert not taker.begun
    ledger.enter(taker.claim, RUN, this_process(), Path("/spool"))
    kept = ledger.kept(taker.run)
    assert (kept.files, kept.segments) == ((), ())
    assert ledger.names(taker.run) == ("data/1",)
    assert ledger.run(taker.run).state is RunState.RUNNING


# -- limits --------------------------------------------------------------------------------------


def test_a_store_is_not_asked_by_more_runs_than_it_bears(open_ledger: Callable[[], Ledger]) -> None:
    limits = {STORE: StoreLimits(runs_at_a_time=2)}
    with open_ledger() as first, open_ledger() as second:
        for number in range(6):
            put(first, f"daily-{number}")
        tick(first)
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(lambda n: claim((first, second)[n % 2], limits=limits), range(6)))
        held = [each for each in found if each is not None]
        assert len(held) == 2
        first.claims.give_back(held[0])
        assert claim(second, limits=limits) is not None
        assert claim(second, limits=limits) is None


def test_a_store_is_left_alone_in_its_quiet_hours_and_others_are_not(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    now = _now()
    quiet = QuietHours(hour(now.hour, now.minute), hour((now.hour + 12) % 24, now.minute))
    assert claim(ledger, limits={STORE: StoreLimits(quiet_hours=quiet)}) is None
    assert claim(ledger, limits={"other": StoreLimits()}) is None, "a store nobody here knows"
    later = QuietHours(quiet.end, quiet.begin)
    assert claim(ledger, limits={STORE: StoreLimits(quiet_hours=later)}) is not None


# -- how runs end --------------------------------------------------------------------------------


def test_a_run_that_fails_is_tried_again_later_and_later_until_it_has_failed(
    ledger: Ledger,
) -> None:
    key = put(ledger)
    tick(ledger)
    waits: list[timedelta] = []
    for attempt in range(1, ATTEMPTS_MAX + 1):
        held = claimed(ledger)
        before = _now()
        state = ledger.claims.fail(held, FAILURE)
        run = only(ledger)
        assert (run.state, run.attempts, run.error, run.hint) == (
            state,
            attempt,
            FAILURE.message,
            FAILURE.hint,
        )
        if state is ScheduledState.FAILED:
            break
        waits.append(run.due - before)
        assert claim(ledger) is None, "it waits"
        _make_due(ledger)
    assert waits == sorted(waits)
    assert attempt == ATTEMPTS_MAX == len(waits) + 1
    tick(ledger)
    assert only(ledger).state is ScheduledState.FAILED, "not again in this period"
    failed = only(ledger).id
    other = ledger.schedule.run_now(key)
    with pytest.raises(RunStateError, match=f"the run {other} .* under way already"):
        ledger.schedule.retry(failed)
    ledger.schedule.cancel(other)
    ledger.schedule.retry(failed)
    assert claimed(ledger).key == key


def _make_due(ledger: Ledger) -> None:
    """What time would do."""
    with ledger.schedule.writing() as connection:
        connection.execute(update(scheduled_runs).values(due=_now() - timedelta(seconds=1)))


def test_runs_that_users_ask_for(ledger: Ledger) -> None:
    key = put(ledger)
    run = ledger.schedule.run_now(key)
    assert only(ledger).period is None
    with pytest.raises(RunStateError, match=f"the run {run} .* under way already"):
        ledger.schedule.run_now(key)
    with pytest.raises(NoSuchConfigurationError, match="is not there"):
        ledger.schedule.run_now(replace(key, id="other"))
    ledger.schedule.cancel(run)
    with pytest.raises(RunStateError, match="is cancelled and cannot be cancelled"):
        ledger.schedule.cancel(run)
    with pytest.raises(RunStateError, match="is cancelled and cannot be tried again"):
        ledger.schedule.retry(run)
    with pytest.raises(UsageError, match="there is no scheduled run `zzz`"):
        ledger.schedule.cancel("zzz")
    assert ledger.schedule.run_now(key) != run


def test_users_leave_alone_what_the_service_works_on(ledger: Ledger) -> None:
    put(ledger)
    tick(ledger)
    held = claimed(ledger)
    ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
    ledger.leave(held.claim, RunState.STOPPED, FAILURE)
    for ask in (lambda: ledger.resume(held.run, this_process()), lambda: ledger.abandon(held.run)):
        with pytest.raises(RunStateError, match="is the service's, and running"):
            ask()
    ledger.schedule.cancel(held.run)
    assert ledger.claims.to_clear() == [], "somebody may still be at it"
    ledger.claims.release(held)
    assert ledger.claims.to_clear() == [held.run]
    ledger.claims.cleared(held.run)
    assert ledger.claims.to_clear() == []


def test_what_cannot_be_cleared_away_holds_up_nothing_else(ledger: Ledger) -> None:
    for name in ("a", "b", "c"):
        put(ledger, name)
    tick(ledger)
    held = [claimed(ledger) for _ in range(3)]
    for each in held:
        ledger.enter(each.claim, RUN, this_process(), Path("/spool"))
        ledger.schedule.cancel(each.run)
        ledger.claims.release(each)
    asked = {run for _ in range(60) for run in ledger.claims.to_clear(1)}
    assert asked == {each.run for each in held}


def test_limits_of_a_store_that_nobody_has_are_no_limits() -> None:
    assert LIMITS[STORE].rate is None
    assert StoreLimits(requests_per_second=10).runs_max == 1
    assert StoreLimits(requests_per_second=10, runs_at_a_time=4).rate == 2.5
