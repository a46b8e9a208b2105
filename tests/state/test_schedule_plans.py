"""Lists of runs are read in the order of an index, on either database: never all of them, to be sorted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from stocktake.model.scheduled import RunFilter, ScheduledRun, ScheduledState
from stocktake.model.store_limits import StoreLimits
from stocktake.model.stored import ConfigurationKey
from stocktake.service import house
from stocktake.state.claims import Claims
from stocktake.state.due import Due, Put
from stocktake.state.ledger import Ledger
from stocktake.state.opening import WRITES, open_database, open_server
from stocktake.state.owners import this_process
from stocktake.state.schedule import Schedule
from stocktake.state.tables import scheduled_runs
from tests.servers.postgres import PostgresServer
from tests.state.ledgers import START

# PostgreSQL would read tables without rows from end to end, whatever indexes they have.
BY_INDEX = ("SET enable_seqscan = off", "SET enable_sort = off", "SET enable_bitmapscan = off")
BEHIND = (START, "b")
FAILED, RUNNING, WAITING = (
    ScheduledState.FAILED,
    ScheduledState.RUNNING,
    ScheduledState.WAITING,
)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        Ledger.open(tmp_path, now=house.now).close()
        opened = open_database(tmp_path)
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        opened = open_server(server.make_database())
    yield opened
    opened.dispose()


def plan(engine: Engine, read: Callable[[], object]) -> str:
    """How the database goes about the statement by which `read` looks at runs."""
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if "scheduled_runs" in statement:
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    read()
    event.remove(engine, "before_cursor_execute", note)
    ((statement, parameters),) = asked
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect() as connection:
        for setting in () if sqlite else BY_INDEX:
            connection.exec_driver_sql(setting)
        explain = "EXPLAIN QUERY PLAN" if sqlite else "EXPLAIN"
        rows = connection.exec_driver_sql(f"{explain} {statement}", parameters)
        return "\n".join(str(row[-1]) for row in rows)


def plan_of_page(engine: Engine, wanted: RunFilter, after: tuple[datetime, str] | None) -> str:
    schedule = Schedule(engine, "here", house.now)
    return plan(engine, lambda: schedule.page(wanted, after=after))


@pytest.mark.parametrize("after", [None, BEHIND], ids=["first", "behind"])
@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (RunFilter(), "ix_scheduled_runs_newest"),
        (RunFilter("default"), "ix_scheduled_runs_store_newest"),
        (RunFilter("default", "b", "daily"), "ix_scheduled_runs_configuration_newest"),
        (RunFilter(states=(ScheduledState.FAILED,)), "ix_scheduled_runs_state_newest"),
    ],
    ids=["all", "store", "configuration", "state"],
)
def test_a_page_of_runs_is_read_in_the_order_of_an_index(
    engine: Engine, wanted: RunFilter, index: str, after: tuple[datetime, str] | None
) -> None:
    found = plan_of_page(engine, wanted, after)
    # Of tables without rows any index in that order is as good to PostgreSQL; SQLite goes by their columns alone.
    assert (index if engine.dialect.name == "sqlite" else "_newest") in found
    assert "Sort" not in found
    assert "B-TREE" not in found


@pytest.mark.parametrize("after", [None, BEHIND], ids=["first", "behind"])
def test_a_page_of_runs_in_several_states_is_put_together_of_as_many_reads_in_order(
    engine: Engine, after: tuple[datetime, str] | None
) -> None:
    found = plan_of_page(engine, RunFilter(states=(FAILED, WAITING)), after)
    if engine.dialect.name == "sqlite":
        # What is left to be sorted is a page of each.
        assert found.count("SEARCH scheduled_runs USING INDEX ix_scheduled_runs_state_newest") == 2
        assert "SCAN scheduled_runs" not in found
        assert found.count("B-TREE FOR ORDER BY") <= 2
    else:
        assert found.count("Index Scan using ix_scheduled_runs_") == 2


def test_what_is_due_and_what_is_left_is_looked_for_among_few(engine: Engine) -> None:
    due = [Due(Put(ConfigurationKey("default", "b", "daily"), START), START)]
    entered = plan(engine, lambda: Schedule(engine, "here", house.now).with_run(due))
    assert "ix_scheduled_runs_under_way" in entered
    assert ("period=?" if engine.dialect.name == "sqlite" else "period") in entered
    claims = Claims(engine, "here", house.now)
    bounded = {"default": StoreLimits(runs_at_a_time=2)}
    owner, lease = this_process(), timedelta(seconds=60)
    claimed = plan(engine, lambda: claims.claim(owner, lease, bounded))
    # Whatever a store's runs are, those that are over are not counted.
    assert "ix_scheduled_runs_next" in claimed
    assert "ix_scheduled_runs_leased" in claimed
    left = plan(engine, claims.to_clear)
    assert "ix_scheduled_runs_left" in left


def test_pages_of_several_states_follow_each_other_in_one_order(engine: Engine) -> None:
    states = (FAILED, RUNNING, WAITING)
    rows = [
        {"id": f"r{n % 7}{n:02}", "store": "default", "bucket": f"b{n % 2}", "configuration_id": "daily", "put": START,
         "period": START + timedelta(days=n), "state": states[n % 3], "due": START, "epoch": 0, "claims": 0,
         "created": START + timedelta(minutes=n // 4), "attempts": 0, "lease_s": 0.0}
        for n in range(40)
    ]  # fmt: skip
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        connection.execute(scheduled_runs.insert(), rows)
    schedule = Schedule(engine, "here", house.now)
    for wanted in (
        RunFilter(states=(FAILED, WAITING)),
        RunFilter(bucket="b1", states=(WAITING, FAILED, WAITING)),
        RunFilter(states=tuple(ScheduledState)),
    ):
        whole = [each for each in schedule.list() if wanted.covers(each.key)]
        whole = [each for each in whole if each.state in wanted.states]
        assert whole
        found: list[ScheduledRun] = []
        while page := schedule.page(
            wanted, after=(found[-1].created, found[-1].id) if found else None, rows_max=3
        ):
            found += page
        assert found == whole
