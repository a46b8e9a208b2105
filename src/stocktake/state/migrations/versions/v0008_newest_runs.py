"""The order in which lists of scheduled runs are read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the indexes."""
    one = ("store", "bucket", "configuration_id")
    for name, columns in (
        ("", ()),
        ("_store", one[:1]),
        ("_configuration", one),
        ("_state", ("state",)),
    ):
        op.create_index(
            f"ix_scheduled_runs{name}_newest",
            "scheduled_runs",
            [*columns, sa.text("created DESC"), "id"],
        )
