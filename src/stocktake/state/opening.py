"""Opening the database: made where it is missing, brought to the newest schema, refused where it is newer."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import ConnectionPoolEntry

from stocktake.model.errors import UsageError
from stocktake.model.secrets import without_secrets
from stocktake.state.failures import BUSY_TIMEOUT_S, ledger_error, telling
from stocktake.state.tables import SCHEMA_VERSION, metadata

FILE = "ledger.sqlite3"
WRITES = "stocktake_writes"  # the execution option of connections that write
# The execution option of an engine: whoever writes takes turns by this lock. SQLite itself has those who wait look
# again, later and later, so that some wait for seconds where many write.
TURN = "stocktake_turn"
# The execution option of an engine: what times its transactions, given `read` or `write`.
WATCH = "stocktake_watch"
# As many as a server has threads: opening one costs more than a question to it.
CONNECTIONS_KEPT = 40

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # who reads does not wait for who writes
    "PRAGMA synchronous = FULL",  # what is committed survives a power cut
    "PRAGMA foreign_keys = ON",
)

SERVER = "postgresql"
# A server that is gone without a word is given up in seconds: whoever works under a lease must hear of it in time.
_PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # milliseconds
}
# A process that falls asleep within a transaction must not keep others from its rows.
_SESSION = (
    "-c lock_timeout=30s -c statement_timeout=60s -c idle_in_transaction_session_timeout=10s"
    " -c timezone=UTC"
)
_SCHEMA_LOCK = 0x73746F636B  # of advisory locks, ours: only one process at a time makes the schema

# Where Alembic looks for the newest migration that a database has seen.
_REVISIONS = Table(
    "alembic_version",
    MetaData(naming_convention={"pk": "%(table_name)s_pkc"}),
    Column("version_num", String(32), primary_key=True),
)


def open_database(folder: Path) -> Engine:
    """The database in `folder`, which is made where it is missing; for this user alone.

    Raises:
        InventoryError: it cannot be made, read or written, or is of a newer stocktake.
    """
    path = folder / FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise ledger_error(
            path,
            error.strerror or str(error),
            "name another folder with STOCKTAKE_STATE_FOLDER",
        ) from error
    engine = create_engine(
        f"sqlite+pysqlite:///{path}",
        # Transactions are begun by us: the driver's own way begins none before SELECT or DDL.
        connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None},
        pool_size=CONNECTIONS_KEPT,
        execution_options={TURN: threading.Lock()},
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    with telling(path):
        _bring_up_to_date(engine, path)
    return engine


def open_server(url: str) -> Engine:
    """The database of a PostgreSQL server at `url`, postgresql://USER[:PASSWORD]@HOST[:PORT]/DATABASE.

    Raises:
        UsageError: it is no such URL, or psycopg is not installed.
        LedgerError: it cannot be reached, read or written, or is of a newer stocktake.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # the latter tells of a port that is none
        address = None
    if address is None or address.get_backend_name() != SERVER:
        raise UsageError(
            "the ledger's URL is none of PostgreSQL; expected postgresql://USER@HOST/DATABASE",
            hint="without a URL, the ledger is a file in the state folder",
        )
    # What is taken for the host then begins with a part of the password, and is not to be told.
    if url.partition("?")[0].count("@") > 1:
        raise UsageError(
            "the ledger's URL has more than one `@`; expected postgresql://USER[:PASSWORD]@HOST/DATABASE",
            hint="in a name or password it is written %40",
        )
    try:
        engine = create_engine(
            address.set(drivername=f"{SERVER}+psycopg"),
            pool_pre_ping=True,  # a server that was started anew knows none of the old connections
            connect_args={**_PATIENCE, "options": _SESSION},
        )
    except ModuleNotFoundError as error:
        raise UsageError(
            f"a ledger on PostgreSQL needs the module {error.name}",
            hint="pip install 'stocktake[postgres]'",
        ) from error
    except ArgumentError as error:
        raise UsageError(
            f"the ledger's URL asks for what is not there: {error}",
            hint="expected postgresql://USER@HOST/DATABASE",
        ) from error
    where = shown(address)
    with telling(where):
        _bring_up_to_date(engine, where)
    return engine


def shown(address: URL) -> str:
    """A database's URL as it may be seen: a password may stand in its query, too."""
    return without_secrets(address.render_as_string(hide_password=True))


def moment_of(connection: Connection, now: Callable[[], datetime]) -> datetime:
    """What the database's own clock says, UTC: leases go by it, so that no two machines need agree on the time. SQLite
    is on this machine, and has `now` for its clock.
    """
    if connection.dialect.name != SERVER:
        return now()
    found: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return found.astimezone(UTC)


def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begin(connection: Connection) -> None:
    # A transaction that first reads and then writes may find that another has written in between; one that will
    # write says so at once, and waits for its turn.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(engine: Engine, where: object) -> None:
    with engine.connect() as connection:
        if _is_newest(_version(connection), where):
            return
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        if connection.dialect.name == SERVER:
            # A large table takes its time; nobody waits for a lock longer than ever.
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
        found = _version(connection)
        if _is_newest(found, where):  # another process was faster
            return
        if found is None:
            metadata.create_all(connection)
            _REVISIONS.create(connection)
            connection.execute(_REVISIONS.insert().values(version_num=SCHEMA_VERSION))
        else:
            # Alembic is as large as SQLAlchemy itself, and a ledger that is new needs no migration.
            from stocktake.state.migrations.upgrade import upgrade  # noqa: PLC0415

            upgrade(connection)


def _is_newest(found: str | None, where: object) -> bool:
    """Whether a database of the schema `found` needs nothing.

    Raises:
        LedgerError: it is newer than any that this stocktake knows.
    """
    if found is not None and found > SCHEMA_VERSION:
        raise ledger_error(
            where,
            f"a newer stocktake made it (found schema {found}, this one knows up to {SCHEMA_VERSION})",
            "use that one, or name another folder with STOCKTAKE_STATE_FOLDER",
        )
    return found == SCHEMA_VERSION


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_REVISIONS.name):
        return None
    return connection.scalar(select(_REVISIONS.c.version_num))
