"""What a service with very many configurations does while nothing is due: hardly anything, on either database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from stocktake.model.errors import BucketChangedError
from stocktake.model.scheduled import ScheduledState
from stocktake.service.scheduler import Scheduler
from stocktake.state.ledger import Ledger
from stocktake.state.owners import this_process
from tests.model.test_runs import RUN
from tests.state.ledgers import Clock
from tests.state.scheduling import claim, claimed, put

MANY = 40


@contextmanager
def asked(ledger: Ledger) -> Iterator[list[tuple[str, Any]]]:
    """The statements by which the ledger is read and written within the block."""
    engine: Engine = ledger.schedule._engine
    found: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)


def settled(ledger: Ledger, count: int) -> Scheduler:
    """A scheduler that has seen to all of so many configurations."""
    scheduler = Scheduler(ledger.schedule)
    for number in range(count):
        put(ledger, f"daily-{number:03d}")
    scheduler.tick()
    return scheduler


def publish_all(ledger: Ledger) -> None:
    while (held := claim(ledger)) is not None:
        ledger.enter(held.claim, RUN, this_process(), Path("/spool"))
        ledger.publish(held.claim, "s3://reports/manifest.json", [], 1)


def test_a_tick_with_nothing_due_asks_no_more_of_many_configurations_than_of_one(
    ledger: Ledger,
) -> None:
    one = settled(ledger, 1)
    with asked(ledger) as few:
        one.tick()
    many = settled(ledger, MANY)
    with asked(ledger) as found:
        many.tick()
    assert [statement for statement, _ in found] == [statement for statement, _ in few]
    assert not any("document" in statement for statement, _ in found), "none of them is read"


def test_all_that_is_due_at_once_is_entered_by_a_few_statements(ledger: Ledger) -> None:
    found: list[int] = []
    for count in (1, MANY):
        for number in range(count):
            put(ledger, f"{count}-{number:03d}")
        with asked(ledger) as statements:
            Scheduler(ledger.schedule).tick()
        found.append(len(statements))
    assert len(ledger.schedule.list()) == MANY + 1
    assert found[0] == found[1]


CHANGES: dict[str, Callable[[Ledger], object]] = {
    "one is put": lambda ledger: put(ledger, "new"),
    "one is put anew": lambda ledger: (ledger.configurations.delete(put(ledger, "a")), put(ledger, "a")),
    "one is deleted and another put": lambda ledger: (
        ledger.configurations.delete(put(ledger, "daily-001")), put(ledger, "new")
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_the_next_tick_sees_what_was_changed(ledger: Ledger, change: str) -> None:
    scheduler = settled(ledger, 3)
    before = {run.id for run in ledger.schedule.list()}
    CHANGES[change](ledger)
    scheduler.tick()
    [entered] = [run for run in ledger.schedule.list() if run.id not in before]
    assert entered.state is ScheduledState.WAITING


def test_the_next_tick_sees_another_hour(ledger: Ledger) -> None:
    scheduler = settled(ledger, 2)
    publish_all(ledger)
    now = ledger.schedule.moment()
    [standing, _] = ledger.schedule.standing()
    # Its period of now began at another moment than the one that has its report.
    ledger.configurations.put_options(standing.key, {"hour": (now.hour - 1) % 24})
    scheduler.tick()
    assert [run.key for run in ledger.schedule.list() if run.state is ScheduledState.WAITING] == [
        standing.key
    ]


def test_the_next_tick_sees_that_one_is_suspended(ledger: Ledger) -> None:
    scheduler = settled(ledger, 2)
    held = claimed(ledger)
    ledger.claims.fail(held, BucketChangedError("it is another's"), suspend=True)
    scheduler.tick()
    assert held.key not in scheduler._standing
    assert len(scheduler._standing) == 1


def test_each_period_begins_for_all_of_them_whichever_way_the_clock_is_put(
    tmp_path: Path, clock: Clock
) -> None:
    with Ledger.open(tmp_path, now=clock) as ledger:
        scheduler = settled(ledger, 3)
        publish_all(ledger)
        for days, runs in ((1, 6), (0, 6), (-1, 6), (1, 6), (3, 9), (-2, 12), (2, 12), (1, 15)):
            clock.passes(days=days)
            scheduler.tick()
            publish_all(ledger)
            assert len(ledger.schedule.list()) == runs, (days, runs)
        periods = [(run.key.id, run.period) for run in ledger.schedule.list()]
        assert len(set(periods)) == len(periods)


def test_a_scheduler_that_is_to_stop_does_so_in_the_midst_of_many_and_the_next_goes_on(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stocktake.service.scheduler.ENTERED_AT_ONCE", 5)
    for number in range(MANY):
        put(ledger, f"daily-{number:03d}")
    left = iter(range(3))
    Scheduler(ledger.schedule, lambda: next(left, None) is None).tick()
    assert len(ledger.schedule.list()) == 15
    Scheduler(ledger.schedule).tick()
    assert len(ledger.schedule.list()) == MANY


def test_figures_ask_no_more_of_many_configurations_than_of_one(ledger: Ledger) -> None:
    settled(ledger, 1)
    publish_all(ledger)
    with asked(ledger) as few:
        ledger.observing.figures(1000)
    settled(ledger, MANY)
    publish_all(ledger)
    with asked(ledger) as found:
        figures = ledger.observing.figures(1000)
    assert [statement for statement, _ in found] == [statement for statement, _ in few]
    assert len(figures.ages) == MANY
    assert (len(ledger.observing.figures(7).ages), figures.without_report) == (7, 0)
