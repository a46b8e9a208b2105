"""Runs that the service does on its own, and the counter that numbers their claims."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    moment = sa.DateTime(timezone=True)
    identity = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "scheduled_runs",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("store", sa.String(64), nullable=False),
        sa.Column("bucket", sa.String(255), nullable=False),
        sa.Column("configuration_id", identity, nullable=False),
        sa.Column("put", moment, nullable=False),
        sa.Column("period", moment),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due", moment, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("finished", moment),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("claims", sa.Integer, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("lease_s", sa.Float, nullable=False),
        sa.Column("lease_until", moment),
        sa.Column("owner", sa.Text),
        sa.Column("progress", sa.Text),
        sa.Column("error", sa.Text),
        sa.Column("hint", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_scheduled_runs"),
        sa.UniqueConstraint(
            "store", "bucket", "configuration_id", "put", "period", name="uq_scheduled_runs_store"
        ),
    )
    op.create_index("ix_scheduled_runs_state", "scheduled_runs", ["state", "due"])
    counters = sa.table("counters", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.execute(counters.insert().values(name="epochs", value=0))
