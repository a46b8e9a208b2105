"""Configurations that users put, the options beside them, and the counter that numbers the puts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    moment = sa.DateTime(timezone=True)
    # Ids are listed in the order of their bytes, whatever the database's own order of texts.
    identity = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "configurations",
        sa.Column("store", sa.String(64), nullable=False),
        sa.Column("bucket", sa.String(255), nullable=False),
        sa.Column("id", identity, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("changed", moment, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("store", "bucket", "id", name="pk_configurations"),
    )
    op.create_table(
        "report_options",
        sa.Column("store", sa.String(64), nullable=False),
        sa.Column("bucket", sa.String(255), nullable=False),
        sa.Column("id", identity, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("changed", moment, nullable=False),
        sa.PrimaryKeyConstraint("store", "bucket", "id", name="pk_report_options"),
    )
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("value", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.execute(counters.insert().values(name="configurations", value=0))
