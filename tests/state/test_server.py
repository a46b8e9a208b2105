"""A ledger on PostgreSQL: made once however many open it, refused where it is newer; and errors without secrets."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from sqlalchemy import inspect

from stocktake.model.errors import LedgerError, UsageError
from stocktake.service import house
from stocktake.state.ledger import Ledger
from stocktake.state.migrations.upgrade import upgrade
from stocktake.state.opening import open_server
from stocktake.state.tables import metadata
from tests.acceptance.command_line import stocktake
from tests.servers.ports import refusing_port
from tests.servers.postgres import PostgresServer


def test_any_number_may_open_it_first(postgres_server: PostgresServer) -> None:
    url = postgres_server.make_database()
    with ThreadPoolExecutor(6) as pool:
        ledgers = list(pool.map(lambda _: Ledger.at(url, now=house.now), range(6)))
    for ledger in ledgers:
        assert ledger.schedule.list() == []
        ledger.close()


def test_migrations_come_to_the_tables_that_are_made_at_once(
    postgres_server: PostgresServer,
) -> None:
    made = open_server(postgres_server.make_database())
    migrated = open_server(postgres_server.make_database())
    with migrated.begin() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        upgrade(connection)
    for table in metadata.tables:
        found = [
            {column["name"]: (str(column["type"]), column["nullable"]) for column in each}
            for each in (inspect(made).get_columns(table), inspect(migrated).get_columns(table))
        ]
        assert found[0] == found[1]
        unique = [
            {tuple(each["column_names"]) for each in inspect(engine).get_unique_constraints(table)}
            for engine in (made, migrated)
        ]
        assert unique[0] == unique[1]
        indexes = [
            {each["name"]: (each["column_names"], each.get("column_sorting")) for each in found}
            for found in (inspect(made).get_indexes(table), inspect(migrated).get_indexes(table))
        ]
        assert indexes[0] == indexes[1]
    made.dispose()
    migrated.dispose()


def test_a_newer_one_is_refused(postgres_server: PostgresServer) -> None:
    url = postgres_server.make_database()
    Ledger.at(url, now=house.now).close()
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match="a newer stocktake made it"):
        Ledger.at(url, now=house.now)


# psycopg itself leaves the connection open that it could not make.
@pytest.mark.filterwarnings("ignore:.*psycopg.Connection:ResourceWarning")
def test_one_that_is_not_there_is_named_without_its_password() -> None:
    with refusing_port() as port:
        ways = ("me:hunter2@127.0.0.1:{}/ledger", "me@127.0.0.1:{}/ledger?password=hunter2")
        for way in ways:
            url = f"postgresql://{way.format(port)}"
            done = stocktake("runs", environment={"STOCKTAKE_LEDGER": url})
            done.failed_clearly(
                1, "postgresql://me", f"127.0.0.1:{port}", "whether the server is up"
            )
            assert "hunter2" not in done.err
            assert "***" in done.err
    gc.collect()  # what is left open is warned of here, and not in another test


def test_a_url_that_asks_for_what_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="asks for what is not there: Can't load plugin"):
        open_server("postgresql://me@db/x?plugin=nobody")


def test_a_password_with_an_at_sign_is_told_and_no_part_of_it_shown() -> None:
    for password in ("hush@hush2", "hush/@hush2", "hush@hush2/hush3"):
        url = f"postgresql://me:{password}@db:5432/x"
        done = stocktake("runs", environment={"STOCKTAKE_LEDGER": url})
        done.failed_clearly(2, "more than one `@`", "it is written %40")
        assert "hush" not in done.err + done.out


@pytest.mark.parametrize(
    "url",
    ["mysql://a/b", "nonsense", "sqlite:///x", "postgresql", "postgresql://me:p@ss:hush@db/x"],
)
def test_what_is_no_url_of_postgresql_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="expected postgresql://USER@HOST/DATABASE"):
        open_server(url)
    stocktake("runs", "scheduled", "--ledger", url).failed_clearly(2, "expected postgresql://")
