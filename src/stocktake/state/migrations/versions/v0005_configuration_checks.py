"""What trying a configuration out has shown, beside it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    moment = sa.DateTime(timezone=True)
    identity = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    op.create_table(
        "configuration_checks",
        sa.Column("store", sa.String(64), nullable=False),
        sa.Column("bucket", sa.String(255), nullable=False),
        sa.Column("id", identity, nullable=False),
        sa.Column("begun", moment),
        sa.Column("trial", sa.Text),
        sa.Column("version", sa.BigInteger),
        sa.Column("checked", moment),
        sa.Column("document", sa.Text),
        sa.PrimaryKeyConstraint("store", "bucket", "id", name="pk_configuration_checks"),
    )
