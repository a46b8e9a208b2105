"""Bringing a database to the newest schema, within a transaction of the caller's."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def configuration() -> Config:
    """Alembic's configuration; there is no alembic.ini."""
    config = Config()
    # A `%` would begin an interpolation.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(connection: Connection) -> None:
    """Bring the database behind `connection`, which is in a transaction, to the newest schema."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
