"""What became of runs, and whom it is to be told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "events",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("run", sa.String(16), nullable=False),
        sa.Column("store", sa.String(64), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("spread", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_spread", "events", ["spread"])
    op.create_table(
        "notices",
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("target", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due", moment, nullable=False),
        sa.Column("finished", moment),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
        sa.ForeignKeyConstraint(
            ["event"], ["events.id"], name="fk_notices_events", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event", "target", name="pk_notices"),
    )
    op.create_index("ix_notices_target", "notices", ["target", "state", "due"])
