"""Runs, and what each has named, spooled and delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "runs",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("destination", sa.Text, nullable=False),
        sa.Column("configuration_id", sa.String(64), nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("spool", sa.Text, nullable=False),
        sa.Column("started", moment, nullable=False),
        sa.Column("updated", moment, nullable=False),
        sa.Column("finished", moment),
        sa.Column("token", sa.String(32)),
        sa.Column("owner", sa.Text),
        sa.Column("place", sa.Text),
        sa.Column("root", sa.Text),
        sa.Column("moment", moment),
        sa.Column("manifest", sa.Text),
        sa.Column("rows", sa.BigInteger),
        sa.Column("error", sa.Text),
        sa.Column("hint", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("place", name="uq_runs_place"),
    )
    op.create_index("ix_runs_state", "runs", ["state"])
    op.create_index("ix_runs_started", "runs", ["started"])
    _create_parts(
        "files",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger),
        sa.Column("delivery", sa.Text),
        primary=("key",),
    )
    _create_parts(
        "uploads",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("upload_id", sa.Text, nullable=False),
        primary=("key", "upload_id"),
    )
    _create_parts(
        "segments",
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("segment", sa.Text, nullable=False),
        primary=("after",),
    )


def _create_parts(
    name: str, *columns: sa.Column[str] | sa.Column[int], primary: tuple[str, ...]
) -> None:
    """A table of what belongs to a run and goes with it."""
    op.create_table(
        name,
        sa.Column("run", sa.String(16), nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("run", *primary, name=f"pk_{name}"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=f"fk_{name}_runs", ondelete="CASCADE"),
    )
