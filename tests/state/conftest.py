"""A ledger on either database, and the clock that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from stocktake.state.ledger import Ledger
from tests.servers.postgres import PostgresServer
from tests.state.ledgers import Clock, opened_at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the ledger is: a folder, or the URL of a database."""
    if request.param == "sqlite":
        return str(tmp_path / "state")
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.make_database()


@pytest.fixture
def ledger(place: str, clock: Clock) -> Iterator[Ledger]:
    with opened_at(place, clock) as opened:
        yield opened
