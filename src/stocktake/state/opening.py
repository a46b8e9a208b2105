"""Opening the database: made where it is missing, brought to the newest schema, refused where it is newer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    inspect,
    select,
)
from sqlalchemy.pool import ConnectionPoolEntry

from stocktake.state.failures import BUSY_TIMEOUT_S, ledger_error, telling
from stocktake.state.tables import SCHEMA_VERSION, metadata

FILE = "ledger.sqlite3"
WRITES = "stocktake_writes"  # the execution option of connections that write

_PRAGMAS = (
    "PRAGMA journal_mode = WAL",  # who reads does not wait for who writes
    "PRAGMA synchronous = FULL",  # what is committed survives a power cut
    "PRAGMA foreign_keys = ON",
)

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
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    with telling(path):
        _bring_up_to_date(engine, path)
    return engine


def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:
    for pragma in _PRAGMAS:
        connection.execute(pragma).close()


def _begin(connection: Connection) -> None:
    # A transaction that first reads and then writes may find that another has written in between; one that will
    # write says so at once, and waits for its turn.
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _bring_up_to_date(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        found = _version(connection)
    if found == SCHEMA_VERSION:
        return
    if found is not None and found > SCHEMA_VERSION:
        raise ledger_error(
            path,
            f"a newer stocktake made it (found schema {found}, this one knows up to {SCHEMA_VERSION})",
            "use that one, or name another folder with STOCKTAKE_STATE_FOLDER",
        )
    with engine.execution_options(**{WRITES: True}).begin() as connection:
        found = _version(connection)  # another process may have been faster
        if found is None:
            metadata.create_all(connection)
            _REVISIONS.create(connection)
            connection.execute(_REVISIONS.insert().values(version_num=SCHEMA_VERSION))
        elif found != SCHEMA_VERSION:
            # Alembic is as large as SQLAlchemy itself, and a ledger that is new needs no migration.
            from stocktake.state.migrations.upgrade import upgrade  # noqa: PLC0415

            upgrade(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_REVISIONS.name):
        return None
    return connection.scalar(select(_REVISIONS.c.version_num))
