"""Which scheduled runs are not over, may be worked on, or have left something: few among all that there were."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

_NOT_OVER = "finished IS NULL"
_LEFT = (
    "CASE state WHEN 'published' THEN lease_until IS NOT NULL"
    " WHEN 'cancelled' THEN claims > 0 WHEN 'failed' THEN claims > 0 END"
)


def upgrade() -> None:
    """Make the indexes."""
    for name, columns, condition in (
        ("under_way", ["store", "bucket", "configuration_id", "put"], _NOT_OVER),
        ("next", ["due", "id"], _NOT_OVER),
        ("leased", ["store", "lease_until"], "lease_until IS NOT NULL"),
        ("left", ["id"], _LEFT),
    ):
        those = sa.text(condition)
        op.create_index(
            f"ix_scheduled_runs_{name}",
            "scheduled_runs",
            columns,
            sqlite_where=those,
            postgresql_where=those,
        )
