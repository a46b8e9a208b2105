"""Bringing a ledger up to date while processes are killed in the midst of it, and while others want the same."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from alembic import command
from sqlalchemy import Engine, create_engine, inspect, make_url

from stocktake.model.ledger import RunState
from stocktake.state import opening
from stocktake.state.migrations.upgrade import configuration
from stocktake.state.opening import FILE
from stocktake.state.tables import SCHEMA_VERSION, metadata
from tests.servers.postgres import PostgresServer
from tests.state.ledgers import START, Clock, opened_at, python

RUNS = 500
WITHIN_S = 120

# Comes to the table that it is told, says so, and goes on once it is told to.
MIGRATING = """
import sys
from alembic import op
from pathlib import Path
from stocktake.service import house
from stocktake.state.ledger import Ledger
made, place = op.create_table, sys.argv[1]
def create_table(name, *columns, **more):
    table = made(name, *columns, **more)
    if name == sys.argv[2]:
        print("midst", flush=True)
        sys.stdin.readline()
    return table
op.create_table = create_table
ledger = Ledger.at(place, now=house.now) if "://" in place else Ledger.open(Path(place), now=house.now)
print(len(ledger.runs()), flush=True)
ledger.close()
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A ledger of the first stocktake, with runs in it: a folder, or a URL."""
    if request.param == "sqlite":
        (tmp_path / "state").mkdir()
        found = str(tmp_path / "state")
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        found = server.make_database()
    engine = opened(found)
    with engine.begin() as connection:
        older = configuration()
        older.attributes["connection"] = connection
        command.upgrade(older, "0001")
        places = dict.fromkeys(("source", "destination", "configuration_id"), "somewhere")
        times = dict.fromkeys(("started", "updated"), START)
        run = {"state": "stopped", "spool": '"/spool"', "document": "{}", **places, **times}
        connection.execute(
            metadata.tables["runs"].insert(), [{"id": f"run{n:05d}", **run} for n in range(RUNS)]
        )
    engine.dispose()
    return found


def opened(place: str) -> Engine:
    """The database itself."""
    if "://" not in place:
        return create_engine(f"sqlite+pysqlite:///{place}/{FILE}")
    return create_engine(make_url(place).set(drivername="postgresql+psycopg"))


def tables_of(place: str) -> set[str]:
    engine = opened(place)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def migrating(place: str, table: str) -> subprocess.Popen[str]:
    """A process that is in the midst of it: it has just made that table."""
    process = python(MIGRATING, place, table)
    assert process.stdout
    assert process.stdout.readline() == "midst\n"
    return process


def goes_on(process: subprocess.Popen[str]) -> str:
    """What it says last."""
    said, _ = process.communicate("\n", timeout=WITHIN_S)
    assert process.returncode == 0
    return said


def is_whole(place: str) -> None:
    """Check that it is of the newest schema, and has what it had."""
    with opened_at(place, Clock()) as ledger:
        assert len(ledger.runs()) == RUNS
        assert ledger.run("run00007").state is RunState.STOPPED
        assert ledger.schedule.list() == []
    engine = opened(place)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").all() == [
            (SCHEMA_VERSION,)
        ]
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())
    engine.dispose()


@pytest.mark.parametrize("table", ["comparisons", "scheduled_runs", "workers", "report_versions"])
def test_who_is_killed_in_the_midst_of_it_leaves_the_ledger_as_it_was(
    place: str, table: str
) -> None:
    before = tables_of(place)
    process = migrating(place, table)
    process.kill()
    process.communicate(timeout=WITHIN_S)
    _until(lambda: _free(place))
    assert tables_of(place) == before, "all of it or nothing"
    is_whole(place)


def test_who_comes_in_the_midst_of_it_waits_and_finds_it_done(place: str) -> None:
    first = migrating(place, "scheduled_runs")
    others = [python(MIGRATING, place, "none") for _ in range(2)]
    assert all(other.poll() is None for other in others)
    assert goes_on(first) == f"{RUNS}\n"
    for other in others:
        assert goes_on(other) == f"{RUNS}\n"
    is_whole(place)


def test_who_comes_while_it_is_killed_does_it_instead(place: str) -> None:
    first = migrating(place, "scheduled_runs")
    other = python(MIGRATING, place, "none")
    first.kill()
    first.communicate(timeout=WITHIN_S)
    assert goes_on(other) == f"{RUNS}\n"
    is_whole(place)


def test_a_large_table_may_take_its_time(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = postgres_server.make_database()
    engine = opened(place)
    slow = (
        "CREATE FUNCTION slow() RETURNS event_trigger LANGUAGE plpgsql"
        " AS 'BEGIN PERFORM pg_sleep(0.7); END'",
        "CREATE EVENT TRIGGER slow ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION slow()",
    )
    with engine.begin() as connection:
        older = configuration()
        older.attributes["connection"] = connection
        command.upgrade(older, "0011")
        for statement in slow:
            connection.exec_driver_sql(statement)
    engine.dispose()
    patience = opening._SESSION.replace("statement_timeout=60s", "statement_timeout=500ms")
    assert patience != opening._SESSION
    monkeypatch.setattr(opening, "_SESSION", patience)
    with opened_at(place, Clock()) as ledger, ledger.reading() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "500ms"


def _free(place: str) -> bool:
    """Whether nobody is at it any more: a server takes a moment to notice."""
    if "://" in place:
        with psycopg.connect(place) as server:
            others = (
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return server.execute(others).fetchone() == (0,)
    with sqlite3.connect(f"{place}/{FILE}", isolation_level=None) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    connection.close()
    return True


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
