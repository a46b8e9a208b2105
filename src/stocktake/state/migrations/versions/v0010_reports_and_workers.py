"""Reports that were published, beyond the runs that did so, and workers, whether they have a run or not."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

# Bytes of data files were not known before.
_PUBLISHED = sa.text(
    "SELECT scheduled_runs.id AS run, store, bucket, scheduled_runs.configuration_id, period,"
    " scheduled_runs.finished AS published, place, manifest, rows, progress"
    " FROM scheduled_runs JOIN runs ON runs.id = scheduled_runs.id"
    " WHERE scheduled_runs.state = 'published' AND manifest IS NOT NULL"
)


def upgrade() -> None:
    """Make the tables; enter the reports of runs that are known."""
    moment = sa.DateTime(timezone=True)
    identity = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
    reports = op.create_table(
        "published_reports",
        sa.Column("run", sa.String(16), nullable=False),
        sa.Column("store", sa.String(64), nullable=False),
        sa.Column("bucket", sa.String(255), nullable=False),
        sa.Column("configuration_id", identity, nullable=False),
        sa.Column("period", moment),
        sa.Column("published", moment, nullable=False),
        sa.Column("place", sa.Text),
        sa.Column("manifest", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("file_bytes", sa.BigInteger),
        sa.Column("object_bytes", sa.BigInteger),
        sa.Column("problems", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("run", name="pk_published_reports"),
    )
    op.create_index("ix_published_reports_place", "published_reports", ["place"])
    op.create_index(
        "ix_published_reports_newest",
        "published_reports",
        ["store", "bucket", "configuration_id", sa.text("published DESC"), "run"],
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("process", sa.Integer, nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("begun", moment, nullable=False),
        sa.Column("beaten", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    moments = _PUBLISHED.columns(period=moment, published=moment)
    known = [_entered(row._mapping) for row in op.get_bind().execute(moments)]  # noqa: SLF001 - its public name
    if known:
        op.bulk_insert(reports, known)


def _entered(row: Any) -> dict[str, Any]:
    progress = json.loads(row["progress"] or "{}")
    return {
        **{name: value for name, value in row.items() if name != "progress"},
        "rows": row["rows"] or 0,
        "file_bytes": None,
        "object_bytes": progress.get("object_bytes"),
        "problems": json.dumps(progress.get("problems") or {}),
    }
