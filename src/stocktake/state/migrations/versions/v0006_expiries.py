"""Reports that are being removed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the table."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "expiries",
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("begun", moment, nullable=False),
        sa.Column("tried", moment),
        sa.Column("error", sa.Text),
        sa.PrimaryKeyConstraint("place", name="pk_expiries"),
    )
