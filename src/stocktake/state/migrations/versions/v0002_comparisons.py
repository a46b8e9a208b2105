"""What was expected of a run beside what it came to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "comparisons",
        sa.Column("run", sa.String(16), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("comparison", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", "number", name="pk_comparisons"),
        sa.ForeignKeyConstraint(
            ["run"], ["runs.id"], name="fk_comparisons_runs", ondelete="CASCADE"
        ),
    )
