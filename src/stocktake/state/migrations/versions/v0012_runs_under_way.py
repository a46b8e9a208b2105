"""Which scheduled runs are under way, and of which something may be left: few among all that there were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the indexes."""
    for name, columns, condition in (
        (
            "under_way",
            ["store", "bucket", "configuration_id", "put"],
            "state IN ('waiting', 'running')",
        ),
        (
            "left",
            ["id"],
            "CASE state WHEN 'published' THEN lease_until IS NOT NULL"
            " WHEN 'cancelled' THEN claims > 0 WHEN 'failed' THEN claims > 0 END",
        ),
    ):
        those = sa.text(condition)
        op.create_index(
            f"ix_scheduled_runs_{name}",
            "scheduled_runs",
            columns,
            sqlite_where=those,
            postgresql_where=those,
        )
