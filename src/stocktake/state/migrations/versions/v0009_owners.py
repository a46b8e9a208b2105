"""Whose the buckets of configurations are, and which configurations run no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the columns."""
    for column in (
        sa.Column("owner", sa.Text),
        sa.Column("suspended", sa.DateTime(timezone=True)),
        sa.Column("reason", sa.Text),
    ):
        op.add_column("configurations", column)
